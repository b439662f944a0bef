#include "supervisor/host/crashes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <optional>

#include "base/clock.h"
#include "base/print.h"
#include "base/sys.h"
#include "supervisor/host/action.h"
#include "supervisor/workspace/layer.h"

namespace alos::host {
namespace {

// The first line: a word of this length, which can be changed without a new block of the disk, and the intent's id.
constexpr std::string_view kRunning = "running ", kEnded = "ended   ";
constexpr size_t kMarkLimit = 4 << 20;

struct Mark {
  std::string path;
  UniqueFd lock;  // the teller's
  std::string intent;
  Crash crash;
};

int64_t nanoseconds(const timespec& at) {
  return int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
}

bool pending_in(const std::string& state, const RunInfo& run) {
  if (run.workspace.empty()) return false;
  const auto layer = workspace::open_layer(state, run.workspace, workspace::Access::look);
  return layer && layer->pending;
}

// Nothing, where a supervisor holds it, is about to, or somebody else is telling it. The run is called as the file is,
// whatever it says: as root it is an ordinary id's.
std::optional<Mark> read_mark(const std::string& state, const std::string& id) {
  const std::string path = marks_directory(state) + "/" + id;
  auto file = sys::open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!file || sys::is_locked(file->get()).value_or(true)) return std::nullopt;
  // It is locked before it is written: what holds words and no lock has lost its supervisor.
  const auto text = sys::read_file(file->get(), kMarkLimit);
  if (!text || text->empty() || !sys::lock(file->get())) return std::nullopt;
  const auto st = sys::fstat(file->get());
  const size_t line = text->find('\n');
  if (!st || st->st_nlink == 0 || line == text->npos || line < kRunning.size()) return std::nullopt;
  auto run = parse_info(text->substr(line + 1), path);
  if (!run) return std::nullopt;
  run->id = id;
  Mark mark{path, std::move(*file), text->substr(kRunning.size(), line - kRunning.size()), {}};
  mark.crash.run = std::move(*run);
  mark.crash.seen_ns = nanoseconds(st->st_mtim);
  mark.crash.how = text->starts_with(kEnded)                    ? Crash::How::unrecorded
                   : mark.crash.seen_ns < wall_ns() - boot_ns() ? Crash::How::restart
                                                                : Crash::How::crash;
  mark.crash.pending = pending_in(state, mark.crash.run);
  return mark;
}

Result<void> record(const std::string& state, const Mark& mark) {
  const std::string outcome(name(mark.crash.how));
  audit::Record record;
  record.run = mark.crash.run.id;
  record.action = mark.crash.how == Crash::How::unrecorded ? "run.end" : "run.crashed";
  record.target = mark.crash.run.name;
  record.outcome = outcome;
  record.parent = mark.intent;
  record.charge = audit::Charge::supervisor;
  record.detail.add("started", rfc3339(mark.crash.run.started_ns))
      .add("last_seen", rfc3339(mark.crash.seen_ns))
      .add("workspace", mark.crash.run.workspace)
      .add("changes", mark.crash.pending ? "kept" : "none");
  return record_action(state, record);
}

}  // namespace

std::string marks_directory(const std::string& state) {
  return state + "/open";
}

std::string_view name(Crash::How how) {
  switch (how) {
    case Crash::How::crash:
      return "crash";
    case Crash::How::restart:
      return "restart";
    case Crash::How::unrecorded:
      return "unrecorded";
  }
  return "?";
}

Result<RunMark> RunMark::put(const std::string& directory, const RunInfo& run, const std::string& intent) {
  RunMark out;
  out.path_ = directory + "/" + run.id;
  out.file_ = TRY(sys::open(out.path_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(sys::lock(out.file_.get()));
  TRY(sys::write_all(out.file_.get(), fmt::format("{}{}\n{}", kRunning, intent, text_of(run))));
  return out;
}

void RunMark::beat() const {
  if (file_) ::futimens(file_.get(), nullptr);
}

void RunMark::unrecorded() const {
  // Should even this fail, it is told as a crash.
  if (file_ && ::pwrite(file_.get(), kEnded.data(), kEnded.size(), 0) < 0) return;
}

void RunMark::remove() {
  if (file_) ::unlink(path_.c_str());
  file_.reset();
}

Result<std::vector<Crash>> take_crashes(const Directories& directories) {
  const std::string directory = marks_directory(directories.state);
  std::vector<Crash> out;
  const auto dir = sys::open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir && dir.error().code == ENOENT) return out;
  if (!dir) return std::unexpected(dir.error());
  for (const sys::Entry& entry : TRY(sys::list(dir->get()))) {
    auto mark = read_mark(directories.state, entry.name);
    if (!mark) continue;
    if (auto recorded = record(directories.state, *mark); !recorded) {
      alos::print_error("alos: that {} did not end in order cannot be recorded: {}\n", printable(entry.name),
                        recorded.error().text());
      continue;
    }
    ::unlink(mark->path.c_str());
    unregister_run(directories.runtime + "/runs/" + mark->crash.run.id);
    out.push_back(std::move(mark->crash));
  }
  return out;
}

std::string text_of(const Crash& crash) {
  const std::string who = fmt::format("{} ({})", printable(crash.run.id), printable(crash.run.name));
  const std::string since = rfc3339(crash.run.started_ns), seen = rfc3339(crash.seen_ns);
  std::string out;
  switch (crash.how) {
    case Crash::How::crash:
      out = fmt::format("{}, started {}, ended by a crash of its supervisor; last seen {}", who, since, seen);
      break;
    case Crash::How::restart:
      out = fmt::format("{}, started {}, ended with a restart of this machine; last seen {}", who, since, seen);
      break;
    case Crash::How::unrecorded:
      out = fmt::format("{}, started {}, ended, but its end could not be recorded then", who, since);
      break;
  }
  if (crash.pending)
    out += fmt::format("\n      what it changed is kept: 'alos diff --workspace {}' shows it",
                       printable(crash.run.workspace));
  return out;
}

}  // namespace alos::host
