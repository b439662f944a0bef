#include "supervisor/box/requirements.h"

#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "supervisor/box/identity.h"
#include "supervisor/box/kernel_abi.h"
#include "supervisor/box/limit_holders.h"

namespace alos::box {

bool degraded(const Order& order, std::string_view what) {
  return std::ranges::find(order.run.degrade, what) != order.run.degrade.end();
}

Result<void> check_request(const Order& order) {
  const Identity identity{.host_uid = order.run.host_uid, .host_gid = order.run.host_gid};
  TRY(check(identity));
  if (order.run.argv.empty()) return fail("request", "argv", EINVAL);
  if (order.policy.filter.empty())
    return fail("request", "filter", EINVAL, "the compiled policy has no seccomp filter");
  const bool workspace = order.policy.plan.workspace_mode != policy::WorkspaceMode::none;
  if (workspace != static_cast<bool>(order.workspace)) return fail("request", "workspace", EINVAL);
  if (!order.ring && !degraded(order, "broker")) return fail("request", "file ring", EBADF);
  return {};
}

namespace {

// Refuses what nothing here holds and was not given up; what was is listed.
Result<std::vector<std::string>> check_limits(const Order& order, const Machine& machine) {
  std::vector<std::string> given_up;
  std::string missing;
  for (const Limit limit : unheld(who_holds(machine), set_in(order.policy.plan.limits))) {
    const std::string word(name(limit));
    if (degraded(order, word))
      given_up.push_back(word);
    else
      missing += (missing.empty() ? "" : ",") + word;
  }
  if (missing.empty()) return given_up;
  const std::string why = find_foothold(machine).reason;
  return fail("limits", missing, ENOTSUP,
              fmt::format("nothing here can hold them for a whole box{}; run with --degrade {} to go without, "
                          "or see 'alos doctor' for what is missing",
                          why.empty() ? "" : " (" + why + ")", missing));
}

Result<Limited> limit_box(const Order& order, const Machine& machine) {
  std::vector<std::string> given_up = TRY(check_limits(order, machine));
  CgroupPlan plan = plan_cgroup(machine, order.run.id, order.policy.plan.limits);
  Janitor janitor = TRY(start_janitor(plan));
  Cgroup cgroup = TRY(Cgroup::create(std::move(plan)));
  return Limited{std::move(janitor), std::move(cgroup), std::move(given_up)};
}

}  // namespace

// What cannot be made here is nothing that holds: refused with its own reason, unless every limit that it would have
// held was given up.
Result<Limited> make_cgroup(const Order& order) {
  Machine machine = as_it_is(TRY(read_machine()));
  auto limited = limit_box(order, machine);
  if (limited || limited.error().operation == "limits") return limited;
  machine.view = {};
  auto without = limit_box(order, machine);
  return without ? std::move(without) : std::move(limited);
}

int landlock_abi() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Result<int> landlock_floor(const Order& order) {
  const int abi = landlock_abi();
  if (abi > 0) return abi;
  if (degraded(order, "landlock")) return 0;
  return fail("landlock", "this kernel", ENOSYS,
              "boot with lsm=...,landlock, or say 'degrade: [landlock]': mounts and ids alone would hold files then");
}

namespace {

// Setting no bits is answered with success where the kernel knows the call (6.3), or refused where the caller is under
// it already (prctl_set_mdwe in kernel/sys.c).
bool knows_mdwe() {
  return ::prctl(kPrSetMdwe, 0, 0, 0, 0) == 0 || ::prctl(kPrGetMdwe, 0, 0, 0, 0) > 0;
}

}  // namespace

Result<bool> mdwe_floor(const Order& order) {
  if (!order.policy.plan.memory_deny_write_execute) return false;
  if (knows_mdwe()) return true;
  if (degraded(order, "mdwe")) return false;
  return fail("mdwe", "this kernel", ENOSYS,
              "it came with kernel 6.3; run with --degrade mdwe to go without: the seccomp filter alone would refuse "
              "memory that is writable and executable then");
}

}  // namespace alos::box
