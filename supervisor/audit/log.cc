#include "supervisor/audit/log.h"

#include <utility>

#include "base/clock.h"
#include "supervisor/audit/line.h"

namespace alos::audit {

Result<Log> Log::open(const std::string& dir, const Options& options) {
  return Log(TRY(Writer::open(dir, {options.seal_every, options.rotate_bytes})), options);
}

Log::Log(Writer writer, const Options& options)
    : options_(options),
      writer_(std::move(writer)),
      repeats_(options.coalesce),
      budget_(options.run_budget, options.run_reserve),
      sealed_ns_(boot_ns()) {}

Log::~Log() {
  if (open_ && writer_.is_open()) (void)close();
}

std::string Log::id(uint64_t number) const {
  return writer_.id() + "-" + std::to_string(number);
}

Result<uint64_t> Log::append(const Record& record) {
  if (record.action.empty() || record.action.starts_with("audit."))
    return fail("append", record.action, EINVAL, "an audit record needs an action, and 'audit.' is the log's own");
  if (!open_) return fail("append", record.action, EBADF, "the log has been closed");
  if (batch_.bytes() >= options_.queue_bytes) TRY(flush(Durability::process));
  const int64_t now = wall_ns();
  if (const auto first = repeats_.absorb(record, number_ + 1, now)) return *first;
  if (auto queued = enqueue(record, now); !queued) {
    repeats_.drop(record);
    return std::unexpected(std::move(queued).error());
  }
  const uint64_t number = number_;
  if (repeats_.full()) enqueue_repeats(repeats_.take(INT64_MAX), now);
  return number;
}

Result<void> Log::enqueue(const Record& record, int64_t now_ns) {
  const size_t before = batch_.bytes();
  append_body(batch_.text(), record, id(number_ + 1), now_ns);
  const size_t size = batch_.bytes() - before + kAroundBody;
  auto allowed = size > kMaxLine ? fail("append", record.action, EMSGSIZE, "describe long data as a payload")
                                 : budget_.charge(record, size);
  if (!allowed) {
    batch_.text().resize(before);
    return allowed;
  }
  batch_.end_body(++number_);
  return {};
}

// An agent that has used up its budget by denials must not take the counts of others with it, nor by many of these the
// record of its end.
void Log::enqueue_repeats(const std::vector<Repeats::Repeat>& repeats, int64_t now_ns) {
  for (const Repeats::Repeat& repeat : repeats) {
    Detail detail;
    detail.add("repeated", repeat.count).add("first", rfc3339(repeat.first_ns)).add("last", rfc3339(repeat.last_ns));
    const std::string first = id(repeat.number);
    const Record record{.run = repeat.run,
                        .process = repeat.process,
                        .action = repeat.action,
                        .target = repeat.target,
                        .decision = Decision::deny,
                        .rule = repeat.rule,
                        .source = repeat.source,
                        .outcome = repeat.outcome,
                        .detail = std::move(detail),
                        .parent = first,
                        .charge = Charge::counts};
    if (!enqueue(record, now_ns)) uncounted_ += repeat.count;
  }
}

bool Log::withdraw(uint64_t number) {
  return batch_.remove(number);
}

bool Log::seal_is_due(int64_t now_ns) const {
  return unsealed_ && now_ns - sealed_ns_ >= std::chrono::nanoseconds(options_.seal_interval).count();
}

Result<Head> Log::flush(Durability durability) {
  enqueue_repeats(repeats_.take(wall_ns()), wall_ns());
  unsealed_ |= !batch_.empty();
  const int64_t now = boot_ns();
  const bool due = seal_is_due(now);
  if (!batch_.empty() || due) TRY(writer_.append(batch_, due ? Writer::Seal::now : Writer::Seal::when_due));
  if (due) {
    sealed_ns_ = now;
    unsealed_ = false;
  }
  if (durability == Durability::power) TRY(writer_.sync());
  return head();
}

Result<Head> Log::seal(Durability durability) {
  TRY(writer_.append(batch_, Writer::Seal::now));
  sealed_ns_ = boot_ns();
  unsealed_ = false;
  if (durability == Durability::power) TRY(writer_.sync());
  return head();
}

void Log::write_counts(std::string_view run) {
  enqueue_repeats(repeats_.take(INT64_MAX, run), wall_ns());
}

Result<void> Log::end_run(std::string_view run) {
  write_counts(run);
  TRY(flush(Durability::process));
  budget_.forget(run);
  return {};
}

Result<Head> Log::close(Durability durability) {
  if (!open_) return head();
  open_ = false;
  enqueue_repeats(repeats_.take(INT64_MAX), wall_ns());
  return seal(durability);
}

}  // namespace alos::audit
