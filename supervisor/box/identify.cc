#include "supervisor/box/identify.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/child.h"
#include "base/file_ring.h"
#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/box/covers.h"
#include "supervisor/box/host_sockets.h"
#include "supervisor/box/kernel_abi.h"
#include "supervisor/box/protocol.h"
#include "supervisor/box/reporter.h"
#include "supervisor/box/root.h"
#include "supervisor/box/sources.h"
#include "supervisor/box/start.h"

namespace alos::box {
namespace {

// The value, or the end of this process with the error as a step's.
template <class T>
T must(const Reporter& report, Step step, Result<T> result) {
  if (!result) {
    const Error& error = result.error();
    errno = error.code != 0 ? error.code : EINVAL;
    report.fail(step, (error.object + (error.hint.empty() ? "" : ": ") + error.hint).c_str());
  }
  report.must(step, "", 0);
  return std::move(*result);
}

Result<Layout> compose_view(const Holder& holder) {
  policy::BoxPlan plan = holder.plan();
  Layout view;
  view.staging = holder.staging;
  view.places = TRY(open_sources(plan.brokered, plan.workspace));
  std::ranges::move(TRY(place_workspace(plan.brokered, plan.workspace, holder.workspace)),
                    std::back_inserter(view.places));
  order_places(view.places);
  plan.masks = std::move(plan.brokered_masks);
  plan.mounts = plan.brokered;
  view.covers = TRY(find_covers(plan, holder.workspace, holder.host, view.places, TRY(named_sockets()),
                                TRY(shown_twice_in(plan, view.places))));
  TRY(close_hidden(view.places, view.covers, plan.workspace));
  return view;
}

std::string box_at(const Holder& holder) {
  return holder.staging + "/box";
}

UniqueFd clone_tree(const std::string& at, const Reporter& report) {
  return UniqueFd(static_cast<int>(
      report.must(Step::view, at.c_str(),
                  ::syscall(SYS_open_tree, AT_FDCWD, at.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE))));
}

// Detached as a whole: what is left in the holder is nothing.
UniqueFd make_view(const Holder& holder, const Layout& view, const Reporter& report) {
  const std::string at = holder.staging + "/view";
  const Root root = make_root(at, 0, report);
  place_all(view.places, report, root);
  cover_all(view, report, root);
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_RDONLY;
  report.must(Step::view, "read-only root",
              ::syscall(SYS_mount_setattr, root.fd, "", AT_EMPTY_PATH, &attr, sizeof attr));
  UniqueFd tree = clone_tree(at, report);
  report.must(Step::view, at.c_str(), ::umount2(at.c_str(), MNT_DETACH));
  ::close(root.fd);
  return tree;
}

void add_rule(const Reporter& report, int ruleset, const UniqueFd& root, const Granted& granted, uint64_t known) {
  const char* path = granted.path.c_str();
  open_how how{.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .mode = 0, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
  const UniqueFd at(
      static_cast<int>(report.must(Step::landlock, path, ::syscall(SYS_openat2, root.get(), path, &how, sizeof how))));
  landlock_path_beneath_attr rule{.allowed_access = granted.access & known, .parent_fd = at.get()};
  if (rule.allowed_access == 0) return;
  report.must(Step::landlock, path, ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
}

// Never by glibc, which has its own idea of a process's ids. From 0 to another uid all capabilities go
// (capabilities(7)); rootless they are those of the holder's namespace.
void become_agent(const Holder& holder, const Reporter& report) {
  const uid_t uid = holder.run.host_uid;
  const gid_t gid = holder.run.host_gid;
  if (holder.privilege == Privilege::root) {
    report.must(Step::become, "setgroups", ::syscall(SYS_setgroups, 0, nullptr));
    report.must(Step::become, "setresgid", ::syscall(SYS_setresgid, gid, gid, gid));
    report.must(Step::become, "setresuid", ::syscall(SYS_setresuid, uid, uid, uid));
  }
  uid_t uids[3];
  gid_t gids[3];
  report.must(Step::become, "getresuid", ::syscall(SYS_getresuid, &uids[0], &uids[1], &uids[2]));
  report.must(Step::become, "getresgid", ::syscall(SYS_getresgid, &gids[0], &gids[1], &gids[2]));
  for (int i = 0; i < 3; ++i)
    if (uids[i] != uid || gids[i] != gid) {
      errno = EPERM;
      report.fail(Step::become, "ids read back differ");
    }
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct none[2] = {};
  report.must(Step::capabilities, "capset", ::syscall(SYS_capset, &header, none));
  report.must(Step::capabilities, "capget", ::syscall(SYS_capget, &header, none));
  for (const auto& half : none)
    if (half.effective != 0 || half.permitted != 0 || half.inheritable != 0) {
      errno = EPERM;
      report.fail(Step::capabilities, "capabilities read back are not empty");
    }
  // Changing ids cleared it.
  report.must(Step::become, "PR_SET_PDEATHSIG", ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
}

int create_ruleset(uint64_t handled, const Reporter& report) {
  LandlockRulesetAttr attr{};
  attr.handled_access_fs = handled;
  return static_cast<int>(report.must(Step::landlock, "landlock_create_ruleset",
                                      ::syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0)));
}

// Made of what is opened with the launcher's rights, then entered.
int make_domain(const Holder& holder, const std::vector<Granted>& granted, const UniqueFd& box, const Layout& view,
                const UniqueFd& tree, const Reporter& report) {
  const uint64_t known = landlock_known(holder.landlock_abi);
  const int ruleset = create_ruleset(known, report);
  for (const Granted& one : granted) add_rule(report, ruleset, box, one, known);
  for (const Place& place : view.places)
    if (place.access != 0) add_rule(report, ruleset, tree, {place.target, place.access}, known);
  return ruleset;
}

// Once more, without directories: a rename under these credentials moves a file or nothing, whatever has come to be
// under the name (Landlock judges what it moves when its directories are locked: security/landlock/fs.c,
// current_check_refer_path()). Every further domain has to allow moving between directories again.
int make_domain_of_files(const Holder& holder, const UniqueFd& tree, const Reporter& report) {
  const uint64_t handled =
      (kLandlockMakeDir | kLandlockRemoveDir | kLandlockRefer) & landlock_known(holder.landlock_abi);
  const int ruleset = create_ruleset(handled, report);
  add_rule(report, ruleset, tree, {"/", kLandlockRefer}, handled);
  return ruleset;
}

void enter_domain(int domain, const Reporter& report) {
  report.must(Step::landlock, "landlock_restrict_self", ::syscall(SYS_landlock_restrict_self, domain, 0));
}

int register_self(const Holder& holder, const Reporter& report) {
  return static_cast<int>(
      report.must(Step::personality, "IORING_REGISTER_PERSONALITY", register_personality(holder.ring.get())));
}

[[noreturn]] void register_agent(const Holder& holder, const std::vector<Granted>& granted, const Reporter& report) {
  // The supervisor's end of file must mean the launcher's.
  ::close(kLauncherSocket);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  UniqueFd box = clone_tree(box_at(holder), report);
  Layout view;
  UniqueFd tree;
  if (!holder.plan().brokered.empty()) {
    view = must(report, Step::view, compose_view(holder));
    tree = make_view(holder, view, report);
  }
  const bool judged = holder.landlock_abi > 0;
  const int domain = judged ? make_domain(holder, granted, box, view, tree, report) : -1;
  const int of_files = judged && tree ? make_domain_of_files(holder, tree, report) : -1;
  report.hand_over(Step::view, StepReport::Kind::tree, box.release());
  if (tree) report.hand_over(Step::view, StepReport::Kind::view, tree.release());
  become_agent(holder, report);
  report.must(Step::privileges, "PR_SET_NO_NEW_PRIVS", ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  if (judged) enter_domain(domain, report);
  StepReport done;
  done.kind = StepReport::Kind::registered;
  done.value = register_self(holder, report);
  if (of_files >= 0) {
    enter_domain(of_files, report);
    StepReport second;
    second.kind = StepReport::Kind::files;
    second.value = register_self(holder, report);
    report.tell(second);
  }
  report.tell(done);
  ::_exit(0);
}

}  // namespace

std::vector<Granted> granted_by(const Layout& box) {
  std::vector<Granted> out;
  for (const auto* places : {&box.parts, &box.places})
    for (const Place& place : *places)
      if (place.access != 0 && (!lies_below(place.target, "/dev") || place.target == "/dev/shm"))
        out.push_back({place.target, place.access});
  for (const GeneratedFile& file : box.files) out.push_back({file.path, kLandlockReadFile});
  return out;
}

Result<void> keep_tree(const Holder& holder, UniqueFd tree) {
  const std::string at = box_at(holder);
  if (::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, at.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return fail_errno("move_mount", at);
  return {};
}

Result<Identifying> identify(const Holder& holder, const std::vector<Granted>& granted, Fault fault) {
  if (!holder.ring) return fail("identity", "file ring", EBADF, "primitives were given up in this run");
  sys::Pair pair = TRY(sys::socketpair(SOCK_SEQPACKET));
  Identifying out;
  const auto mask = TRY(sys::lstatat(AT_FDCWD, holder.staging + "/mask/file"));
  out.mask_device = mask.st_dev;
  out.mask = mask.st_ino;
  out.pid = ::fork();
  if (out.pid < 0) return fail_errno("fork", "identity");
  if (out.pid == 0) register_agent(holder, granted, Reporter(pair.b.get(), fault, nullptr));
  out.report = std::move(pair.a);
  return out;
}

Launched<bool> hear(Identifying& identity) {
  StepReport message;
  auto got = sys::receive_message(identity.report.get(), std::as_writable_bytes(std::span(&message, 1)), 1);
  const bool word = got && got->size == sizeof message;
  const bool is_tree = word && message.kind == StepReport::Kind::tree;
  if ((is_tree || (word && message.kind == StepReport::Kind::view)) && got->fds.size() == 1) {
    (is_tree ? identity.box : identity.view) = std::move(got->fds[0]);
    return false;
  }
  if (word && message.kind == StepReport::Kind::files && message.value > 0) {
    identity.of_files = message.value;
    return false;
  }
  (void)sys::wait_for(identity.pid);
  if (word && message.kind == StepReport::Kind::registered && message.value > 0 && identity.box) {
    identity.personality = message.value;
    return true;
  }
  if (word && message.kind == StepReport::Kind::failed) return std::unexpected(failure_of(message));
  return std::unexpected(LaunchError{Step::personality, Error{"identity", "its process", ECHILD, "it was ended"}});
}

}  // namespace alos::box
