// Threats 2-6, 11-14, 16 and 51 by the broker: what it is asked for leads elsewhere, changes while it looks, is no
// file, or is no request. Run as `broker NAME WORKSPACE SECRET [COUNT]` in a box; prints "ESCAPED ..." for what must
// not be.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "shim/client/client.h"

namespace {

using namespace alos;
using client::Client;

constexpr std::string_view kToken = "alos-escape-token-";

struct Given {
  std::string workspace, secret;
  long count = 0;
};

Client connect() {
  auto client = Client::connect();
  if (!client) std::puts("no broker"), std::exit(2);
  return std::move(*client);
}

template <class T>
std::string end_of(const client::Outcome<T>& outcome) {
  if (outcome) return "ok";
  if (const auto* denied = outcome.denied()) return "denied " + denied->rule();
  if (const auto* failed = outcome.failed()) return "failed " + failed->name();
  if (const auto* limit = outcome.limit()) return "limit " + limit->which();
  return "unknown";
}

auto read(Client& client, const std::string& path) {
  wire::FsRead call;
  call.set_path(path);
  auto out = client.fs_read(call);
  if (out && std::string_view(out->content()).find(kToken) != std::string_view::npos)
    std::printf("ESCAPED read %s\n", path.c_str());
  return out;
}

auto write(Client& client, const std::string& path, const std::string& content, bool in_place = false) {
  wire::FsWrite call;
  call.set_path(path);
  call.set_content(content);
  call.set_in_place(in_place);
  return client.fs_write(call);
}

void put(const std::string& path, std::string_view content) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || ::write(fd, content.data(), content.size()) < 0) std::printf("cannot make %s\n", path.c_str());
  ::close(fd);
}

// A thread swaps a directory that has a file and a link to where the secret is; opens go by both meanwhile.
void swap(const Given& given) {
  const std::string real = given.workspace + "/real", link = given.workspace + "/link";
  const std::string directory = given.secret.substr(0, given.secret.rfind('/'));
  const std::string name = given.secret.substr(given.secret.rfind('/'));
  ::mkdir(real.c_str(), 0755);
  put(real + name, "mine");
  if (::symlink(directory.c_str(), link.c_str()) != 0) return void(std::puts("no link"));
  std::atomic<bool> over = false;
  std::atomic<long> swaps = 0;
  std::thread swapper([&] {
    while (!over)
      if (::renameat2(AT_FDCWD, real.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE) == 0) ++swaps;
  });
  long mine = 0, not_mine = 0;
  Client client = connect();
  constexpr long kAtOnce = 16;
  for (long done = 0; done < given.count; done += kAtOnce) {
    std::vector<client::Pending<wire::FsRead>> under_way;
    for (long i = 0; i < kAtOnce; ++i) {
      wire::FsRead call;
      call.set_path((i % 2 == 0 ? real : link) + name);
      under_way.push_back(client.send(call));
    }
    for (auto& one : under_way) {
      auto out = one.wait();
      if (out && out->content() == "mine")
        ++mine;
      else
        ++not_mine;
      if (out && out->content() != "mine") std::printf("ESCAPED read '%s'\n", out->content().c_str());
    }
    const auto wrote = write(client, real + name + ".new", "written");
    (void)wrote;
  }
  over = true;
  swapper.join();
  std::printf("swaps %ld mine %ld not %ld\n", swaps.load(), mine, not_mine);
}

void links(const Given& given) {
  Client client = connect();
  const std::string w = given.workspace;
  const std::string directory = given.secret.substr(0, given.secret.rfind('/'));
  const auto leads = [&](const std::string& name, const std::string& to, const std::string& rest = "") {
    const std::string link = w + "/" + name;
    if (::symlink(to.c_str(), link.c_str()) != 0) std::puts("no link");
    std::printf("read %s: %s\n", name.c_str(), end_of(read(client, link + rest)).c_str());
    if (rest.empty()) std::printf("write %s: %s\n", name.c_str(), end_of(write(client, link, "x")).c_str());
  };
  leads("to-secret", given.secret);
  leads("to-directory", directory, given.secret.substr(directory.size()));
  leads("to-root", "/proc/self/root", given.secret);
  leads("to-init", "/proc/1/root", given.secret);
  leads("up", "../../../../../../../.." + given.secret);
  leads("to-masked", w + "/.env");
  leads("to-link", "to-masked");
  leads("to-itself", "to-itself");
  leads("to-fd", "/proc/self/fd/3");
  // A second name of a file, and a write by it: what the box cannot link, the broker has no part in.
  const std::string second = w + "/second";
  std::printf("link masked: %s\n",
              ::link((w + "/.env").c_str(), second.c_str()) == 0 ? "linked" : strerrorname_np(errno));
  put(w + "/first", "one");
  if (::link((w + "/first").c_str(), second.c_str()) != 0) std::puts("no hard link");
  std::printf("write second name in place: %s\n", end_of(write(client, second, "two", true)).c_str());
  std::printf("write second name: %s\n", end_of(write(client, second, "two")).c_str());
  std::printf("first name still: %s\n", read(client, w + "/first")->content().c_str());
}

void later(const Given& given) {
  Client client = connect();
  const std::string w = given.workspace;
  // Made after the launch, where a pattern denies it; and by another name first.
  ::mkdir((w + "/sub").c_str(), 0755);
  put(w + "/sub/.env", "of the agent's own");
  std::printf("new match: %s\n", end_of(read(client, w + "/sub/.env")).c_str());
  std::printf("new match written: %s\n", end_of(write(client, w + "/sub/.env", "x")).c_str());
  ::mkdir((w + "/elsewhere").c_str(), 0755);
  put(w + "/elsewhere/plain", "x");
  wire::FsRename rename;
  rename.set_from(w + "/elsewhere/plain");
  rename.set_to(w + "/elsewhere/.env");
  std::printf("renamed to a match: %s\n", end_of(client.fs_rename(rename)).c_str());
  // The parent of what is denied, renamed and made again.
  std::printf("rename parent: %s\n",
              ::rename((w + "/held").c_str(), (w + "/moved").c_str()) == 0 ? "renamed" : strerrorname_np(errno));
  std::printf("denied under its new parent: %s\n", end_of(read(client, w + "/moved/.env")).c_str());
  ::mkdir((w + "/held").c_str(), 0755);
  put(w + "/held/.env", "of the agent's own");
  std::printf("denied made again: %s\n", end_of(read(client, w + "/held/.env")).c_str());
  wire::FsCopy copy;
  copy.set_from(w + "/moved/.env");
  copy.set_to(w + "/copied");
  std::printf("copied away: %s\n", end_of(client.fs_copy(copy)).c_str());
}

void names(const Given& given) {
  Client client = connect();
  const std::string w = given.workspace;
  using namespace std::string_literals;
  const std::vector<std::pair<const char*, std::string>> all{{"double slash", "/" + w + "//.env"},
                                                             {"dot", w + "/./.env"},
                                                             {"up and down", w + "/x/../.env"},
                                                             {"trailing slash", w + "/.env/"},
                                                             {"NUL", w + "/.env\0.txt"s},
                                                             {"newline", w + "/.env\n"},
                                                             {"long", w + "/" + std::string(5000, 'a')},
                                                             {"long way", w + std::string(2100, '/') + ".env"},
                                                             {"many dots", w +
                                                                               [] {
                                                                                 std::string dots;
                                                                                 for (int i = 0; i < 3000; ++i)
                                                                                   dots += "/.";
                                                                                 return dots;
                                                                               }() +
                                                                               "/.env"},
                                                             {"not UTF-8", w + "/.e\xffnv"},
                                                             {"look-alike", w + "/\xe2\x80\xa4"
                                                                                "env"},
                                                             {"empty", ""},
                                                             {"relative", w.substr(1) + "/.env"}};
  for (const auto& [name, path] : all) std::printf("%s: %s\n", name, end_of(read(client, path)).c_str());
  // A name of any bytes is a name.
  for (const std::string& odd : {"new\nline"s, "\xff\xfe"s, "sp ace"s, "\x1b[2J"s}) {
    std::printf("odd: %s", end_of(write(client, w + "/" + odd, "odd")).c_str());
    auto back = read(client, w + "/" + odd);
    std::printf(" %s\n", back ? back->content().c_str() : end_of(back).c_str());
  }
}

void kinds(const Given& given) {
  Client client = connect();
  const std::string w = given.workspace;
  ::mkfifo((w + "/fifo").c_str(), 0644);
  const int listening = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "socket");
  if (::chdir(w.c_str()) != 0 || ::bind(listening, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    std::puts("no socket");
  for (const std::string& path :
       {w + "/fifo", w + "/socket", std::string("/dev/zero"), std::string("/dev/tty"), std::string("/dev/alos"), w}) {
    std::printf("read: %s, ", end_of(read(client, path)).c_str());
    std::printf("write: %s, ", end_of(write(client, path, "x", true)).c_str());
    wire::FsOpen open;
    open.set_path(path);
    std::printf("open: %s\n", end_of(client.fs_open(open)).c_str());
  }
}

void big(const Given& given) {
  Client client = connect();
  const std::string w = given.workspace;
  wire::FsRead call;
  call.set_path(w + "/sparse");
  auto all = client.fs_read(call);
  std::printf("sparse: %s %zu of %llu%s\n", end_of(all).c_str(), all ? all->content().size() : 0,
              all ? static_cast<unsigned long long>(all->size()) : 0, all && all->truncated() ? " truncated" : "");
  call.set_offset((uint64_t{8} << 40) - 10);
  auto last = client.fs_read(call);
  std::printf("its end: %s %zu\n", end_of(last).c_str(), last ? last->content().size() : 0);
  call.set_offset(UINT64_MAX);
  std::printf("far beyond: %s\n", end_of(client.fs_read(call)).c_str());
  // Until there is no more.
  const std::string piece(16 << 20, 'x');
  std::string end = "ok";
  int made = 0;
  for (; made < 512 && end == "ok"; ++made) end = end_of(write(client, "/tmp/big-" + std::to_string(made), piece));
  std::printf("written until: %s after %d\n", end.c_str(), made);
  auto still = read(client, "/tmp/big-0");
  std::printf("what was acknowledged: %s\n", still && still->content() == piece ? "there" : "not there");
  for (int i = 0; i < made; ++i) ::unlink(("/tmp/big-" + std::to_string(i)).c_str());
  std::printf("and then: %s\n", end_of(write(client, "/tmp/small", "x")).c_str());
}

void many(const Given& given) {
  Client client = connect();
  std::vector<client::Pending<wire::FsWrite>> under_way;
  std::string end = "ok";
  long made = 0;
  for (long i = 0; i < given.count; ++i) {
    wire::FsWrite call;
    call.set_path(given.workspace + "/many-" + std::to_string(i));
    under_way.push_back(client.send(call));
    if (under_way.size() < 32 && i + 1 < given.count) continue;
    for (auto& one : under_way) {
      const std::string how = end_of(one.wait());
      if (how == "ok")
        ++made;
      else
        end = how;
    }
    under_way.clear();
  }
  std::printf("made %ld, %s\n", made, end.c_str());
}

// ---- frames ----

int raw() {
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/dev/alos");
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::puts("no connection");
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

// "closed" after a last reply, or "open".
std::string after(int fd) {
  std::string buffer(1 << 17, '\0');
  int replies = 0;
  for (;;) {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EAGAIN) return "open";
    if (n <= 0) return "closed after " + std::to_string(replies);
    ++replies;
  }
}

std::string request() {
  wire::Request out;
  out.set_id(1);
  out.mutable_clock_now();
  return out.SerializeAsString();
}

void frames(const Given&) {
  using namespace std::string_literals;
  Client other = connect();  // is served meanwhile
  const auto served = [&] { return end_of(other.clock_now({})); };
  std::string deep = request();
  for (int i = 0; i < 1000; ++i) deep = "\x82\x02"s + static_cast<char>(deep.size() & 0x7f) + deep.substr(0, 0x7f);
  const std::vector<std::pair<const char*, std::string>> all{{"noise", std::string(200, '\xff')},
                                                             {"one byte", "\x08"s},
                                                             {"zeros", std::string(64, '\0')},
                                                             {"no call", "\x08\x01"s},
                                                             {"truncated", request().substr(0, request().size() - 1)},
                                                             {"with a tail", request() + "\x0a"},
                                                             {"two calls", request() + "\xfa\x02\x00"s},
                                                             {"deep", deep},
                                                             {"long value", "\x82\x01\xff\xff\xff\xff\x0f"s},
                                                             {"oversized", std::string(70'000, 'x')},
                                                             {"id 0", request().substr(2)}};
  for (const auto& [name, frame] : all) {
    const int fd = raw();
    const bool sent = ::send(fd, frame.data(), frame.size(), MSG_NOSIGNAL) >= 0;
    std::printf("%s: %s, other %s\n", name, sent ? after(fd).c_str() : "not sent", served().c_str());
    ::close(fd);
  }
  // Descriptors: one that was not spoken of, and two.
  for (const int count : {1, 2}) {
    const int fd = raw();
    std::string frame = request();
    iovec part{.iov_base = frame.data(), .iov_len = frame.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(static_cast<size_t>(count) * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(static_cast<size_t>(count) * sizeof(int));
    const int fds[2] = {0, 1};
    std::memcpy(CMSG_DATA(rights), fds, static_cast<size_t>(count) * sizeof(int));
    ::sendmsg(fd, &header, MSG_NOSIGNAL);
    std::printf("%d descriptors: %s, other %s\n", count, after(fd).c_str(), served().c_str());
    ::close(fd);
  }
  // Closed while calls are under way.
  for (int i = 0; i < 50; ++i) {
    const int fd = raw();
    wire::Request sleep;
    for (uint64_t id = 1; id < 20; ++id) {
      sleep.set_id(id);
      sleep.mutable_clock_sleep()->set_duration_ms(1);
      const std::string frame = sleep.SerializeAsString();
      ::send(fd, frame.data(), frame.size(), MSG_NOSIGNAL);
    }
    ::close(fd);
  }
  std::printf("closed in the middle: other %s\n", served().c_str());
}

// Answers that nobody reads, and requests as fast as they go.
void flood(const Given& given) {
  put(given.workspace + "/piece", std::string(60'000, 'x'));
  std::vector<int> fds;
  wire::Request read;
  read.mutable_fs_read()->set_path(given.workspace + "/piece");
  for (int i = 0; i < 8; ++i) {
    fds.push_back(raw());
    for (uint64_t id = 1; id < 5000; ++id) {
      read.set_id(id);
      const std::string frame = read.SerializeAsString();
      if (::send(fds.back(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
    }
  }
  Client other = connect();
  std::printf("other %s\n", end_of(other.clock_now({})).c_str());
  for (const int fd : fds) ::close(fd);
  std::printf("afterwards %s\n", end_of(other.clock_now({})).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Given given{.workspace = argv[2], .secret = argv[3], .count = argc > 4 ? std::atol(argv[4]) : 0};
  const std::vector<std::pair<std::string_view, void (*)(const Given&)>> all{
      {"swap", swap}, {"links", links}, {"later", later},   {"names", names}, {"kinds", kinds},
      {"big", big},   {"many", many},   {"frames", frames}, {"flood", flood}};
  for (const auto& [name, attack] : all)
    if (name == argv[1]) {
      attack(given);
      std::puts("tried");
      return 0;
    }
  return 2;
}
