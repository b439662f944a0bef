#include "supervisor/host/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "base/digest.h"
#include "base/paths.h"
#include "base/print.h"
#include "base/sys.h"
#include "supervisor/box/expand.h"
#include "supervisor/box/protocol.h"
#include "supervisor/host/broker_root.h"
#include "supervisor/host/compiled.h"
#include "supervisor/host/crashes.h"
#include "supervisor/host/guard.h"
#include "supervisor/host/home.h"
#include "supervisor/host/ids.h"
#include "supervisor/host/inside.h"
#include "supervisor/host/order.h"
#include "supervisor/host/pump.h"
#include "supervisor/host/registry.h"
#include "supervisor/host/scope.h"
#include "supervisor/host/script_file.h"
#include "supervisor/workspace/copier.h"
#include "supervisor/workspace/layer.h"
#include "supervisor/workspace/undo.h"

namespace alos::host {
namespace {

std::string environment(const char* name) {
  const char* value = ::getenv(name);
  return value ? value : "";
}

std::string bytes_text(uint64_t n) {
  for (const auto& [unit, size] : {std::pair{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}})
    if (n >= size && n % size == 0) return fmt::format("{}{}", n / size, unit);
  return fmt::format("{}B", n);
}

std::string time_text(uint64_t ms) {
  for (const auto& [unit, size] : {std::pair{"h", 3'600'000ULL}, {"m", 60'000ULL}, {"s", 1'000ULL}})
    if (ms >= size && ms % size == 0) return fmt::format("{}{}", ms / size, unit);
  return fmt::format("{}ms", ms);
}

std::map<std::string, std::string> limits_text(const policy::Limits& limits) {
  std::map<std::string, std::string> out;
  if (limits.memory) out["memory"] = bytes_text(*limits.memory);
  if (limits.processes) out["processes"] = std::to_string(*limits.processes);
  if (limits.cpus_milli) out["cpus"] = fmt::format("{:g}", static_cast<double>(*limits.cpus_milli) / 1000);
  if (limits.cpu_time_ms) out["cpu-time"] = time_text(*limits.cpu_time_ms);
  if (limits.wall_ms) out["wall"] = time_text(*limits.wall_ms);
  if (limits.disk) out["disk"] = bytes_text(*limits.disk);
  if (limits.disk_by) out["disk-by"] = *limits.disk_by == policy::kDiskByImage ? "image" : "watched";
  if (limits.open_files) out["open-files"] = std::to_string(*limits.open_files);
  return out;
}

// Everything that one run needs, collected step by step; each step is one function below.
class Start {
 public:
  explicit Start(RunOptions options) : options_(std::move(options)), root_(::geteuid() == 0) {
    request_.id = "run_" + random_hex(8);
  }

  Result<void> prepare() {
    options_.times.mark("front.parsed");
    TRY(check_stdio());
    TRY(choose());
    options_.times.mark("front.policy-found");
    TRY(take_script());
    TRY(guard());
    tell_crashes();
    find_footing();
    TRY(take_identity());
    options_.times.mark("front.id-taken");
    TRY(take_layer());
    options_.times.mark("front.layer-taken");
    TRY(take_home());
    TRY(make_ring());
    TRY(compose());
    return register_it();
  }

  Result<void> go();
  // Takes back what prepare() announced, when go() failed.
  void withdraw() const { unregister_run(order_.run_directory); }

 private:
  Result<void> check_stdio();
  Result<void> choose();
  Result<void> take_script();
  Result<void> guard();
  void tell_crashes() const;
  bool gives_up(std::string_view limit) const;
  void find_footing() const;
  Result<void> take_identity();
  Result<void> take_layer();
  Result<uint64_t> image_bytes() const;
  Result<void> drop_pending(const std::string& workspace) const;
  Result<void> take_home();
  Result<void> make_ring();
  Result<void> compose();
  Result<void> register_it();
  Result<void> send_order(int socket);
  Result<void> own(const std::string& directory) const;
  Result<void> check_reachable(const std::string& directory) const;
  std::vector<std::string> environment_of_box() const;

  RunOptions options_;
  bool root_;
  Directories directories_;
  box::Compiled compiled_;
  box::RunRequest request_;
  SupervisorOrder order_;
  UniqueFd workspace_, home_, home_lock_, events_, clock_orders_;
  NewFileRing ring_;
  std::optional<workspace::Layer> layer_;
  PoolId id_;
  Pumps pumps_;
};

// A directory as stdin would be a way out of the box past every mount; a socket could carry descriptors in.
Result<void> Start::check_stdio() {
  for (int fd = 0; fd < 3; ++fd) {
    struct stat st{};
    if (::fstat(fd, &st) != 0) return fail("stdio", std::to_string(fd), errno, "stdin, stdout and stderr must be open");
    if (S_ISDIR(st.st_mode))
      return fail("stdio", std::to_string(fd), EISDIR, "a box takes no directory; use /dev/null");
    if (S_ISSOCK(st.st_mode))
      return fail("stdio", std::to_string(fd), ENOTSUP,
                  "a box takes no socket: it could bring descriptors in; put a pipe between (| cat)");
    if (S_ISBLK(st.st_mode)) return fail("stdio", std::to_string(fd), ENOTSUP, "a box takes no device");
    if (::isatty(fd)) request_.terminal_mask |= static_cast<uint8_t>(1 << fd);
  }
  request_.terminal = request_.terminal_mask != 0;
  winsize size{};
  for (int fd = 0; fd < 3; ++fd)
    if ((request_.terminal_mask >> fd & 1) && ::ioctl(fd, TIOCGWINSZ, &size) == 0) {
      request_.rows = size.ws_row;
      request_.columns = size.ws_col;
    }
  return {};
}

Result<void> Start::choose() {
  directories_ = TRY(directories(::geteuid()));
  // As root the supervisor, an ordinary id, passes through to what is its own, and cannot list what is not.
  for (const std::string& directory : {directories_.state, directories_.runtime, directories_.runtime + "/runs"})
    if (auto made = sys::make_dirs(directory, root_ ? 0711 : 0700); !made) {
      made.error().hint = "alos keeps its state there; make it writable, or choose another place (ALOS_STATE_DIR)";
      return made;
    }
  // Again, now that they are there.
  for (const std::string& directory : {directories_.state, directories_.runtime})
    TRY(must_be_own(directory, ::geteuid()));
  PolicyChoice choice;
  choice.policy = options_.policy;
  if (choice.policy.find('/') != choice.policy.npos) {
    char real[PATH_MAX];
    if (!::realpath(choice.policy.c_str(), real)) return fail("policy", printable(options_.policy), errno);
    choice.policy = real;
  }
  char real[PATH_MAX];
  if (!options_.workspace.empty()) {
    if (!::realpath(options_.workspace.c_str(), real)) return fail("workspace", printable(options_.workspace), errno);
    choice.workspace = real;
  }
  choice.variables = options_.variables;
  compiled_ = TRY(compiled_policy(choice, directories_));
  const policy::BoxPlan& plan = compiled_.plan;
  if (!plan.workspace.empty()) {
    auto opened = sys::openat2(AT_FDCWD, plan.workspace, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                               RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (!opened && opened.error().code == EACCES)
      return fail("open", printable(plan.workspace), EACCES,
                  "it is closed to you; if it is yours, `chmod u+rx` opens it");
    if (!opened) return std::unexpected(std::move(opened).error());
    workspace_ = std::move(*opened);
  }
  // The id map would make the box's setuid programs root's own.
  if (root_ && plan.workspace_mode == policy::WorkspaceMode::direct) {
    const auto st = TRY(sys::fstat(workspace_.get()));
    if (st.st_uid == 0)
      return fail("workspace", plan.workspace, EPERM,
                  "'workspace: direct' would write files of root; use layer, or another owner");
  }
  return {};
}

Result<void> Start::take_script() {
  if (options_.script.empty()) return {};
  policy::Variables variables;
  for (const auto& [name, value] : options_.variables)
    variables[name] = {value.starts_with('/') ? policy::VariableType::dir : policy::VariableType::word, value};
  if (!compiled_.plan.workspace.empty()) variables["workspace"] = {policy::VariableType::dir, compiled_.plan.workspace};
  const auto lines = TRY(read_script(options_.script, variables));
  order_.script_lines = static_cast<uint32_t>(lines.size());
  order_.script = encode(lines);
  return {};
}

Result<void> Start::guard() {
  // What a run with more rights or a primitive writes for the agent, the agent writes.
  std::vector<policy::BoxMount> mounts = compiled_.plan.mounts;
  const std::vector<policy::BoxMount>& brokered = compiled_.plan.brokered;
  mounts.insert(mounts.end(), brokered.begin(), brokered.end());
  for (const policy::BoxCommand& command : compiled_.plan.commands)
    mounts.insert(mounts.end(), command.mounts.begin(), command.mounts.end());
  std::vector<std::string> writable;
  for (const policy::BoxMount& mount : mounts)
    if (mount.rights.overlaps(policy::kWrite))
      for (std::string& path : TRY(box::expand(mount))) writable.push_back(std::move(path));
  std::vector<Protected> own{{"state", directories_.state},          {"runtime directory", directories_.runtime},
                             {"cache", directories_.cache},          {"programs", TRY(program_directory())},
                             {"profiles", TRY(profile_directory())}, {"configuration", "/etc/alos"}};
  for (const box::SourceFile& source : compiled_.sources)
    if (source.present && !source.project) own.push_back({"policy", source.path});
  TRY(refuse_own_files(writable, own));
  // Even where it is only read: what alos keeps of other runs, keys and layers among it, is no agent's business.
  if (compiled_.plan.workspace.empty()) return {};
  TRY(refuse_own_files({compiled_.plan.workspace}, {own[0], own[1]}));
  return refuse_whole_home(compiled_.plan.workspace,
                           TRY(homes_of_people(environment("HOME"), environment("SUDO_UID"))));
}

void Start::tell_crashes() const {
  auto crashes = take_crashes(directories_);
  if (!crashes) alos::print_error("alos: {}\n", crashes.error().text());
  for (const Crash& crash : crashes.value_or(std::vector<Crash>{})) alos::print_error("alos: {}\n", text_of(crash));
}

// Whether policy or operator goes without it.
bool Start::gives_up(std::string_view limit) const {
  const auto names = [&](const std::vector<std::string>& degraded) {
    return std::ranges::find(degraded, limit) != degraded.end();
  };
  return names(compiled_.plan.degrade) || names(options_.degrade);
}

// What is given up needs no cgroup. A failure is said and no more: the launcher refuses what is not held then.
void Start::find_footing() const {
  std::vector<box::Limit> limits = box::set_in(compiled_.plan.limits);
  std::erase_if(limits, [&](box::Limit limit) { return gives_up(box::name(limit)); });
  if (auto stands = stand_where_limits_hold(request_.id, limits); !stands)
    alos::print_error("alos: {}\n", stands.error().text());
}

Result<void> Start::take_identity() {
  if (!root_) {
    request_.host_uid = ::geteuid();
    request_.host_gid = ::getegid();
    if (request_.host_gid == 0)
      return fail("identity", "gid", EPERM, "a box is never gid 0; run with another primary group");
    return {};
  }
  // A layer's files already belong to an id, which the box must have again.
  std::optional<uid_t> same;
  if (compiled_.plan.workspace_mode == policy::WorkspaceMode::layer ||
      compiled_.plan.workspace_mode == policy::WorkspaceMode::copy) {
    auto layer = workspace::open_layer(directories_.state, compiled_.plan.workspace, workspace::Access::look);
    const std::string user = layer ? workspace::holder(layer->path) : "";
    if (!user.empty())
      return fail("layer", printable(compiled_.plan.workspace), EBUSY, user + " uses it; wait for its end");
    if (layer && layer->record.owner.uid > kFirstPoolId) same = layer->record.owner.uid;
  }
  id_ = same ? TRY(take_same_id(directories_.state, *same)) : TRY(take_id(directories_.state));
  request_.host_uid = id_.id;
  request_.host_gid = id_.id;
  return {};
}

// What --fresh asks for: the earlier runs' changes are gone, as after `alos undo`.
Result<void> Start::drop_pending(const std::string& workspace) const {
  auto layer = workspace::open_layer(directories_.state, workspace, workspace::Access::change);
  if (!layer) return layer.error().code == ENOENT ? Result<void>{} : std::unexpected(layer.error());
  if (!layer->pending) return {};
  alos::print_error("alos: --fresh: dropping the changes that are pending since {}\n", layer->pending_since());
  return workspace::undo(*layer, {}, {}, {});
}

// Of the image that holds the layer; 0 for none. Refused where there can be none: a limit is never dropped unsaid.
Result<uint64_t> Start::image_bytes() const {
  const policy::Limits& limits = compiled_.plan.limits;
  if (limits.disk_by != policy::kDiskByImage) return 0;
  if (!limits.disk) return fail("limits", "disk-by", EINVAL, "'disk-by: image' needs a size: add 'disk'");
  if (root_) return *limits.disk;
  if (gives_up("disk")) return 0;
  return fail("limits", "disk-by", ENOTSUP,
              "an image needs root; run with --degrade disk to have the limit watched instead");
}

Result<void> Start::take_layer() {
  const policy::BoxPlan& plan = compiled_.plan;
  using policy::WorkspaceMode;
  if (plan.workspace_mode != WorkspaceMode::layer && plan.workspace_mode != WorkspaceMode::copy) return {};
  workspace::Request wanted;
  wanted.state = directories_.state;
  wanted.workspace = plan.workspace;
  wanted.mode = plan.workspace_mode == WorkspaceMode::layer ? workspace::Mode::layer : workspace::Mode::copy;
  wanted.form = root_ ? workspace::Form::trusted : workspace::Form::user;
  wanted.owner = {request_.host_uid, request_.host_gid};
  wanted.image_bytes = TRY(image_bytes());
  wanted.run = request_.id;
  wanted.policy = plan.policy;
  wanted.policy_hash = plan.hash;
  for (const policy::BoxMask& deny : plan.layer_denies)
    wanted.layer_denies.push_back({deny.pattern, deny.except, deny.denied.text(), deny.rule, deny.reason});
  if (options_.fresh) TRY(drop_pending(plan.workspace));
  auto taken = workspace::open_or_create(wanted);
  if (!taken) return std::unexpected(taken.error());
  layer_.emplace(std::move(*taken));
  const auto shown = TRY(sys::fstat(workspace_.get()));
  if (layer_->record.identity.device != shown.st_dev || layer_->record.identity.inode != shown.st_ino)
    return fail("open", printable(plan.workspace), ESTALE, "it was replaced while the run started");
  if (wanted.mode == workspace::Mode::copy && layer_->record.copied_ns == 0) TRY(workspace::fill_copy(*layer_, {}));
  if (root_) TRY(reserve_id(id_, layer_->path));
  // The run being recorded is the last of the list.
  if (layer_->pending && layer_->record.runs.size() > 1) order_.continued_since = layer_->record.runs.front().id;
  request_.layer = layer_->path;
  return {};
}

Result<void> Start::take_home() {
  if (!compiled_.plan.keep_home) return {};
  const std::string above = directories_.state + "/homes/" + home_name(compiled_.plan.policy);
  TRY(sys::make_dirs(above, 0700));
  home_lock_ = TRY(lock_home(above, *compiled_.plan.keep_home, request_.id));
  request_.home = above + "/" + *compiled_.plan.keep_home;
  TRY(sys::make_dirs(request_.home, 0700));
  home_ = TRY(workspace::open_own(AT_FDCWD, request_.home));
  // As root it belongs to the first box that used it, and is mapped for every later one.
  const auto st = TRY(sys::fstat(home_.get()));
  if (root_ && st.st_uid == 0) {
    TRY(sys::fchown(home_.get(), request_.host_uid, request_.host_gid));
    TRY(reserve_id(id_, request_.home));
  }
  return {};
}

// Made before launcher and supervisor part: both have it by inheritance alone.
Result<void> Start::make_ring() {
  auto ring = ring_for_broker(root_);
  if (!ring && gives_up("broker")) return {};
  if (!ring) {
    std::string& hint = ring.error().hint;
    hint += (hint.empty() ? "" : "; ") + std::string("or run with --degrade broker to go without primitives");
    return std::unexpected(std::move(ring).error());
  }
  ring_ = std::move(*ring);
  order_.ring_params = std::bit_cast<decltype(order_.ring_params)>(ring_.params);
  return {};
}

std::vector<std::string> Start::environment_of_box() const {
  const policy::BoxPlan& plan = compiled_.plan;
  std::map<std::string, std::string> env{
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/alos/bin"},
      {"PYTHONPATH", "/alos/python"},
      {"HOME", policy::kBoxHome},
      {"USER", "agent"},
      {"LOGNAME", "agent"},
      {"SHELL", "/bin/bash"}};
  for (const std::string& name : plan.env_pass)
    if (const char* value = ::getenv(name.c_str())) env[name] = value;
  for (const auto& [name, value] : plan.env_set) env[name] = value;
  env["ALOS"] = "1";  // an inner sandbox may stand down
  env["ALOS_RUN"] = request_.id;
  if (ring_.fd) env["ALOS_SOCKET"] = box::kSocketPath;
  std::vector<std::string> out;
  for (const auto& [name, value] : env) out.push_back(name + "=" + value);
  return out;
}

Result<void> Start::compose() {
  const policy::BoxPlan& plan = compiled_.plan;
  request_.name =
      options_.name.empty() ? options_.command[0].substr(options_.command[0].rfind('/') + 1) : options_.name;
  request_.argv = options_.command;
  request_.env = environment_of_box();
  request_.degrade = plan.degrade;
  for (const std::string& what : options_.degrade)
    if (std::ranges::find(request_.degrade, what) == request_.degrade.end()) request_.degrade.push_back(what);
  char cwd[PATH_MAX];
  const bool inside = !plan.workspace.empty() && ::getcwd(cwd, sizeof cwd) && lies_below(cwd, plan.workspace);
  request_.cwd = inside ? cwd : plan.workspace.empty() ? policy::kBoxHome : plan.workspace;

  order_.run = request_.id;
  order_.name = request_.name;
  order_.argv = request_.argv;
  order_.policy = plan.policy;
  order_.policy_hash = plan.hash;
  order_.about = plan.about;
  order_.workspace = plan.workspace;
  order_.workspace_mode = std::string(name(plan.workspace_mode));
  order_.layer = request_.layer;
  order_.notices = plan.printed;
  order_.degraded = request_.degrade;
  order_.limits = limits_text(plan.limits);
  order_.rules = compiled_.rules;
  order_.env = request_.env;
  order_.wall_ms = plan.limits.wall_ms;
  order_.audit_directory = directories_.state + "/audit";
  order_.caller_uid = ::getuid();
  order_.outside = find_outside(request_.argv[0], environment("PATH"));
  order_.terminal_mask = request_.terminal_mask;
  order_.fail_on_deny = options_.fail_on_deny;
  order_.clock = options_.clock;
  request_.clock_is_given = options_.clock != ClockKind::real;
  if (!options_.clock_orders.empty()) {
    auto orders = sys::dup(std::stoi(options_.clock_orders));
    if (!orders)
      return fail("--clock", "virtual:" + options_.clock_orders, orders.error().code,
                  "it is the number of a descriptor that the caller opened to read");
    clock_orders_ = std::move(*orders);
  }
  if (!options_.events.empty()) {
    const bool number = std::ranges::all_of(options_.events, [](char c) { return c >= '0' && c <= '9'; });
    auto stream = number ? sys::dup(std::stoi(options_.events.substr(0, 6)))
                         : sys::open(options_.events, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY, 0600);
    if (!stream)
      return fail(
          "--events", printable(options_.events), stream.error().code,
          number ? "it is a number, so a descriptor that the caller opened; ./" + options_.events + " is a file" : "");
    events_ = std::move(*stream);
  }
  return {};
}

// As root the supervisor is an ordinary id: what it writes must be its own.
Result<void> Start::own(const std::string& directory) const {
  TRY(sys::make_dirs(directory, 0700));
  if (!root_) return {};
  const UniqueFd fd = TRY(sys::open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return sys::fchown(fd.get(), kSupervisorId, kSupervisorId);
}

// As root the supervisor is another id, which must be able to pass through every directory above what is its own.
Result<void> Start::check_reachable(const std::string& directory) const {
  for (std::string at = directory; root_ && !at.empty(); at.resize(at.rfind('/'))) {
    struct stat st{};
    if (::stat(at.c_str(), &st) == 0 && (st.st_mode & 0001) == 0)
      return fail("state directory", directory, EACCES,
                  fmt::format("the supervisor (uid {}) cannot pass through {}: chmod o+x it, or choose another place",
                              kSupervisorId, at));
  }
  return {};
}

Result<void> Start::register_it() {
  TRY(check_reachable(directories_.state));
  TRY(check_reachable(directories_.runtime));
  TRY(own(directories_.runtime + "/runs"));
  TRY(own(order_.audit_directory));
  order_.marks_directory = marks_directory(directories_.state);
  TRY(own(order_.marks_directory));
  order_.run_directory = directories_.runtime + "/runs/" + request_.id;
  UniqueFd lock = TRY(register_run(order_.run_directory));
  TRY(own(order_.run_directory));
  if (root_) TRY(sys::fchown(lock.get(), kSupervisorId, kSupervisorId));
  order_.run_lock = lock.release();
  return {};
}

Result<void> Start::send_order(int socket) {
  const UniqueFd policy = TRY(sys::memfd("policy", encode(compiled_), true));
  const UniqueFd request = TRY(sys::memfd("request", encode(request_), true));
  box::LaunchMessage message;
  message.rootless = root_ ? 0 : 1;
  const auto stdio = pumps_.box_ends();
  std::vector<int> fds{policy.get(), request.get(), stdio[0], stdio[1], stdio[2]};
  const auto also = [&](uint8_t& flag, const UniqueFd& fd) {
    if (!fd) return;
    flag = 1;
    fds.push_back(fd.get());
  };
  also(message.has_workspace, workspace_);
  if (layer_) also(message.has_layer, layer_->dir);
  if (layer_) also(message.has_image, layer_->disk.mount);
  also(message.has_home, home_);
  message.has_ring = ring_.fd ? 1 : 0;
  for (const UniqueFd* lock : {layer_ ? &layer_->lock : nullptr, &id_.lock, &home_lock_})
    if (lock && *lock) ++message.locks, fds.push_back(lock->get());
  return sys::send_message(socket, std::as_bytes(std::span(&message, 1)), fds);
}

void inherit(int fd) {
  ::fcntl(fd, F_SETFD, 0);
}

Result<void> become_supervisor(bool root) {
  if (!root) return {};
  if (::setgroups(0, nullptr) != 0 || ::setresgid(kSupervisorId, kSupervisorId, kSupervisorId) != 0 ||
      ::setresuid(kSupervisorId, kSupervisorId, kSupervisorId) != 0)
    return fail_errno("setresuid", "supervisor");
  if (::geteuid() != kSupervisorId || ::getegid() != kSupervisorId) return fail("setresuid", "supervisor", EPERM);
  return {};
}

// Nothing of the front's descriptors but the socket and the file ring: it is told what else it holds.
[[noreturn]] void become_launcher(const std::string& program, int socket, int ring) {
  constexpr int kAbove = 16;
  socket = ::fcntl(socket, F_DUPFD, kAbove);
  if (ring >= 0) ring = ::fcntl(ring, F_DUPFD, kAbove);
  const bool placed = ::dup2(socket, box::kLauncherSocket) >= 0 && (ring < 0 || ::dup2(ring, box::kRing) >= 0);
  if (placed) {
    // Where the kernel cannot, the launch itself refuses, and says so: a box needs it as well.
    ::syscall(SYS_close_range, ring < 0 ? box::kRing : box::kRing + 1, ~0U, 0);
    ::execl(program.c_str(), "alos-launcher", nullptr);
  }
  ::_exit(127);
}

// Launcher first: it works while the supervisor is still being loaded.
Result<void> Start::go() {
  options_.times.mark("front.registered");
  const std::string programs = TRY(program_directory());
  TRY(pumps_.prepare(request_.terminal_mask));
  sys::Pair pair = TRY(sys::socketpair(SOCK_SEQPACKET));
  const pid_t launcher = ::fork();
  if (launcher < 0) return fail_errno("fork", "launcher");
  if (launcher == 0) {
    become_launcher(programs + "/alos-launcher", pair.b.get(), ring_.fd ? ring_.fd.get() : -1);
  }
  pair.b.reset();
  options_.times.mark("front.forked");
  TRY(send_order(pair.a.get()));
  order_.launcher_pid = launcher;
  order_.launcher = pair.a.release();
  order_.ring = ring_.fd ? ring_.fd.release() : -1;
  order_.times = options_.times.wanted() ? TRY(sys::dup(options_.times.fd())).release() : -1;
  order_.events = events_ ? events_.release() : -1;
  order_.clock_orders = clock_orders_ ? clock_orders_.release() : -1;
  order_.verdict = options_.verdict;
  order_.layer_lock = layer_ ? layer_->lock.release() : -1;
  order_.id_lock = id_.lock ? id_.lock.release() : -1;
  order_.home_lock = home_lock_ ? home_lock_.release() : -1;
  for (int* fd : {&order_.launcher, &order_.ring, &order_.events, &order_.clock_orders, &order_.run_lock,
                  &order_.layer_lock, &order_.id_lock, &order_.home_lock, &order_.times, &order_.verdict}) {
    if (*fd < 0) continue;
    if (*fd <= 4) *fd = TRY(sys::dup(*fd)).release();  // 3 and 4 are spoken for
    inherit(*fd);
  }
  TRY(become_supervisor(root_));
  TRY(pumps_.start());
  order_.output_carriers.assign(pumps_.output().begin(), pumps_.output().end());
  UniqueFd text = TRY(sys::memfd("order", encode(order_), true));
  if (::dup2(text.get(), 4) != 4) return fail_errno("dup2", "order");
  if (text.get() == 4) text.release();
  inherit(4);
  options_.times.mark("front.exec");
  options_.times.write();
  const std::string program = programs + "/alos-supervisor";
  ::execl(program.c_str(), "alos-supervisor", nullptr);
  return fail("execve", program, errno, "the installation is incomplete");
}

}  // namespace

int run(RunOptions options) {
  Start start(std::move(options));
  auto done = start.prepare();
  if (done) {
    done = start.go();
    start.withdraw();
  }
  // The policy's compiler has said itself what is wrong with the policy.
  if (!(done.error().operation == "policy" && done.error().code == ENOEXEC))
    alos::print_error("alos: {}\n", done.error().text());
  if (done.error().operation.starts_with("io_uring")) say_if_inside_of_a_box();
  return kNotRun;
}

}  // namespace alos::host
