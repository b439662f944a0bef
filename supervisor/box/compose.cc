#include "supervisor/box/compose.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/child.h"
#include "base/mount.h"
#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/box/command.h"
#include "supervisor/box/covers.h"
#include "supervisor/box/kernel_abi.h"
#include "supervisor/box/sources.h"
#include "supervisor/box/view.h"

namespace alos::box {
namespace {

// A rootless box is its caller to the kernel's count of descriptors that are sent and not received, and may send while
// that is not above its own limit, at most SCM_MAX_FD (253) at once: so it has fewer than the caller's other programs.
uint64_t open_files(const Holder& holder) {
  constexpr uint64_t kReserve = 256;
  const uint64_t wanted = holder.plan().limits.open_files.value_or(1024);
  if (holder.privilege == Privilege::root) return wanted;
  const uint64_t callers = holder.caller_open_files;
  return std::min(wanted, callers - std::min(kReserve, callers / 4));
}

// Rootless, what a box's message queues hold counts against the caller's own limit, on most machines 800 KiB: nine
// queues.
uint64_t message_queues(const Holder& holder) {
  constexpr uint64_t kEnough = 1 << 20;
  if (holder.privilege == Privilege::root) return kEnough;
  rlimit callers{};
  return ::getrlimit(RLIMIT_MSGQUEUE, &callers) == 0 ? std::min<uint64_t>(kEnough, callers.rlim_cur / 2) : 0;
}

std::vector<LimitValue> resource_limits(const Holder& holder) {
  const policy::Limits& limits = holder.plan().limits;
  // 1 and not 0: at 0 the kernel still starts the host's crash handler where core_pattern is a pipe, at 1 it does not
  // (fs/coredump.c).
  std::vector<LimitValue> out{{RLIMIT_CORE, 1}, {RLIMIT_MSGQUEUE, message_queues(holder)}};
  out.push_back({RLIMIT_NOFILE, open_files(holder)});
  // Timers and queued signals: counted for the box's namespace, and for the caller as well.
  out.push_back({RLIMIT_SIGPENDING, 1024});
  // No priority above ordinary programs': see reset_priority_on_fork().
  out.push_back({RLIMIT_RTPRIO, 0});
  out.push_back({RLIMIT_NICE, 0});
  // Counted per user namespace (5.14), so it bounds this box alone; set inside, after the namespace was made.
  // What overlayfs copies up has no name before it is whole, and nothing here sees it grow: no file is larger than all
  // may be, and one page, so that where something else is full first that is said (ENOSPC). Not of a direct workspace,
  // whose files are the host's own.
  if (limits.disk && holder.plan().workspace_mode != policy::WorkspaceMode::direct)
    out.push_back({RLIMIT_FSIZE, *limits.disk + 4096});
  if (limits.processes) out.push_back({RLIMIT_NPROC, *limits.processes});
  return out;
}

// `over`: what is mounted above them, and shows what the host has there, or has not.
std::vector<GeneratedFile> generated_files(const std::vector<Place>& over) {
  std::vector<GeneratedFile> out{
      {"/etc/passwd",
       "root:x:0:0:root:/root:/usr/sbin/nologin\nagent:x:1000:1000:agent:/home/agent:/bin/bash\n"
       "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
      {"/etc/group", "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"},
      {"/etc/hosts", "127.0.0.1 localhost box\n::1 localhost box\n"},
      {"/etc/hostname", "box\n"},
      {"/etc/resolv.conf", "# no name server: this box has no network but loopback\n"},
      {"/etc/nsswitch.conf",
       "passwd: files\ngroup: files\nhosts: files\nnetworks: files\nprotocols: files\nservices: files\n"},
  };
  std::erase_if(out, [&](const GeneratedFile& file) {
    return std::ranges::any_of(over, [&](const Place& place) { return lies_below(file.path, place.target); });
  });
  return out;
}

constexpr uint64_t kOwn = kLandlockRead | kLandlockWrite | kLandlockExecute;

Result<void> set_attributes(const Place& place, uint64_t attributes) {
  mount_attr attr{};
  attr.attr_set = attributes;
  if (::syscall(SYS_mount_setattr, place.source.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0)
    return fail_errno("mount_setattr", place.target);
  return {};
}

Result<void> follow_no_link(const Place& place) {
  return set_attributes(place, MOUNT_ATTR_NOSYMFOLLOW);  // 5.14
}

// What the agent wrote is there to be read, and no more.
Result<void> seal(Place& place) {
  // No link either: a name that the agent may hand over would lead to what only this command may read, and be
  // decided on before the agent makes it one.
  TRY(set_attributes(place, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW));
  place.access &= kLandlockRead;
  return {};
}

Result<UniqueFd> fresh_tmp() {
  const sys::FilesystemContext tmpfs = TRY(sys::FilesystemContext::open("tmpfs"));
  TRY(tmpfs.set("size", "64m"));
  TRY(tmpfs.set("nr_inodes", "16384"));
  TRY(tmpfs.set("mode", "1777"));
  return tmpfs.mount(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

// /tmp, /dev/shm and the home: the run's own, or for a command that is not the agent's a fresh /tmp, and the rest as it
// is.
Result<std::vector<Place>> own_places(const Holder& holder, const UniqueFd& home, const policy::BoxCommand* command,
                                      dev_t& own_device) {
  std::vector<Place> out;
  own_device = holder.space.device;
  for (const PrivatePart& part : kPrivateParts) {
    Place place;
    place.target = part.target;
    place.access = kOwn;
    if (command && part.target == "/tmp") {
      place.source = TRY(fresh_tmp());
      own_device = TRY(sys::fstat(place.source.get())).st_dev;
    } else if (home && part.target == policy::kBoxHome) {
      place.source = TRY(sys::dup(home.get()));
    } else {
      place.source = TRY(clone_part(holder.space, part));
    }
    if (command && part.target != "/tmp") TRY(seal(place));
    out.push_back(std::move(place));
  }
  return out;
}

// A command's own mount that holds what the agent writes, or lies in it, shows the agent's links as well.
Result<void> seal_shared(const std::vector<Place>& over, const std::vector<Place>& places) {
  for (const Place& own : over) {
    const bool shared = std::ranges::any_of(places, [&](const Place& place) {
      return is_written(place) && (lies_below(place.target, own.target) || lies_below(own.target, place.target));
    });
    if (shared) TRY(follow_no_link(own));
  }
  return {};
}

// In the mount that holds what the run is handed, and in those below it, it follows no link. The agent may put one
// there where it does not write: by another name of the directory, or by another command.
Result<void> seal_handed(const View& view, const std::vector<std::string>& handed) {
  for (const std::string& path : handed) {
    if (const Place* const holds = view.place_of(path)) TRY(follow_no_link(*holds));
    for (const Place* const below : view.places_below(path)) TRY(follow_no_link(*below));
  }
  return {};
}

Result<void> seal_written(std::vector<Place>& places) {
  for (Place& place : places)
    if (is_written(place)) TRY(seal(place));
  return {};
}

Result<std::vector<Place>> command_places(const Holder& holder, const policy::BoxCommand& command) {
  const std::string& workspace = holder.plan().workspace;
  std::vector<Place> out = TRY(open_sources(command.mounts, workspace));
  std::ranges::move(TRY(place_workspace(command.mounts, workspace, holder.workspace)), std::back_inserter(out));
  order_places(out);
  return out;
}

// Beside the agent's places, so that what is denied in a command's own is found, and covered, as in these. Gives the
// files that the run is handed.
Result<std::vector<std::string>> add_command(const Holder& holder, const policy::BoxPlan& plan,
                                             const BoxRequest& request, std::vector<Place>& places) {
  std::vector<Place> own = TRY(command_places(holder, *request.command));
  TRY(seal_shared(own, places));
  const size_t agents = places.size();
  std::ranges::move(own, std::back_inserter(places));
  return check_command_in(plan, *request.command, request.argv, places, agents, holder.host);
}

std::vector<Place> take_behind(std::vector<Place>& places, size_t count) {
  std::vector<Place> out(std::make_move_iterator(places.begin() + static_cast<ptrdiff_t>(count)),
                         std::make_move_iterator(places.end()));
  places.resize(count);
  return out;
}

std::vector<std::string> environment_of_command() {
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "LANG=C.UTF-8"};
}

void take_words(Layout& box, BoxRequest& request) {
  static char name[] = "alos-init";
  box.words = std::move(request.argv);
  if (request.command) request.program = box.words[0] = request.command->program;
  box.words.insert(box.words.begin(),
                   {fmt::format("{}{}", request.terminal ? "t" : "-", box.rename_filter.empty() ? "-" : "n"),
                    request.program.empty() ? box.words[0] : request.program});
  box.environment = request.command ? environment_of_command() : std::move(request.env);
  box.argv = sys::pointers_to(box.words);
  box.argv.insert(box.argv.begin(), name);
  box.env = sys::pointers_to(box.environment);
}

Result<std::vector<UniqueFd>> dup_all(const std::vector<UniqueFd>& fds) {
  std::vector<UniqueFd> out;
  for (const UniqueFd& fd : fds) out.push_back(TRY(sys::dup(fd.get())));
  return out;
}

}  // namespace

Launched<Layout> compose(const Holder& holder, Sources sources, BoxRequest request, Trace& trace,
                         const Between& between) {
  const policy::BoxPlan& plan = holder.plan();
  Layout box;
  box.fault = trace.fault;
  box.times = trace.steps;
  box.staging = holder.staging;
  box.root_at = holder.staging + "/root";
  box.init = ALOS_STEP(trace, Step::clone, sys::dup(holder.init.get()));
  box.cgroup_tasks = ALOS_STEP(trace, Step::clone, dup_all(holder.cgroup_tasks));
  box.parts =
      ALOS_STEP(trace, Step::private_space, own_places(holder, sources.home, request.command, box.private_device));
  box.places = std::move(sources.places);
  std::ranges::move(ALOS_STEP(trace, Step::workspace, place_workspace(plan.mounts, plan.workspace, holder.workspace)),
                    std::back_inserter(box.places));
  order_places(box.places);
  const size_t agents = box.places.size();
  std::optional<policy::BoxPlan> with_command;
  std::vector<std::string> handed;
  // A program of more rights than the agent's obeys files of the directory that it is started in, and a path leads
  // wherever links and ".." on it do by then: no agent writes the box's root.
  box.cwd = request.command ? "/" : std::move(request.cwd);
  if (request.command) {
    with_command = plan_of_command(plan, *request.command);
    handed = ALOS_STEP(trace, Step::sources, add_command(holder, *with_command, request, box.places));
  }
  box.covers = ALOS_STEP(trace, Step::masks,
                         find_covers(with_command ? *with_command : plan, holder.workspace, holder.host, box.places,
                                     sources.sockets, holder.shown_twice, between));
  if (request.command) {
    box.over = take_behind(box.places, agents);
    ALOS_STEP(trace, Step::sources, seal_written(box.places));
    ALOS_STEP(trace, Step::sources, seal_handed(View(*with_command, box.places, holder.host), handed));
    ALOS_STEP(trace, Step::sources, seal_handed(View(*with_command, box.over, holder.host), handed));
  }
  for (auto* places : {&box.places, &box.over})
    ALOS_STEP(trace, Step::masks, close_hidden(*places, box.covers, plan.workspace));
  box.files = generated_files(box.over);
  box.drop_groups = holder.privilege == Privilege::root;
  box.limits = resource_limits(holder);
  box.landlock_abi = holder.landlock_abi;
  box.memory_deny_write_execute = holder.memory_deny_write_execute;
  box.filter = holder.policy.filter;
  if (plan.workspace_mode == policy::WorkspaceMode::layer) box.rename_filter = holder.policy.rename_filter;
  for (int i = 0; i < 3; ++i) box.stdio[i] = std::move(request.stdio[i]);
  box.listener = static_cast<bool>(holder.ring);
  box.terminal = request.terminal;
  box.terminal_mask = request.terminal_mask;
  box.rows = request.rows;
  box.columns = request.columns;
  take_words(box, request);
  return box;
}
}  // namespace alos::box
