#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "supervisor/audit/log.h"
#include "supervisor/host/events.h"
#include "syscall-broker/link.h"

namespace alos::host {

// What the broker says that it decided and did, into the audit log and the events. Its words are an agent's: they are
// charged to the run's budget and are about this run, whatever they say. One thread.
class CallRecord {
 public:
  CallRecord(std::string run, audit::Log& log, Events& events) : run_(std::move(run)), log_(log), events_(events) {}

  // Answers for those that are waited for, once they are where the death of any process leaves them.
  broker::AllRecorded take(broker::Records records);

  // Into the event of the run's end: "calls", how often each was denied, done and not done; "denied_untold", denials
  // that no event tells by their request, being beyond so many different ones; "records_refused".
  void tell(nlohmann::ordered_json& end) const;

  uint64_t denied() const { return denied_; }
  // How many, and the first few, each in a line: "  fs.read /x (rule 'secrets', coding.yaml:9:3)".
  std::string denials_said() const;

  // Denials and outcomes that the audit log has neither recorded nor counted, a run's share of it being used up, say:
  // what was denied stays so, what was done is done. After RunRecord::write_counts().
  uint64_t refused() const { return refused_ + log_.uncounted(); }

 private:
  Result<uint64_t> append(const broker::Record& record);  // its number in the log
  void count(const broker::Record& record);
  void count_denial(const broker::Record& record);

  std::string run_;
  audit::Log& log_;
  Events& events_;
  std::unordered_map<uint64_t, std::string> intents_;  // ids in the log, until their end
  std::map<std::string, uint64_t> counts_;
  std::unordered_map<std::string, uint64_t> denials_;  // of each rule and target
  std::unordered_set<std::string> rules_;              // that have denied
  uint64_t denied_ = 0, refused_ = 0, untold_ = 0;
  std::vector<std::string> first_denials_;
};

}  // namespace alos::host
