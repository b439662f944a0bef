#include "supervisor/host/run_record.h"

#include "base/paths.h"

namespace alos::host {

Result<void> RunRecord::intent(const SupervisorOrder& order) {
  log_.emplace(TRY(audit::Log::open(order.audit_directory)));
  const std::string target = printable_command(order.argv);
  audit::Record record;
  record.run = order.run;
  record.action = "run.start";
  record.target = target;
  record.decision = audit::Decision::allow;
  record.rule = order.policy;
  record.charge = audit::Charge::supervisor;
  record.detail.add("name", order.name)
      .add("policy", order.policy)
      .add("policy_hash", order.policy_hash)
      .add("workspace", order.workspace)
      .add("mode", order.workspace_mode)
      .add("uid", uint64_t{order.caller_uid});
  if (order.clock == ClockKind::given) record.detail.add("clock", "virtual");
  if (order.script_lines > 0) record.detail.add("script", uint64_t{order.script_lines});
  for (const std::string& notice : order.notices) record.detail.add("notice", notice);
  const uint64_t number = TRY(log_->append(record));
  TRY(log_->flush(audit::Durability::process));
  intent_ = log_->id(number);
  return {};
}

Result<void> RunRecord::mark(const std::string& marks_directory, const RunInfo& info) {
  mark_ = TRY(RunMark::put(marks_directory, info, intent_));
  return {};
}

void RunRecord::write_counts(const SupervisorOrder& order) {
  if (log_) log_->write_counts(order.run);
}

Result<void> RunRecord::end(const SupervisorOrder& order, const Ending& ending, const Totals& totals) {
  if (!log_) return {};
  const std::string outcome = ending.what.empty() ? ending.reason : ending.reason + " " + ending.what;
  audit::Record record;
  record.run = order.run;
  record.action = "run.end";
  record.target = order.name;
  record.outcome = outcome;
  record.parent = intent_;
  record.charge = audit::Charge::supervisor;
  if (!totals.not_held.empty()) record.detail.add("not_held", totals.not_held);
  if (totals.lost_records) record.detail.add("calls", "a broker ended before it had said everything");
  if (totals.records_refused > 0) record.detail.add("records_refused", totals.records_refused);
  record.detail.add("code", static_cast<uint64_t>(ending.code))
      .add("executed", ending.executed ? "yes" : "no")
      .add("wall_ms", totals.wall_ms)
      .add("cpu_ms", totals.usage.cpu_ms)
      .add("memory_peak", totals.usage.memory_peak)
      .add("processes_peak", totals.usage.processes_peak);
  auto written = log_->append(record);
  if (written) (void)log_->end_run(order.run);
  auto head = written ? log_->close() : std::unexpected(written.error());
  if (!head) {
    mark_.unrecorded();
    return std::unexpected(head.error());
  }
  head_ = head->text();
  mark_.remove();
  return {};
}

}  // namespace alos::host
