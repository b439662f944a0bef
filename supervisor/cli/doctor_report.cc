#include "supervisor/cli/doctor_report.h"

#include <algorithm>

namespace alos::cli {
namespace {

using host::Fact;
using host::Facts;
using host::State;

struct Row {
  const char* name;
  Fact Facts::* fact;
  Need need;
  const char* what_for;
  const char* without;
};

constexpr Row kRows[] = {
    {"user namespaces", &Facts::user_namespace, Need::required, "a box has no authority outside itself",
     "every run is refused"},
    {"mount namespace", &Facts::mount_namespace, Need::required, "a box sees only what its policy mounts",
     "every run is refused"},
    {"pid namespace", &Facts::pid_namespace, Need::required, "a box ends as a whole, and sees no other process",
     "every run is refused"},
    {"net namespace", &Facts::net_namespace, Need::required, "a box reaches no network that its policy does not name",
     "every run is refused"},
    {"ipc namespace", &Facts::ipc_namespace, Need::required, "no shared memory or queues with others",
     "every run is refused"},
    {"uts namespace", &Facts::uts_namespace, Need::required, "a host name of its own", "every run is refused"},
    {"cgroup namespace", &Facts::cgroup_namespace, Need::required, "the host's groups stay unseen",
     "every run is refused"},
    {"procfs in a box", &Facts::procfs, Need::required, "a /proc that shows the box alone", "every run is refused"},
    {"fsopen, fsmount", &Facts::fsopen, Need::required, "a root built from nothing", "every run is refused"},
    {"open_tree", &Facts::open_tree, Need::required, "mounts made by descriptor, not by name", "every run is refused"},
    {"move_mount", &Facts::move_mount, Need::required, "the same", "every run is refused"},
    {"mount_setattr", &Facts::mount_setattr, Need::required, "read-only that holds for what is mounted below as well",
     "every run is refused"},
    {"id-mapped mounts", &Facts::idmapped_mount, Need::wanted, "under root each agent has a uid of its own",
     "'workspace: layer' and 'direct' are refused under root"},
    {"overlay", &Facts::overlay, Need::wanted, "writes go to a layer, not to the host",
     "'workspace: layer' is refused; 'copy' works"},
    {"Landlock", &Facts::landlock, Need::required, "the kernel judges each path again",
     "every run is refused, unless 'landlock' is degraded"},
    {"seccomp filter", &Facts::seccomp_filter, Need::required, "system calls that no agent needs are gone",
     "every run is refused"},
    {"seccomp notify", &Facts::seccomp_notify, Need::wanted, "directories are renamed in a layer as anywhere",
     "'workspace: layer' is refused; 'copy' works"},
    {"notify killable", &Facts::seccomp_killable, Need::note, "no signal disturbs the renaming of a directory",
     "in a layer a signal can make the renaming of a directory fail, carried out or not"},
    {"clone3", &Facts::clone3, Need::required, "a box begins in its namespaces, with a pidfd", "every run is refused"},
    {"pidfd", &Facts::pidfd, Need::required, "signals reach the process that was meant", "every run is refused"},
    {"close_range", &Facts::close_range, Need::required, "no descriptor is inherited by accident",
     "every run is refused"},
    {"openat2", &Facts::openat2, Need::required, "paths that cannot lead out of their root", "every run is refused"},
    {"execveat", &Facts::execveat, Need::required, "the program that was checked is the one that runs",
     "every run is refused"},
    {"MDWE", &Facts::mdwe, Need::wanted, "memory is never writable and executable",
     "policies with 'mdwe' are refused, unless it is degraded"},
    {"io_uring", &Facts::io_uring, Need::required, "the broker's file operations; never in a box",
     "every run is refused, unless 'broker' is degraded"},
    {"broker's root", &Facts::broker_root, Need::required, "the broker has no path to a file of the host",
     "every run is refused, unless 'broker' is degraded"},
    {"Yama", &Facts::ptrace_scope, Need::note, "", "boxes forbid ptrace by themselves"},
    {"TIOCSTI", &Facts::tiocsti, Need::note, "", "boxes forbid it by themselves"},
    {"systemd", &Facts::systemd, Need::note, "a user's limits can be delegated by it", ""},
    {"user's cgroups", &Facts::delegation, Need::note, "limits of a whole box without root", ""},
};

bool counts(const Finding& finding) {
  return finding.need != Need::note;
}

}  // namespace

Report report_on(const Facts& facts, const std::vector<host::Limit>& limits) {
  Report report{.kernel = facts.kernel,
                .uid = facts.uid,
                .findings = {},
                .limits = host::enforcers(facts),
                .asked = limits,
                .degrade = {}};
  for (const Row& row : kRows) {
    // An ordinary user's files keep their owner in a box of his own: nothing is mapped.
    if (row.fact == &Facts::idmapped_mount && facts.uid != 0) continue;
    if (row.fact == &Facts::delegation && facts.uid == 0) continue;
    report.findings.push_back({row.name, row.need, facts.*row.fact, row.what_for, row.without});
  }
  report.degrade = box::unheld(box::who_holds(facts.machine), limits);
  return report;
}

bool Report::missing() const {
  return !degrade.empty() ||
         std::ranges::any_of(findings, [](const Finding& f) { return counts(f) && f.fact.state == State::no; });
}

bool Report::unsure() const {
  return std::ranges::any_of(findings, [](const Finding& f) { return counts(f) && f.fact.state == State::unknown; });
}

bool Report::runs() const {
  return std::ranges::all_of(findings, [](const Finding& f) { return f.need != Need::required || f.fact.there(); });
}

std::string Report::degrade_flag() const {
  std::string out;
  for (const host::Limit limit : degrade) out += (out.empty() ? "--degrade " : ",") + std::string(name(limit));
  return out;
}

}  // namespace alos::cli
