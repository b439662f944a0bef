// What a hostile reading of the box found, each as it was shown.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/sys.h"
#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr uid_t kStranger = 61'984;

class BoxReview : public InBothModes {
 protected:
  // As root a direct workspace must belong to somebody else.
  void give_workspace_away() {
    if (GetParam() != Mode::root) return;
    const std::string top = world().workspace();
    ASSERT_EQ(::lchown(top.c_str(), kStranger, kStranger), 0);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top))
      ASSERT_EQ(::lchown(entry.path().c_str(), kStranger, kStranger), 0);
  }
  void give_homes_away() {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(world().state() + "/homes"))
      if (entry.path().filename() == "lasting") {
        ASSERT_EQ(::lchown(entry.path().c_str(), kStranger + 1, kStranger + 1), 0);
      }
  }
  // What is deeper than the fixture's own cleaning reaches.
  void remove_state() { EXPECT_EQ(world().call({"/bin/rm", "-rf", world().state()}).code, 0); }
  std::string workspace_policy(const std::string& mode, const std::string& more = "") {
    return world().policy("with-" + mode, "alos: 1\nabout: " + mode +
                                              "\nextends: [base]\nvars: {workspace: dir}\nworkspace: " + mode + "\n" +
                                              more + "files:\n  all: {allow: rwx, path: $workspace/**}\n");
  }
};

// Device nodes are what the box is given devices for, and ptys are no use without.
bool shows_devices(const std::string& mount_point) {
  for (const char* device :
       {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts"})
    if (mount_point == device) return true;
  return false;
}

TEST_P(BoxReview, no_mount_lets_setuid_or_device_files_work) {
  for (const std::string mode : {"layer", "copy", "direct"}) {
    give_workspace_away();
    const std::string policy = workspace_policy(mode, "home: {keep: lasting}\n");
    ASSERT_EQ(world().shell(policy, "true").code, 0) << mode;
    if (GetParam() == Mode::root) give_homes_away();  // of another id than the next box's: it is mapped then
    const Outcome run = world().shell(policy, "cat /proc/self/mountinfo");
    ASSERT_EQ(run.code, 0) << mode << run.err;
    std::istringstream lines(run.out);
    int mounts = 0;
    bool home = false, workspace = false;
    for (std::string line; std::getline(lines, line); ++mounts) {
      // "36 35 98:0 /root /mount/point options... - type source super-options" (proc_pid_mountinfo(5))
      std::istringstream words(line);
      std::string id, parent, device, root, point, options;
      words >> id >> parent >> device >> root >> point >> options;
      options += ",";
      EXPECT_THAT(options, HasSubstr("nosuid,")) << mode << ": " << line;
      EXPECT_TRUE(shows_devices(point) || options.contains("nodev,")) << mode << ": " << line;
      home = home || point == "/home/agent";
      workspace = workspace || point == world().workspace();
    }
    EXPECT_GT(mounts, 20) << mode;
    EXPECT_TRUE(home && workspace) << run.out;
  }
}

TEST_P(BoxReview, a_glob_opens_what_it_names_whatever_the_characters_of_the_names) {
  const std::string above = world().root() + "/data";
  for (const char* name : {"a[1]", "a\\1", "a1", "b*", "b?", "bx", "c{d,e}", "cd"})
    for (const char* file : {"x/f", "x/q?", "x/q\\", "x/qq", "x/[!f]"})
      world().write(above + "/" + name + "/" + file, std::string(name) + " " + file + "\n");
  for (const std::string name : {"a[1]", "b*", "b?", "c{d,e}", "a\\1"}) {
    const std::string policy = world().policy(
        "glob",
        "alos: 1\nabout: glob\nextends: base\nvars: {data: dir}\nfiles:\n  d: {allow: r, path: [$data/*/f, "
        "'$data/*/q\\?', '$data/*/\\[!f]']}\n");
    const Outcome run = world().run(policy, {"/usr/bin/find", above, "-type", "f", "-exec", "cat", "{}", "+"}, {},
                                    {"--var", "data=" + above + "/" + name});
    std::vector<std::string> lines;
    std::istringstream in(run.out);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    EXPECT_THAT(lines, testing::UnorderedElementsAre(name + " x/f", name + " x/q?", name + " x/[!f]")) << run.err;
  }
}

// The test's own thread, and what it starts, under another scheduling for a while.
class Scheduled {
 public:
  Scheduled(int policy, int priority, int nice) {
    const sched_param param{.sched_priority = priority};
    good_ = ::setpriority(PRIO_PROCESS, 0, nice) == 0 && ::sched_setscheduler(0, policy, &param) == 0;
  }
  ~Scheduled() {
    const sched_param param{};
    ::sched_setscheduler(0, SCHED_OTHER, &param);
    ::setpriority(PRIO_PROCESS, 0, 0);
  }
  explicit operator bool() const { return good_; }

 private:
  bool good_;
};

TEST_P(BoxReview, no_box_runs_above_ordinary_programs) {
  if (::geteuid() != 0) ALOS_SKIP("only root can raise priorities");
  struct Case {
    int policy, priority, nice;
    const char* expected;
  };
  for (const Case& c : {Case{SCHED_FIFO, 10, 0, "0 0 0 0 0\n"}, Case{SCHED_RR, 1, 0, "0 0 0 0 0\n"},
                        Case{SCHED_OTHER, 0, -5, "0 0 0 0 0\n"}, Case{SCHED_OTHER, 0, 7, "0 0 7 0 0\n"},
                        Case{SCHED_BATCH, 0, 0, "3 0 0 0 0\n"}}) {
    const Scheduled scheduled(c.policy, c.priority, c.nice);
    if (!scheduled) ALOS_SKIP("this machine does not let root schedule so");
    // With the limits of a processor: the cgroup refuses realtime programs.
    const Outcome run =
        world().run("strict", {"/usr/bin/python3", "-c",
                               "import os,resource as r\n"
                               "print(os.sched_getscheduler(0),os.sched_getparam(0).sched_priority,os.nice(0),"
                               "*r.getrlimit(14))"});
    EXPECT_EQ(run.out, c.expected) << c.policy << " " << c.nice << run.err;
  }
}

TEST_P(BoxReview, no_box_is_first_at_the_disk) {
  constexpr int kProcess = 1, kRealtime = 1 << 13, kBestEffort = 2 << 13, kIdle = 3 << 13;
  const auto started_with = [&](int priority) {
    if (::syscall(SYS_ioprio_set, kProcess, 0, priority) != 0) return std::string("may not be set");
    const Outcome run = world().run("strict", {"/usr/bin/ionice"});
    ::syscall(SYS_ioprio_set, kProcess, 0, 0);
    return run.code == 0 ? run.out : run.err;
  };
  EXPECT_EQ(started_with(kBestEffort | 0), "best-effort: prio 4\n");
  EXPECT_EQ(started_with(kBestEffort | 6), "best-effort: prio 6\n");
  EXPECT_EQ(started_with(kIdle), "idle\n");
  if (::geteuid() != 0) ALOS_SKIP("only root can raise priorities");
  EXPECT_EQ(started_with(kRealtime | 0), "best-effort: prio 4\n");
}

// Code in the kernel, its pool of huge pages, the order at the disk.
TEST_P(BoxReview, what_counts_for_the_machine_is_refused) {
  const Outcome run = world().run("strict", {"/usr/bin/python3", "-c", R"(
import ctypes, errno, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    ctypes.set_errno(0)
    return libc.syscall(*args), errno.errorcode.get(ctypes.get_errno(), 'ok')
code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 1, ctypes.addressof(code)))
print('seccomp', *call(317, 1, 0, program))
print('prctl', *call(157, 22, 2, program))
for option in 26, 50, 51, 52:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try: print('socket', s.setsockopt(socket.SOL_SOCKET, option, program.raw[:16]))
        except OSError as e: print('socket', errno.errorcode[e.errno])
print('ioprio', *call(251, 1, 0, 2 << 13))
print('huge', *call(9, 0, 2 << 20, 3, 0x40022, -1, 0))
print('strict', *call(317, 3, 0, program))
)"});
  EXPECT_EQ(run.out,
            "seccomp -1 EINVAL\nprctl -1 EINVAL\nsocket ENOPROTOOPT\nsocket ENOPROTOOPT\nsocket ENOPROTOOPT\n"
            "socket ENOPROTOOPT\nioprio -1 EPERM\nhuge -1 EPERM\nstrict 0 ok\n")
      << run.err;
}

TEST_P(BoxReview, nothing_that_the_box_writes_is_setuid_or_setgid) {
  const std::string program = world().workspace() + "/setuid";
  std::filesystem::copy_file(ALOS_PAYLOADS "/setuid", program);
  give_workspace_away();
  for (const auto& [mode, attempt] : {std::pair{"direct", "29.c"}, {"direct", "29.d"}, {"layer", "29.c"}}) {
    const Outcome run =
        world().run(workspace_policy(mode), {program, "ESCAPE_WORKSPACE=" + world().workspace(), attempt});
    EXPECT_THAT(run.out, AllOf(HasSubstr("-> stopped"), HasSubstr("chmod EPERM"), HasSubstr("openat2 ENOSYS")))
        << mode << run.err;
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(world().workspace())) {
    struct stat st{};
    ASSERT_EQ(::lstat(entry.path().c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 06000, 0u) << entry.path();
  }
}

TEST_P(BoxReview, directories_of_a_group_are_worked_with_in_a_layer) {
  world().write("shared/sub/file", "x");
  for (const char* directory : {"", "/shared", "/shared/sub"})
    ASSERT_EQ(::chmod((world().workspace() + directory).c_str(), 02775), 0);
  const Outcome run =
      world().shell(workspace_policy("layer"),
                    "set -e; umask 002; cp -a shared copied; chmod -R u+w copied; mkdir made; mv shared moved;"
                    "stat -c %a copied copied/sub made moved moved/sub");
  EXPECT_EQ(run.out, "2775\n2775\n2775\n2775\n2775\n") << run.err;
}

TEST_P(BoxReview, a_directory_that_is_moved_keeps_the_mode_that_it_may_have) {
  world().write("odd/file", "x");
  ASSERT_EQ(::chmod((world().workspace() + "/odd").c_str(), 05755), 0);
  const Outcome run = world().shell(workspace_policy("layer"), "mv odd moved && stat -c %a moved && cat moved/file");
  EXPECT_EQ(run.out, "1755\nx") << run.err;
}

// Walks down from the current directory by the same name, far beyond PATH_MAX, then does `at_the_bottom`.
std::string down(int levels, const std::string& each, const std::string& at_the_bottom) {
  return "import os\nfor i in range(" + std::to_string(levels) + "):\n  " + each + "\n  os.chdir('d')\n" +
         at_the_bottom;
}

// Descriptors as an ordinary login has them.
class FewDescriptors {
 public:
  FewDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit few{1024, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_P(BoxReview, a_very_deep_tree_stops_no_later_run_and_hides_nothing_from_a_deny) {
  const FewDescriptors few;
  // Without a disk limit, which ends a box at a thousand levels.
  const std::string policy = world().policy(
      "deep",
      "alos: 1\nabout: deep\nvars: {workspace: dir}\nworkspace: layer\nfiles:\n"
      "  system: {allow: rx, path: [/usr/**, /bin/**, /lib/**], optional: true}\n"
      "  loader: {allow: rx, path: /lib64/**, optional: true}\n  tree: {allow: rwx, path: $workspace/**}\n"
      "  secrets: {deny: rwx, path: $workspace/**/.env*}\n");
  world().write("first/.env", "the-secret");
  ASSERT_EQ(::link((world().workspace() + "/first/.env").c_str(), (world().workspace() + "/other-name").c_str()), 0);
  const Outcome made = world().run(
      policy, {"/usr/bin/python3", "-c", down(3000, "os.mkdir('d')", "open('.env','w').write('agents own')")});
  ASSERT_EQ(made.code, 0) << made.err;
  const auto begin = std::chrono::steady_clock::now();
  const Outcome next = world().run(policy, {"/usr/bin/python3", "-c",
                                            down(3000, "pass",
                                                 "print(os.stat('.env').st_size)\n"
                                                 "open('.env')")});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
  EXPECT_EQ(next.out, "0\n") << next.err;
  EXPECT_THAT(next.err, HasSubstr("PermissionError"));
  EXPECT_THAT(world().shell(policy, "cat first/.env other-name; echo end").out,
              AllOf(Not(HasSubstr("the-secret")), HasSubstr("end")));
  remove_state();
}

TEST_P(BoxReview, a_closed_directory_that_the_box_can_open_shows_no_secret) {
  if (::geteuid() != 0) ALOS_SKIP("only root can make a directory of a foreign group");
  world().write("shut/.env", "the-secret");
  give_workspace_away();
  const std::string shut = world().workspace() + "/shut";
  // Of a group that the launcher of an ordinary user has no authority over, so that it cannot look in.
  ASSERT_EQ(::lchown(shut.c_str(), static_cast<uid_t>(-1), 61'985), 0);
  ASSERT_EQ(::chmod(shut.c_str(), 0), 0);
  const std::string policy = world().policy(
      "closed",
      "alos: 1\nabout: closed\nextends: [base]\nvars: {workspace: dir}\nworkspace: direct\nfiles:\n"
      "  all: {allow: rwx, path: $workspace/**}\n  secrets: {deny: rwx, path: $workspace/**/.env, degrade: allow}\n");
  const Outcome run = world().shell(policy, "chmod 700 shut; cat shut/.env; echo end");
  EXPECT_THAT(run.out, AllOf(Not(HasSubstr("the-secret")), HasSubstr("end"))) << run.err;
}

// A service of the host that everybody may speak to.
UniqueFd listening_at(const std::string& path, int type = SOCK_STREAM) {
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0777) != 0 || (type == SOCK_STREAM && ::listen(fd.get(), 8) != 0))
    throw std::runtime_error("listen at " + path);
  return fd;
}

// Says "reached NAME" for each that could be connected to.
std::string try_sockets(const std::vector<std::string>& paths) {
  std::string script = "import socket as s\nfor p in (";
  for (const std::string& path : paths) script += "'" + path + "',";
  return script +
         "):\n for t in (s.SOCK_STREAM,s.SOCK_DGRAM):\n  try: s.socket(s.AF_UNIX,t).connect(p); print('reached',p)\n"
         "  except OSError as e: print('not reached')";
}

TEST_P(BoxReview, sockets_of_the_host_below_a_mounted_tree_are_not_reached) {
  const std::string served = world().root() + "/served";
  world().write(served + "/a/file", "x");
  world().write(world().root() + "/named/file", "x");
  ASSERT_EQ(::symlink(served.c_str(), (world().root() + "/by-link").c_str()), 0);
  std::vector<UniqueFd> services;
  services.push_back(listening_at(served + "/stream"));
  services.push_back(listening_at(served + "/a/datagram", SOCK_DGRAM));
  services.push_back(listening_at(world().root() + "/by-link/a/linked"));
  services.push_back(listening_at(world().root() + "/named/wanted"));
  services.push_back(listening_at(world().root() + "/named/unwanted"));
  services.push_back(listening_at(served + "/line\nfeed"));
  world().write(world().root() + "/starred/file", "x");
  services.push_back(listening_at(world().root() + "/starred/matched"));
  const std::string policy =
      world().policy("served", "alos: 1\nabout: served\nextends: [base]\nfiles:\n  tree: {allow: r, path: [" + served +
                                   "/**, " + world().root() + "/named/**, " + world().root() +
                                   "/starred/*]}\n  one: {allow: rw, path: " + world().root() + "/named/wanted}\n");
  const Outcome run = world().run(
      policy,
      {"/usr/bin/python3", "-c",
       try_sockets({served + "/stream", served + "/a/datagram", served + "/a/linked", world().root() + "/named/wanted",
                    world().root() + "/named/unwanted", world().root() + "/starred/matched", served + "/line\\nfeed"}) +
           "\nprint(open('" + served + "/a/file').read())"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("reached " + world().root() + "/named/wanted"), HasSubstr("x\n")));
  for (const std::string name : {"/stream", "/datagram", "/linked", "/unwanted", "/matched", "feed"})
    EXPECT_THAT(run.out, Not(testing::ContainsRegex("reached /.*" + name))) << run.out;
}

TEST_P(BoxReview, sockets_of_the_host_in_a_direct_workspace_are_not_reached) {
  world().write("sub/file", "x");
  const std::string one = world().workspace() + "/host.sock", two = world().workspace() + "/sub/log";
  const UniqueFd stream = listening_at(one), datagram = listening_at(two, SOCK_DGRAM);
  const std::string other = world().workspace() + "/other-name";
  ASSERT_EQ(::link(one.c_str(), other.c_str()), 0);
  {
    const UniqueFd stale = listening_at(world().workspace() + "/stale");
  }
  give_workspace_away();
  const Outcome run =
      world().run(workspace_policy("direct"),
                  {"/usr/bin/python3", "-c",
                   try_sockets({one, two, other}) +
                       "\nimport os\nos.unlink('stale')\nl=s.socket(s.AF_UNIX);l.bind('stale');l.listen()\n"
                       "s.socket(s.AF_UNIX).connect('stale')\nprint('own')"});
  EXPECT_THAT(run.out, AllOf(Not(HasSubstr("reached /")), HasSubstr("own\n"))) << run.err;
}

// A read-only mount does not keep a pipe from being written.
TEST_P(BoxReview, a_pipe_of_the_host_that_is_not_to_be_written_is_not) {
  const std::string pipe = world().workspace() + "/infra/sub/feed", other = world().workspace() + "/other-name";
  world().write("infra/sub/file", "content\n");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0666), 0);
  ASSERT_EQ(::chmod(pipe.c_str(), 0666), 0);
  ASSERT_EQ(::link(pipe.c_str(), other.c_str()), 0);
  const UniqueFd reader(::open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader);
  give_workspace_away();
  const std::string policy =
      world().policy("piped",
                     "alos: 1\nabout: piped\nextends: [base]\nvars: {workspace: dir}\nworkspace: direct\nfiles:\n"
                     "  all: {allow: rwx, path: $workspace/**}\n  infra: {deny: w, path: $workspace/infra/**}\n");
  const Outcome run = world().run(policy, {"/usr/bin/python3", "-c", R"(
import os
print(open('infra/sub/file').read(), end='')
for name in 'infra/sub/feed', 'other-name':
    try: print(os.write(os.open(name, os.O_WRONLY | os.O_NONBLOCK), b'smuggled'))
    except OSError as e: print(e.strerror)
)"});
  EXPECT_EQ(run.out, "content\nPermission denied\nPermission denied\n") << run.err;
  char byte = 0;
  EXPECT_LT(::read(reader.get(), &byte, 1), 0) << "something was written";
}

// Kilobytes that a process and all below it hold.
long memory_of(pid_t pid) {
  const std::string at = "/proc/" + std::to_string(pid);
  long sum = 0;
  std::ifstream status(at + "/status");
  for (std::string word; status >> word;)
    if (word == "VmRSS:") status >> sum;
  std::ifstream children(at + "/task/" + std::to_string(pid) + "/children");
  for (pid_t child = 0; children >> child;) sum += memory_of(child);
  return sum;
}

// How a run ended that writes ten gigabytes to somebody who reads like this.
struct Flood {
  int code = -1;
  long most_memory = 0;  // KiB, of the run as a whole
  uint64_t read = 0;
  std::chrono::steady_clock::duration took{};
};

struct Reader {
  size_t bytes;  // at once; 0: none, and closed
  std::chrono::milliseconds pause;
};

Flood flood(World& world, const std::string& policy, const Reader& reader) {
  const auto begin = std::chrono::steady_clock::now();
  std::string line = "exec";
  for (const std::string& word : world.run_arguments(policy, {})) line += " " + word;
  line += " -- head -c 10G /dev/zero 2>" + world.root() + "/said";
  World::Running running = world.start({"/bin/bash", "-c", line});
  if (reader.bytes == 0) running.output.reset();
  std::vector<char> buffer(reader.bytes);
  Flood out;
  for (bool ended = false; !ended;) {
    out.most_memory = std::max(out.most_memory, memory_of(running.pid));
    if (reader.bytes > 1)
      if (const ssize_t n = ::read(running.output.get(), buffer.data(), buffer.size()); n > 0)
        out.read += static_cast<uint64_t>(n);
    pollfd end{.fd = running.pidfd.get(), .events = POLLIN, .revents = 0};
    ended = ::poll(&end, 1, static_cast<int>(reader.pause.count())) > 0;
    out.took = std::chrono::steady_clock::now() - begin;
    if (out.took > std::chrono::seconds(100)) {
      (void)sys::pidfd_signal(running.pidfd.get(), SIGKILL);
      ended = true;
    }
  }
  int status = 0;
  ::waitpid(running.pid, &status, 0);
  out.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

#ifdef ALOS_ADDRESS_SANITIZER
constexpr long kBoundedKib = 256 << 10;  // with the shadow of each of the run's programs, and what is quarantined
#else
constexpr long kBoundedKib = 96 << 10;
#endif
constexpr Reader kNever{1, std::chrono::milliseconds(50)}, kSlow{1000, std::chrono::milliseconds(20)},
    kGone{0, std::chrono::milliseconds(50)}, kFast{1 << 20, std::chrono::milliseconds(0)};

TEST_P(BoxReview, a_flood_of_output_neither_stops_the_clock_nor_fills_memory) {
  const std::string policy = world().policy("short", "alos: 1\nabout: short\nextends: [base]\nlimits: {wall: 2s}\n");
  for (const Reader& reader : {kNever, kSlow}) {
    const Flood run = flood(world(), policy, reader);
    EXPECT_EQ(run.code, 124) << reader.bytes;
    EXPECT_LT(run.took, std::chrono::seconds(12)) << reader.bytes;
    EXPECT_LT(run.most_memory, kBoundedKib) << reader.bytes;
    EXPECT_EQ(world().leftovers(), "") << reader.bytes;
  }
}

TEST_P(BoxReview, a_reader_that_is_gone_ends_the_writer) {
  const std::string policy = world().policy("long", "alos: 1\nabout: long\nextends: [base]\nlimits: {wall: 60s}\n");
  const Flood run = flood(world(), policy, kGone);
  EXPECT_THAT(run.code, testing::AnyOf(1, 128 + SIGPIPE));
  EXPECT_LT(run.took, std::chrono::seconds(20));
}

TEST_P(BoxReview, a_program_that_ended_waits_for_its_reader_until_it_is_told_not_to) {
  const std::string policy = world().policy("some", "alos: 1\nabout: some\nextends: [base]\n");
  std::string line = "exec";
  for (const std::string& word : world().run_arguments(policy, {})) line += " " + word;
  // More than the pipe to the test holds, less than that and the box's own.
  line += " -- head -c 100000 /dev/zero 2>" + world().root() + "/said";
  for (const bool told : {false, true}) {
    World::Running running = world().start({"/bin/bash", "-c", line});
    pollfd end{.fd = running.pidfd.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&end, 1, 3500), 0) << "it did not wait";
    uint64_t got = 0;
    if (told) (void)sys::pidfd_signal(running.pidfd.get(), SIGTERM);
    std::vector<char> buffer(4096);
    if (!told)
      for (ssize_t n = 1; n > 0; got += static_cast<uint64_t>(n))
        n = ::read(running.output.get(), buffer.data(), buffer.size());
    EXPECT_EQ(::poll(&end, 1, 5000), 1);
    (void)sys::pidfd_signal(running.pidfd.get(), SIGKILL);
    int status = 0;
    ::waitpid(running.pid, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    EXPECT_EQ(got, told ? 0u : 100'000u);
  }
}

class LongFlood : public BoxReview {};

TEST_P(LongFlood, of_ten_gigabytes_arrives_and_is_kept_nowhere) {
  const std::string policy = world().policy("long", "alos: 1\nabout: long\nextends: [base]\nlimits: {wall: 110s}\n");
  const Flood run = flood(world(), policy, kFast);
  EXPECT_EQ(run.code, 0);
  EXPECT_GE(run.read, (10ULL << 30) - (1 << 20));  // what is in the pipe at the end is not read
  EXPECT_LT(run.most_memory, kBoundedKib);
}

INSTANTIATE_TEST_SUITE_P(Found, BoxReview, testing::Values(Mode::root, Mode::rootless), NameOfMode());

INSTANTIATE_TEST_SUITE_P(Long, LongFlood, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
