#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace alos::host {

// Runs in progress, for ps, logs and kill: <runtime>/runs/<id>/ with run.json (written once), output.log (what a
// terminal run wrote, bounded) and lock, held by the run's supervisor while it lives. A directory whose lock is free
// belongs to a run that ended without cleaning up; whoever sees it removes it.
struct RunInfo {
  std::string id, name, policy, policy_hash, about, workspace, workspace_mode;
  std::vector<std::string> argv;  // shown_command()
  int64_t started_ns = 0;
  int32_t supervisor = 0;  // pid
  int32_t box = 0;         // pid of the box's init, as the host sees it; 0 before it runs
  uint64_t wall_ms = 0;    // 0: no limit
  std::vector<std::string> degraded;
  std::string where;  // here(), of the supervisor: elsewhere its pids are other processes
  bool alive = false;
};
// The boot of this machine and the pid namespace of this process: a directory may be shared by several.
std::string here();

// The words of a command up to kShownBytes, and how much is left out: what is longer than any reader takes would hide
// its run.
std::vector<std::string> shown_command(const std::vector<std::string>& argv);
inline constexpr size_t kShownBytes = 8192;

// As run.json holds it. Errors of parsing: EBADMSG, naming `object`.
std::string text_of(const RunInfo& info);
Result<RunInfo> parse_info(const std::string& text, const std::string& object);

// Makes the run's directory, locked; the descriptor of the lock keeps it.
Result<UniqueFd> register_run(const std::string& directory);
Result<void> write_info(const std::string& directory, const RunInfo& info);
// Everything registered below <runtime>/runs; stale ones are removed and left out. What is not called as a run is not
// touched. As root the directory is the supervisors', an ordinary id's, and what lies in it is read so.
Result<std::vector<RunInfo>> list_runs(const std::string& runtime);
// By id, by name, or by an unambiguous beginning of an id. Errors: ENOENT, EEXIST (several).
Result<RunInfo> find_run(const std::string& runtime, const std::string& name);
void unregister_run(const std::string& directory);

}  // namespace alos::host
