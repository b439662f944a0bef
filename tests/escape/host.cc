#include "tests/escape/host.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "base/digest.h"
#include "base/sys.h"
#include "tests/integration/harness.h"

namespace alos::escape {
namespace {

const std::string kToken = "alos-escape-token-" + random_hex(8);
constexpr uid_t kNobody = 65534;
constexpr std::string_view kMark = "alos-escape-mark";  // as in tests/payloads/own_files.cc

void must(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what + ": " + ::strerror(errno));
}

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

UniqueFd bound(int type, const std::string& name, bool abstract) {
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::memcpy(address.sun_path + (abstract ? 1 : 0), name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1);
  must(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0, "bind " + name);
  if (!abstract) must(::chmod(name.c_str(), 0777) == 0, "chmod " + name);
  if (type == SOCK_STREAM) must(::listen(fd.get(), 8) == 0, "listen " + name);
  return fd;
}

}  // namespace

Host::Host(Who who) : uid_(::geteuid() == 0 && who == Who::user ? kNobody : ::geteuid()) {
  char name[] = "/tmp/alos-escape-XXXXXX";
  must(::mkdtemp(name) != nullptr, "mkdtemp");
  root_ = name;
  abstract_ = root_.substr(5);
  shm_ = "/dev/shm/" + abstract_;
  must(::chmod(name, 0755) == 0, "chmod");
  for (const char* directory : {"secret", "tmp", "run", "own", "home", "workspace/sockets", "workspace/payloads",
                                "workspace/.git", "workspace/nested/.git"})
    must(sys::make_dirs(path(directory), 0755));
  for (const char* file : {"secret/token", "tmp/token", "home/.ssh/id_ed25519", "home/.aws/credentials",
                           "home/.config/chromium/Default/Cookies"})
    write(file, kToken + "\n");
  for (const char* file : {"victim-file", "notes"}) write(file, "");
  write("workspace/readme", "nothing to see\n");
  must(sys::replace_file(shm_, kToken, 0644));
  must(::chown(shm_.c_str(), uid_, uid_) == 0, "chown");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_))
    must(::lchown(entry.path().c_str(), uid_, uid_) == 0, "chown");
  if (::geteuid() == 0) make_setuid_program();
  start_victim();
  start_services();
}

Host::~Host() {
  ending_ = true;
  if (services_.joinable()) services_.join();
  if (victim_ > 0) {
    ::kill(victim_, SIGKILL);
    ::waitpid(victim_, nullptr, 0);
  }
  for (const std::string& left : {shm_, shm_ + "-left"}) ::unlink(left.c_str());
  std::error_code ignored;
  // An ordinary user has to open what the work directories of layers are closed to.
  if (::geteuid() != 0)
    for (auto it = std::filesystem::recursive_directory_iterator(root_, ignored);
         it != std::filesystem::recursive_directory_iterator(); it.increment(ignored))
      if (it->is_directory(ignored) && !it->is_symlink(ignored)) ::chmod(it->path().c_str(), 0700);
  std::filesystem::remove_all(root_, ignored);
}

std::string Host::install(const std::string& payload) const {
  const std::string program = workspace() + "/payloads/" + payload;
  std::filesystem::copy_file(ALOS_PAYLOADS "/" + payload, program);
  must(::chown(program.c_str(), uid_, uid_) == 0, "chown " + program);
  return program;
}

void Host::make_setuid_program() const {
  std::filesystem::copy_file(ALOS_PAYLOADS "/setuid", path("setuid"));
  must(::chmod(path("setuid").c_str(), 04755) == 0, "chmod");
}

void Host::pretend_own_files() const {
  for (const char* file :
       {"policy.yaml", "state/audit/log", "state/layers/one/upper/file", "cache/policies/one", "programs/confine"})
    write("own/" + std::string(file), "as it was\n");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("own")))
    must(::lchown(entry.path().c_str(), uid_, uid_) == 0, "chown");
}

std::string Host::add(const std::string& name, const std::string& content) const {
  write(name, content);
  must(::chown(path(name).c_str(), uid_, uid_) == 0, "chown " + name);
  return path(name);
}

void Host::write(const std::string& name, const std::string& content, mode_t mode) const {
  must(sys::make_dirs(path(name.substr(0, name.find_last_of('/') + 1) + "."), 0755));
  must(sys::replace_file(path(name), content, mode));
}

void Host::start_victim() {
  must(::access(ALOS_ESCAPE_VICTIM, X_OK) == 0, ALOS_ESCAPE_VICTIM);
  sys::Pair output = must(sys::pipe());
  const UniqueFd secret = must(sys::open(path("secret/token"), O_RDONLY));
  const std::string notes = path("notes"), variable = "TOKEN=" + kToken;
  const char* argv[] = {ALOS_ESCAPE_VICTIM, notes.c_str(), kToken.c_str(), nullptr};
  const char* environment[] = {variable.c_str(), nullptr};
  victim_ = ::fork();
  must(victim_ >= 0, "fork");
  if (victim_ == 0) {
    ::dup2(output.b.get(), STDOUT_FILENO);
    ::dup2(secret.get(), 9);
    if (uid_ != ::geteuid() && (::setresgid(uid_, uid_, uid_) != 0 || ::setresuid(uid_, uid_, uid_) != 0)) ::_exit(1);
    ::execve(argv[0], const_cast<char**>(argv), const_cast<char**>(environment));
    ::_exit(127);
  }
  output.b.reset();  // a victim that ends at once is the end of what is read
  char address[32];
  const ssize_t n = ::read(output.a.get(), address, sizeof address);
  must(n > 1, "start the victim");
  token_address_.assign(address, static_cast<size_t>(n - 1));
}

void Host::start_services() {
  streams_.push_back(bound(SOCK_STREAM, workspace() + "/sockets/docker.sock", false));
  streams_.push_back(bound(SOCK_STREAM, path("run/host.sock"), false));
  streams_.push_back(bound(SOCK_STREAM, abstract_, true));
  datagram_sockets_.push_back(bound(SOCK_DGRAM, workspace() + "/sockets/log.sock", false));
  datagram_sockets_.push_back(bound(SOCK_DGRAM, abstract_ + "-log", true));
  services_ = std::thread([this] { serve(); });
}

// Greets with the token and a descriptor of the secret, as a service would that trusts whoever can reach it.
void Host::serve() {
  const UniqueFd secret = must(sys::open(path("secret/token"), O_RDONLY));
  const int fds[] = {secret.get()};
  std::vector<pollfd> all;
  for (const auto& fd : streams_) all.push_back({fd.get(), POLLIN, 0});
  for (const auto& fd : datagram_sockets_) all.push_back({fd.get(), POLLIN, 0});
  while (!ending_) {
    if (::poll(all.data(), all.size(), 50) <= 0) continue;
    for (const auto& listener : streams_) {
      const UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client) (void)sys::send_message(client.get(), std::as_bytes(std::span(kToken)), fds);
    }
    char bytes[64];
    for (const auto& socket : datagram_sockets_)
      if (::recv(socket.get(), bytes, sizeof bytes, 0) > 0) ++datagrams_;
  }
}

std::vector<std::string> Host::targets() const {
  std::vector<std::string> all = {
      "ESCAPE_SECRET=" + path("secret/token"),
      "ESCAPE_VICTIM_FILE=" + path("victim-file"),
      "ESCAPE_WORKSPACE=" + workspace(),
      "ESCAPE_HOME=" + path("home"),
      "ESCAPE_TMP=" + path("tmp"),
      "ESCAPE_SHM=" + shm_,
      "ESCAPE_HOST_PID=" + std::to_string(victim_),
      "ESCAPE_TOKEN_ADDRESS=" + token_address_,
      "ESCAPE_SOCKETS=" + workspace() + "/sockets",
      "ESCAPE_HOST_SOCKET=" + path("run/host.sock"),
      "ESCAPE_ABSTRACT=" + abstract_,
      "ESCAPE_SCRATCH=/tmp",
      "ESCAPE_SETUID=" + path("setuid"),
      "ESCAPE_POLICY=" + path("own/policy.yaml"),
      "ESCAPE_STATE=" + path("own/state"),
      "ESCAPE_CACHE=" + path("own/cache"),
      "ESCAPE_PROGRAMS=" + path("own/programs"),
  };
  return all;
}

bool Host::victim_was_signalled() const {
  // The signal may still be on its way.
  for (int i = 0; i < 20; ++i) {
    if (!must(sys::read_file(path("notes"), 4096)).empty()) return true;
    ::usleep(10'000);
  }
  return false;
}

bool Host::victim_file_changed() const {
  return !must(sys::read_file(path("victim-file"), 4096)).empty();
}

bool Host::own_files_marked() const {
  using std::filesystem::directory_options, std::filesystem::recursive_directory_iterator;
  for (const std::string& top : {path("own"), test::World::programs()})
    for (const auto& entry : recursive_directory_iterator(top, directory_options::skip_permission_denied)) {
      if (entry.path().filename().string().contains(kMark)) return true;
      // What a payload could reach at the start of a big program, its end would show as well.
      if (!entry.is_regular_file() || entry.is_symlink() || top != path("own")) continue;
      if (must(sys::read_file(entry.path(), 64 << 20)).contains(kMark)) return true;
    }
  return false;
}

bool Host::left_behind(const std::string& name) const {
  struct stat st;
  return ::lstat(name == "shm" ? (shm_ + "-left").c_str() : path(name).c_str(), &st) == 0;
}

const std::vector<int>& Host::careless_descriptors() {
  if (!careless_.empty()) return careless_numbers_;
  for (const char* name : {"secret/token", "secret"}) {
    careless_.push_back(must(sys::open(path(name), O_RDONLY)));
    careless_numbers_.push_back(careless_.back().get());
  }
  return careless_numbers_;
}

}  // namespace alos::escape
