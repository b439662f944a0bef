#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/archive.h"
#include "base/digest.h"
#include "base/result.h"
#include "policy/archive.h"
#include "policy/box_plan.h"

namespace alos {

namespace policy {
template <class A>
void fields(A& a, BoxMount& m) {
  a(m.path, m.glob, m.tree, m.rights, m.optional, m.rule, m.source);
}
template <class A>
void fields(A& a, BoxMask& m) {
  a(m.pattern, m.except, m.denied, m.pin_parents, m.rule, m.reason, m.source);
}
template <class A>
void fields(A& a, BoxCommand& c) {
  a(c.rule, c.usage, c.program, c.mounts, c.masks, c.source);
}
template <class A>
void fields(A& a, BoxPlan& p) {
  a(p.policy, p.about, p.hash, p.mounts, p.masks, p.brokered, p.brokered_masks, p.commands, p.no_commands, p.clock,
    p.layer_denies, p.printed, p.workspace_mode, p.workspace, p.keep_home, p.limits, p.degrade, p.env_pass, p.env_set,
    p.memory_deny_write_execute);
}
}  // namespace policy

namespace box {

// A file that a compiled policy was made from, or whose absence it counted on.
struct SourceFile {
  std::string path;
  bool present = false;
  Digest content{};      // of what is there, zero where absent
  bool project = false;  // the project's own file: may lie where the agent writes, because it can only take away
};

// A policy made ready for launching: what alos-policy writes into the cache, the front checks and the launcher carries
// out.
struct Compiled {
  std::vector<SourceFile> sources;
  // Named by rules of `commands`: the links on the way to each, and the file that it led to.
  std::map<std::string, std::vector<std::string>> programs;
  policy::BoxPlan plan;
  std::string rules;                       // the policy itself for whoever decides (policy/archive.h), still encoded
  std::vector<sock_filter> filter;         // strict filter, loaded last
  std::vector<sock_filter> rename_filter;  // notifies renames; used only over an unprivileged layer
};

// What one run adds to its policy. Made by the front, from the caller's arguments.
struct RunRequest {
  std::string id;    // "run_" + 16 hex
  std::string name;  // shown by ps
  std::vector<std::string> argv;
  std::vector<std::string> env;  // complete, "K=V"
  std::string cwd;               // in the box
  uid_t host_uid = 0;            // what the box's one user is outside; never 0
  gid_t host_gid = 0;
  std::vector<std::string> degrade;  // given up by the policy or the operator
  bool terminal = false;             // some of stdin, stdout, stderr is to be a pty of the box
  uint8_t terminal_mask = 0;         // bit 0, 1, 2: that one
  uint16_t rows = 0, columns = 0;
  bool clock_is_given = false;  // `wall` is the supervisor's alone to hold
  std::string layer;            // canonical path of the workspace's layer directory
  std::string home;             // of a home that lasts
};

// What a further box of a run executes (LauncherOrder::run). For a command of the plan env is the launcher's own, cwd
// only where the agent cannot write.
struct CommandRequest {
  std::string program;  // absolute
  std::vector<std::string> argv;
  std::vector<std::string> env;  // complete, "K=V"
  std::string cwd;
};

template <class A>
void fields(A& a, CommandRequest& c) {
  a(c.program, c.argv, c.env, c.cwd);
}
template <class A>
void fields(A& a, SourceFile& s) {
  a(s.path, s.present, s.content, s.project);
}
template <class A>
void fields(A& a, Compiled& c) {
  a(c.sources, c.programs, c.plan, c.rules, c.filter, c.rename_filter);
}
template <class A>
void fields(A& a, RunRequest& r) {
  a(r.id, r.name, r.argv, r.env, r.cwd, r.host_uid, r.host_gid, r.degrade, r.terminal, r.terminal_mask, r.rows,
    r.columns, r.clock_is_given, r.layer, r.home);
}

}  // namespace box
}  // namespace alos
