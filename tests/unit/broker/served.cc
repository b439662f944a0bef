#include "tests/unit/broker/served.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>

#include "base/clock.h"
#include "base/digest.h"
#include "base/sys.h"
#include "syscall-broker/frame.h"

namespace alos::broker::test {
namespace {

constexpr uid_t kAgent = 60'123;
// Landlock ABI 1: every right of it.
constexpr uint64_t kAbi1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

void must(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::abort();
}

void enter_domain(const std::string& root, const std::map<std::string, uint64_t>& rights, uint64_t handled = kAbi1) {
  landlock_ruleset_attr attr{.handled_access_fs = handled};
  const int ruleset = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0));
  must(ruleset >= 0, "landlock_create_ruleset");
  for (const auto& [path, access] : rights) {
    const UniqueFd fd(::open((root + path).c_str(), O_PATH | O_CLOEXEC));
    landlock_path_beneath_attr rule{.allowed_access = access, .parent_fd = fd.get()};
    must(::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0, "landlock_add_rule");
  }
  must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  must(::syscall(SYS_landlock_restrict_self, ruleset, 0) == 0, "landlock_restrict_self");
  ::close(ruleset);
}

// As where the agent or its user has as many as he may (pthread_create(3)); of this thread alone.
void refuse_threads() {
  const auto filter = ::seccomp_init(SCMP_ACT_ALLOW);
  for (const int call : {SCMP_SYS(clone), SCMP_SYS(clone3)})
    must(::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAGAIN), call, 0) == 0, "seccomp_rule_add");
  must(::seccomp_load(filter) == 0, "seccomp_load");
  ::seccomp_release(filter);
}

void enter_domain_of_files(const std::string& tree) {
  // Of ABI 2 (5.19): every domain has to allow moving between directories (landlock(7)).
  constexpr uint64_t kRefer = 1 << 13;
  enter_domain("", {{tree, kRefer}}, LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | kRefer);
}

// As a child of the launcher does it: takes the identity, then registers it on the ring that it inherited.
uint16_t register_agent(int ring, const std::string& root, const Setting& setting, uid_t agent, bool of_files) {
  const pid_t child = ::fork();
  must(child >= 0, "fork");
  if (child == 0) {
    if (agent != ::geteuid()) {
      must(::syscall(SYS_setgroups, 0, nullptr) == 0, "setgroups");
      must(::syscall(SYS_setresgid, agent, agent, agent) == 0, "setresgid");
      must(::syscall(SYS_setresuid, agent, agent, agent) == 0, "setresuid");
    }
    if (!setting.landlock.empty()) enter_domain(root, setting.landlock);
    if (of_files) enter_domain_of_files(root + ".brokered");
    const long id = ::syscall(SYS_io_uring_register, ring, IORING_REGISTER_PERSONALITY, nullptr, 0);
    ::_exit(id > 0 && id < 200 ? static_cast<int>(id) : 255);
  }
  int status = 0;
  must(::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) != 255, "personality");
  return static_cast<uint16_t>(WEXITSTATUS(status));
}

}  // namespace

policy::FileRule rule(policy::Effect effect, policy::Rights rights, const std::vector<std::string>& paths,
                      const std::string& name) {
  policy::FileRule out;
  out.name = name;
  out.effect = effect;
  out.rights = rights;
  out.source = {"test.yaml", 1, 1};
  for (const std::string& path : paths) out.paths.push_back({*policy::Pattern::parse(path), path, out.source});
  return out;
}

policy::Policy rules(std::vector<policy::FileRule> files) {
  policy::Policy out;
  out.name = "test";
  out.files = std::move(files);
  return out;
}

// ---- the client ----

Client::Client(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  must(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

void Client::send_bytes(std::string_view frame, std::span<const int> fds) {
  (void)sys::send_message(socket_.get(), std::as_bytes(std::span(frame)), fds);
}

void Client::send(const wire::Request& request, const UniqueFd* attached) {
  const std::string frame = request.SerializeAsString();
  const int fd = attached ? attached->get() : -1;
  send_bytes(frame, attached ? std::span(&fd, 1) : std::span<const int>());
}

std::optional<wire::Reply> Client::receive() {
  std::vector<std::byte> buffer(kMaxFrame);
  auto got = sys::receive_message(socket_.get(), buffer, 1);
  if (!got || got->size == 0) return std::nullopt;
  wire::Reply reply;
  EXPECT_TRUE(reply.ParseFromArray(buffer.data(), static_cast<int>(got->size)));
  descriptor = got->fds.empty() ? UniqueFd() : std::move(got->fds[0]);
  return reply;
}

wire::Reply Client::call(wire::Request request, const UniqueFd* attached) {
  request.set_id(next_id++);
  gathered.clear();
  send(request, attached);
  for (;;) {
    auto reply = receive();
    if (!reply) {
      ADD_FAILURE() << "the connection ended, or nothing was answered";
      return {};
    }
    if (reply->id() != request.id()) continue;
    if (!reply->has_output()) return *reply;
    gathered += reply->output().data();
  }
}

wire::Request read_request(const std::string& path) {
  wire::Request out;
  out.mutable_fs_read()->set_path(path);
  return out;
}

wire::Request write_request(const std::string& path, const std::string& content) {
  wire::Request out;
  out.mutable_fs_write()->set_path(path);
  out.mutable_fs_write()->set_content(content);
  return out;
}

wire::Request rename_request(const std::string& from, const std::string& to) {
  wire::Request out;
  out.mutable_fs_rename()->set_from(from);
  out.mutable_fs_rename()->set_to(to);
  return out;
}

// ---- the broker ----

class Served::Notes final : public Journal {
 public:
  Notes(int fail, bool forgets, bool silent, size_t together)
      : fail_(fail), forgets_(forgets), silent_(silent), together_(together) {}
  uint64_t write(const Entry& entry) override {
    if (forgets_) return 1;
    const std::scoped_lock lock(mutex_);
    recorded_.push_back({std::string(entry.action), std::string(entry.target), std::string(entry.rule),
                         std::string(entry.outcome), entry.parent, std::string(entry.reason), entry.details,
                         entry.decision, false});
    for (const auto& [name, value] : entry.details)
      if (name == "scripted") recorded_.back().scripted = value;
    return recorded_.size();
  }
  void when_written(uint64_t number, std::function<void(Result<void>)> then) override {
    if (!forgets_) {
      const std::scoped_lock lock(mutex_);
      recorded_[number - 1].waited_for = true;
    }
    if (silent_ || together_ > 1)
      kept_.push_back(std::move(then));
    else
      then(fail_ == 0 ? Result<void>{} : alos::fail("append", "audit", fail_));
    if (silent_ || kept_.size() < together_) return;
    together_ = 1;
    tell();
  }
  // What was kept silent about; on the broker's thread.
  void tell() {
    for (const auto& then : std::exchange(kept_, {})) then({});
  }
  std::vector<Recorded> all() const {
    const std::scoped_lock lock(mutex_);
    return recorded_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Recorded> recorded_;
  int fail_;
  bool forgets_, silent_;
  size_t together_;
  std::vector<std::function<void(Result<void>)>> kept_;
};

FileRing file_ring(unsigned entries) {
  io_uring_params params{};
  UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, entries, &params)));
  must(static_cast<bool>(ring), "io_uring_setup");
  auto files = FileRing::map(std::move(ring), params);
  must(files.has_value(), "map");
  return std::move(*files);
}

Served::Served(Setting setting)
    : setting_(std::move(setting)),
      root_("/var/tmp/alos-served-" + random_hex(6)),
      agent_(::geteuid() == 0 ? kAgent : ::geteuid()),
      notes_(std::make_unique<Notes>(setting_.fail_journal, setting_.forgets, setting_.silent, setting_.together)) {
  ::umask(0);  // as the broker's
  make_directory("/");
  if (setting_.brokered) make_directory(".brokered");
  for (const auto& [path, access] : setting_.landlock)
    if (!exists(path)) make_directory(path);

  io_uring_params params{};
  UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 64, &params)));
  must(static_cast<bool>(ring), "io_uring_setup");
  Personalities who;
  if (!setting_.no_personality) {
    who.agent = register_agent(ring.get(), root_, setting_, agent_, false);
    if (setting_.brokered && !setting_.no_landlock)
      who.of_files = register_agent(ring.get(), root_, setting_, agent_, true);
  }

  UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::strncpy(address.sun_path, socket_path().c_str(), sizeof address.sun_path - 1);
  must(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "bind");
  must(::listen(listener.get(), 64) == 0, "listen");
  stop_.reset(::eventfd(0, EFD_CLOEXEC));
  UniqueFd stop(::fcntl(stop_.get(), F_DUPFD_CLOEXEC, 3));
  thread_ = std::thread(
      [this, params, who, ring = std::move(ring), listener = std::move(listener), stop = std::move(stop)]() mutable {
        serve(std::move(ring), params, who, std::move(listener), std::move(stop));
      });
}

void Served::serve(UniqueFd ring, io_uring_params params, Personalities who, UniqueFd listener, UniqueFd stop) {
  struct Asked final : Host {
    explicit Asked(std::atomic<int>& asked_for) : boxes(asked_for) {}
    void want_run(Run run) override {
      ++boxes;
      broker->reactor().at_end_of_turn([this, number = run.number] {
        broker->run_started(number, give_up("run", "test", ENOSYS, "no boxes here"));
      });
    }
    void end_run(uint32_t) override {}
    void slept(uint64_t) override {}
    void rests(Rest said) override {
      rest = std::move(said);
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t n = ::write(rested.get(), &one, sizeof one);
    }
    std::atomic<int>& boxes;
    Broker* broker = nullptr;
    UniqueFd rested{::eventfd(0, EFD_CLOEXEC)};
    Rest rest;
  } host(boxes_asked_for_);
  View::Roots roots;
  roots.box.reset(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (std::filesystem::exists(root_ + ".brokered"))
    roots.brokered.reset(::open((root_ + ".brokered").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  enter_domain("", {});  // nothing from here on; of this thread alone
  auto files = FileRing::map(std::move(ring), params);
  must(files.has_value(), "map");
  // Connections come from the test's own processes.
  Agent::Facts facts{.run = "run_test",
                     .workspace = "/",
                     .env = {"PATH=/first:/bin"},
                     .begun_ns = boot_ns() - setting_.ran_ns,
                     .slept_ms = setting_.slept_ms};
  std::optional<Broker::VirtualTime> time;
  if (setting_.virtual_time) time = {.now_ns = boot_ns(), .wall_ns = wall_ns()};
  auto broker = Broker::create(std::move(*files), std::move(facts), policy::compile(setting_.policy), *notes_, host,
                               time, Script(setting_.script));
  must(broker.has_value(), "broker");
  if (setting_.no_threads) refuse_threads();
  host.broker = broker->get();
  (*broker)->identity(std::pair(std::move(roots), who));
  (*broker)->listen(std::move(listener));
  for (;;) {
    pollfd told[] = {{.fd = stop.get(), .events = POLLIN, .revents = 0},
                     {.fd = host.rested.get(), .events = POLLIN, .revents = 0}};
    (*broker)->wait(told, std::nullopt);
    if (told[0].revents != 0) break;
    uint64_t times = 0;
    if (told[1].revents != 0 && ::read(host.rested.get(), &times, sizeof times) > 0)
      (*broker)->advance(host.rest.state, host.rest.next_ns);
  }
  // Calls are not freed in their middle.
  (*broker)->leave();
  for (int i = 0; i < 1000 && ((*broker)->under_way() > 0 || (*broker)->reactor().files().outstanding() > 0); ++i) {
    notes_->tell();
    (*broker)->wait({}, boot_ns() + 1'000'000);
  }
  (*broker)->stop_watching();  // what was watched is freed when the ring has said its last of it
}

Served::~Served() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
  std::filesystem::remove_all(root_);
  std::filesystem::remove_all(root_ + ".brokered");
  std::filesystem::remove(socket_path());
}

std::vector<Recorded> Served::journal() const {
  return notes_->all();
}

void Served::give(const std::string& path) const {
  must(::lchown(path.c_str(), agent_, agent_ == ::geteuid() ? ::getegid() : agent_) == 0, "chown");
}

void Served::make_directory(const std::string& path, mode_t mode) const {
  std::filesystem::create_directories(root_ + path);
  must(::chmod((root_ + path).c_str(), mode) == 0, "chmod");
  give(root_ + path);
}

void Served::write(const std::string& path, const std::string& content, mode_t mode) const {
  const std::string at = root_ + path;
  if (!std::filesystem::exists(std::filesystem::path(at).parent_path()))
    make_directory(std::filesystem::path(path).parent_path());
  std::ofstream(at, std::ios::binary) << content;
  must(::chmod(at.c_str(), mode) == 0, "chmod");
  give(at);
}

std::string Served::read(const std::string& path) const {
  std::ostringstream out;
  out << std::ifstream(root_ + path, std::ios::binary).rdbuf();
  return out.str();
}

bool Served::exists(const std::string& path) const {
  return std::filesystem::exists(std::filesystem::symlink_status(root_ + path));
}

}  // namespace alos::broker::test
