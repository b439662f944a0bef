#include <fmt/format.h>
#include <unistd.h>

#include "tests/escape/sandbox.h"
#include "tests/integration/harness.h"

namespace alos::escape {
namespace {

// Files: the workspace; for threats 1 and 2 also the directory of the secret, so that it is the mask that has to hold
// and not the absence of everything around it. Limits: below what the rows of threat 23 ask for, and for the others
// nothing that they would feel.
std::string policy_for(const Row& row, const Host& host) {
  const bool exhausts = row.attempt.starts_with("23.");
  const bool masked = row.attempt.starts_with("1.") || row.attempt.starts_with("2.");
  std::string text =
      "alos: 1\n"
      "about: the tests of escapes\n"
      "extends: base\n"
      "vars: {workspace: dir}\n"
      "workspace: layer\n"
      "files:\n"
      "  workspace: {allow: rwx, path: $workspace/**}\n";
  if (masked)
    text += fmt::format(
        "  around: {{allow: rwx, path: {0}/**}}\n"
        "  secret: {{deny: rwx, path: {0}/token, reason: nobody may read it}}\n",
        host.path("secret"));
  text += fmt::format("limits: {{processes: {}, open-files: 1024, wall: 15s, disk: {}, memory: {}{}}}\n",
                      exhausts ? 100 : 256, exhausts ? "32MiB" : "256MiB", exhausts ? "128MiB" : "1GiB",
                      row.attempt == "23.c" ? ", cpus: 0.1" : "");
  return text;
}

// Limits that only a cgroup holds; an ordinary user has none here.
bool needs_cgroup(const Row& row) {
  return row.attempt == "23.b" || row.attempt == "23.c";
}

}  // namespace

Sandbox alos_run(Who starter) {
  Sandbox sandbox;
  sandbox.unavailable = [starter] {
    return test::World::unavailable(starter == Who::root ? test::Mode::root : test::Mode::rootless);
  };
  sandbox.name = starter == Who::root ? "alos_root" : "alos_rootless";
  sandbox.prefix = [starter](const Row& row, const Host& host) {
    std::vector<std::string> all{"env",
                                 "ALOS_STATE_DIR=" + host.path("own"),
                                 "HOME=" + host.path("home"),
                                 test::World::programs() + "/alos",
                                 "run",
                                 "--policy",
                                 host.add("own/policy.yaml", policy_for(row, host)),
                                 "--workspace",
                                 host.workspace()};
    if (starter == Who::user) {
      if (!needs_cgroup(row)) all.insert(all.end(), {"--degrade", "memory,cpus,cpu-time"});
      if (row.attempt == "23.c") all.insert(all.end(), {"--degrade", "memory"});
    }
    all.emplace_back("--");
    return all;
  };
  sandbox.expected = [](const Row&) { return Plain::stopped; };
  sandbox.targets = [](const Row&, const Host&) {
    return std::vector<std::string>{"ESCAPE_PROGRAMS=" + test::World::programs()};
  };
  // Without a cgroup to hold it, nothing starts.
  sandbox.refuses = [starter](const Row& row) -> std::string {
    if (starter == Who::root || !needs_cgroup(row)) return "";
    return row.attempt == "23.b" ? "memory" : "cpus";
  };
  return sandbox;
}

}  // namespace alos::escape
