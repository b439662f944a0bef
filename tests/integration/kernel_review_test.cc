// What a hostile reading of the kernel's counts found, each as it was shown: what is counted for the machine, or for
// the user who started a box, is not the box's to use up.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "base/sys.h"
#include "supervisor/host/ids.h"
#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr uid_t kStranger = 61'985;

class KernelReview : public InBothModes {
 protected:
  Outcome python(const std::string& script) { return world().run("coding", {"/usr/bin/python3", "-c", script}); }
  // With python, and a workspace that every box of it writes. As root it must belong to somebody else.
  std::string direct() {
    if (GetParam() == Mode::root) {
      EXPECT_EQ(::lchown(world().workspace().c_str(), kStranger, kStranger), 0);
    }
    return world().policy("shared",
                          "alos: 1\nabout: shared\nextends: [base]\nvars: {workspace: dir}\nworkspace: direct\n"
                          "files:\n  all: {allow: rwx, path: $workspace/**}\n");
  }
  World::Running start(const std::string& policy, std::vector<std::string> command) {
    auto argv = world().run_arguments(policy, {});
    argv.emplace_back("--");
    argv.insert(argv.end(), command.begin(), command.end());
    return world().start(argv);
  }
  // Takes all descriptors in flight that the broker's user may have, as soon as the file is there.
  World::Running fill(const std::string& when) {
    auto filled = world().start({"/usr/bin/python3", "-uc", R"(
import os, resource, socket, sys, time
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(*[int(sys.argv[1])] * 3)
    os.setresuid(*[int(sys.argv[1])] * 3)
resource.setrlimit(resource.RLIMIT_NOFILE, (5000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
a, b = socket.socketpair()
print('ready')
while not os.path.exists(sys.argv[2]): time.sleep(0.002)
for _ in range(13): socket.send_fds(a, [b'x'], [0] * 253)
print('full')
time.sleep(100)
)",
                                 std::to_string(host::kSupervisorId), when});
    EXPECT_TRUE(wait_for(filled, when == "/" ? "full\n" : "ready\n"));
    return filled;
  }
  // Ends a run that was started, and waits until it is gone.
  static void end(const World::Running& running) {
    (void)sys::pidfd_signal(running.pidfd.get(), SIGTERM);
    ::waitpid(running.pid, nullptr, 0);
  }
};

// fs.aio-max-nr is one number for the machine.
TEST_P(KernelReview, no_asynchronous_requests_are_taken_from_the_machine) {
  const Outcome run = python(R"(
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
context = ctypes.c_ulong(0)
calls = {'setup': (206, 1, ctypes.byref(context)), 'destroy': (207, 0), 'getevents': (208, 0, 0, 0, 0, 0),
         'submit': (209, 0, 0, 0), 'cancel': (210, 0, 0, 0), 'pgetevents': (333, 0, 0, 0, 0, 0, 0)}
for name, call in calls.items():
    done = libc.syscall(*call)
    print(name, done, errno.errorcode.get(ctypes.get_errno()))
)");
  EXPECT_EQ(run.out,
            "setup -1 ENOSYS\ndestroy -1 ENOSYS\ngetevents -1 ENOSYS\nsubmit -1 ENOSYS\ncancel -1 ENOSYS\n"
            "pgetevents -1 ENOSYS\n")
      << run.err;
}

// The one box hands its output over through a socket that both see, and is gone; the other writes on.
TEST_P(KernelReview, output_ends_with_its_box_also_where_another_box_holds_it) {
  const std::string policy = direct();
  // The socket is made when both run: those that are there at a launch are hidden.
  const auto other = start(policy, {"/usr/bin/python3", "-uc", R"(
import os, socket, time
print('up')
while not os.path.exists('wanted'): time.sleep(0.01)
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind('handed'); server.listen()
connection = server.accept()[0]
_, fds, _, _ = socket.recv_fds(connection, 16, 1)
connection.send(b'taken')
until = time.time() + 20
while time.time() < until:
    try: os.write(fds[0], b'stranger\n')
    except OSError: pass
    time.sleep(0.001)
)"});
  ASSERT_TRUE(wait_for(other, "up\n"));
  const auto began = std::chrono::steady_clock::now();
  const Outcome run = world().run(policy, {"/usr/bin/python3", "-uc", R"(
import os, socket, sys, time
open('wanted', 'w').close()
client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
while True:
    try: client.connect('handed'); break
    except OSError: time.sleep(0.01)
socket.send_fds(client, [b'take'], [1])
assert client.recv(16) == b'taken'
print('own' * 100000)
print('last words')
)"});
  const auto took = std::chrono::steady_clock::now() - began;
  end(other);
  EXPECT_EQ(run.code, 0) << run.err;
  // Python writes the line's end by itself, and the other box may be faster.
  EXPECT_THAT(run.out, HasSubstr("last words")) << "what the box itself wrote arrives";
  EXPECT_LT(took, std::chrono::seconds(10)) << "the run waited for another box";
}

// Two boxes with one home would hand each other descriptors there, and a later box's files to an earlier one.
TEST_P(KernelReview, a_kept_home_is_of_one_run_at_a_time) {
  const std::string policy = world().policy("homely", "alos: 1\nabout: homely\nextends: [base]\nhome: {keep: mine}\n");
  const auto first = start(policy, {"/bin/bash", "-c", "echo up $ALOS_RUN; sleep 20"});
  ASSERT_TRUE(wait_for(first, "up run_"));
  const Outcome second = world().shell(policy, "echo ran");
  EXPECT_EQ(second.code, 125);
  EXPECT_EQ(second.out, "");
  EXPECT_THAT(second.err, AllOf(HasSubstr("home"), HasSubstr("mine"), HasSubstr("run run_")));
  end(first);
  EXPECT_EQ(world().shell(policy, "echo ran").out, "ran\n");
  EXPECT_EQ(world().shell(policy, "echo again").out, "again\n");
}

TEST_P(KernelReview, a_kept_home_is_of_one_policy) {
  const std::string yaml = "alos: 1\nabout: homely\nextends: [base]\nhome: {keep: mine}\n";
  EXPECT_EQ(world().shell(world().policy("a%b", yaml), "echo kept > ~/file; cat ~/file").out, "kept\n");
  EXPECT_EQ(world().shell(world().policy("a/b", yaml), "ls ~").out, "");
  EXPECT_EQ(world().shell(world().policy("a%b", yaml), "cat ~/file").out, "kept\n");
}

// RLIMIT_SIGPENDING is of the user: a machine gives tens of thousands, and every timer takes one.
TEST_P(KernelReview, timers_and_queued_signals_of_the_user_are_not_used_up) {
  const Outcome run = python(R"(
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
made = 0
while made < 5000 and libc.syscall(222, 1, None, ctypes.byref(ctypes.c_int())) == 0: made += 1
print(1000 <= made <= 1024, errno.errorcode.get(ctypes.get_errno()))
)");
  EXPECT_EQ(run.out, "True EAGAIN\n") << run.err;
}

// Descriptors that are sent and not received count for the user, against the sender's RLIMIT_NOFILE (net/core/scm.c).
TEST_P(KernelReview, descriptors_in_flight_leave_some_to_the_user) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit ordinary{1024, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &ordinary), 0);
  const auto box = start("coding", {"/usr/bin/python3", "-uc", R"(
import errno, socket, time
a, b = socket.socketpair()
sent = 0
try:
    while sent < 100000:
        socket.send_fds(a, [b'x'], [0] * 253)
        sent += 253
except OSError as e: print(errno.errorcode[e.errno])
time.sleep(20)
)"});
  EXPECT_TRUE(wait_for(box, "ETOOMANYREFS\n"));
  const Outcome host = world().call({"/usr/bin/python3", "-c", R"(
import socket
a, b = socket.socketpair()
socket.send_fds(a, [b'x'], [0])
print(len(socket.recv_fds(b, 1, 1)[1]))
)"});
  world().write(world().root() + "/other/file", "");
  const Outcome next = world().shell("coding", "echo ran", {}, {"--workspace", world().root() + "/other"});
  end(box);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(host.out, "1\n") << host.err;
  EXPECT_EQ(next.out, "ran\n") << next.err;
}

// Whoever has the broker's user may have so many in flight that it can send none.
TEST_P(KernelReview, primitives_go_on_where_too_many_descriptors_are_in_flight) {
  const std::string policy = direct(), w = world().workspace();
  auto argv = world().run_arguments(policy, {});
  argv.insert(argv.begin(), {"/usr/bin/prlimit", "--nofile=3000:3000"});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c", R"(
await() { until [ -e $1 ]; do sleep 0.02; done; echo "at $1"; }
echo up
await first; alos-call clock.now > /dev/null && echo "answered $?"
await second; alos-call shell.run -- /bin/true > /dev/null 2> said; echo "failed $?"; grep -o ETOOMANYREFS said
alos-call clock.now > /dev/null && echo "still answered"
await third; alos-call shell.run -- /bin/true > /dev/null && echo ran
)"});
  const auto box = world().start(argv);
  ASSERT_TRUE(wait_for(box, "up\n"));
  {
    const auto filled = fill("/");
    world().write(w + "/first", "");
    EXPECT_TRUE(wait_for(box, "at first\n"));
    pollfd said{.fd = box.output.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&said, 1, 700), 0) << "it waits";
    end(filled);
  }
  EXPECT_TRUE(wait_for(box, "answered 0\n"));
  {
    const auto filled = fill("/");
    world().write(w + "/second", "");
    EXPECT_TRUE(wait_for(box, "ETOOMANYREFS\n"));
    EXPECT_TRUE(wait_for(box, "still answered\n"));
    end(filled);
  }
  world().write(w + "/third", "");
  EXPECT_TRUE(wait_for(box, "ran\n"));
  ::waitpid(box.pid, nullptr, 0);
}

// The same between the order for a command's box and the word that it is there: the launcher takes half a second
// longer.
TEST_P(KernelReview, a_command_that_cannot_be_handed_over_has_not_run_and_ends_no_broker) {
  const std::string policy = direct(), w = world().workspace(), events = world().root() + "/events";
  auto argv = world().run_arguments(policy, {"--events", events});
  argv.insert(argv.begin(), {"/usr/bin/prlimit", "--nofile=3000:3000"});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c", R"(
await() { until [ -e $1 ]; do sleep 0.02; done; }
alos-call shell.run -- /bin/true > /dev/null && echo "up"
for i in 1 2 3 4 5; do
  await try$i; echo "asking $i"
  alos-call shell.run -- /usr/bin/touch ran$i > said 2>&1
  alos-call clock.now > /dev/null && grep -q ETOOMANYREFS said; echo $? > result; mv result result$i
done &
await last; kill %1; alos-call shell.run -- /bin/true > /dev/null && echo "runs again"
)"});
  const auto box = world().start(argv, {.env = {{"ALOS_FAIL_STEP", "later.identity-map:0"}}});
  ASSERT_TRUE(wait_for(box, "up\n"));
  bool refused = false;
  for (int i = 1; i <= 5 && !refused; ++i) {
    const std::string n = std::to_string(i);
    const auto filled = fill(w + "/fill" + n);
    world().write(w + "/try" + n, "");
    ASSERT_TRUE(wait_for(box, "asking " + n + "\n"));
    ::usleep(200'000);
    world().write(w + "/fill" + n, "");
    for (int wait = 0; wait < 2000 && !world().exists("result" + n); ++wait) ::usleep(10'000);
    refused = world().read("result" + n) == "0\n";
    EXPECT_EQ(world().exists("ran" + n), !refused);
    end(filled);
  }
  EXPECT_TRUE(refused);
  world().write(w + "/last", "");
  EXPECT_TRUE(wait_for(box, "runs again\n"));
  ::waitpid(box.pid, nullptr, 0);
  EXPECT_THAT(world().read(events), Not(HasSubstr("\"event\":\"broker\"")));
}

// What a user namespace holds is counted for its owner as well, whom the kernel shows by an id of who asks
// (ioctl_ns(2)): inotify instances, of which root's services have 128 in all.
TEST_P(KernelReview, what_a_box_holds_is_counted_for_its_own_id) {
  const Outcome run = python(R"(
import array, fcntl, os
owner = array.array('I', [0])
fcntl.ioctl(os.open('/proc/self/ns/user', os.O_RDONLY), 0xb704, owner)
print(owner[0] == os.getuid(), owner[0])
)");
  EXPECT_EQ(run.out, "True 1000\n") << run.err;
}

// RLIMIT_MSGQUEUE is of the user, too.
TEST_P(KernelReview, message_queues_of_the_user_are_not_used_up) {
  const std::string queues = R"(
import ctypes, errno, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
made = 0
def make():
    global made
    made += 1
    if libc.mq_open(b'/alos-test-%d-%d' % (os.getpid(), made), os.O_RDWR | os.O_CREAT, 0o600, None) >= 0: return 'made'
    return errno.errorcode[ctypes.get_errno()]
if sys.argv[1] == 'one':
    print(make())
    libc.mq_unlink(b'/alos-test-%d-1' % os.getpid())
else:
    # One that may not be opened is there, and counted, all the same.
    while made < 100 and make() != 'EMFILE': pass
    print('used up', made)
    time.sleep(20)
)";
  const auto box = start("coding", {"/usr/bin/python3", "-uc", queues, "all"});
  EXPECT_TRUE(wait_for(box, "used up "));
  const Outcome host = world().call({"/usr/bin/python3", "-c", queues, "one"});
  end(box);
  EXPECT_EQ(host.out, "made\n") << host.err;
}

// Each command of an agent has a box of its own; what they take is bounded together.
TEST_P(KernelReview, counts_of_the_user_are_not_used_up_by_many_boxes_of_a_run) {
  // As root a box's counts are its own id's, which tests that run beside this one may have taken as well.
  if (GetParam() == Mode::root) return;
  world().write("take.py", R"(
import ctypes, errno, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
watched = 0
while libc.inotify_init1(0) >= 0: watched += 1
made = 0
def make():
    global made
    made += 1
    if libc.mq_open(b'/alos-test-%s-%d' % (sys.argv[1].encode(), made), os.O_RDWR | os.O_CREAT, 0o600, None) >= 0: return 'made'
    return errno.errorcode[ctypes.get_errno()]
while made < 100 and make() != 'EMFILE': pass
open('taken-' + sys.argv[1], 'w').write('%d %d' % (watched, made))
time.sleep(30)
)");
  const std::string policy = world().policy("many",
                                            "alos: 1\nabout: many\nextends: [base]\nvars: {workspace: dir}\n"
                                            "workspace: layer\nfiles:\n  all: {allow: rwx, path: $workspace/**}\n");
  const auto boxes =
      start(policy, {"/bin/sh", "-c",
                     "for i in 1 2 3 4 5 6 7 8; do alos-call shell.run -- /usr/bin/python3 take.py $i & done;"
                     "until [ -s taken-8 ] && [ $(ls taken-* | wc -l) = 8 ]; do sleep 0.1; done; sleep 0.2;"
                     "cat taken-1; echo; echo used up; sleep 30"});
  EXPECT_TRUE(wait_for(boxes, "used up"));
  const Outcome host = world().call({"/usr/bin/python3", "-c", R"(
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(libc.inotify_init1(0) >= 0, libc.mq_open(b'/alos-test-host', os.O_RDWR | os.O_CREAT, 0o600, None) >= 0)
libc.mq_unlink(b'/alos-test-host')
)"});
  end(boxes);
  EXPECT_EQ(host.out, "True True\n") << host.err;
}

TEST_P(KernelReview, message_queues_of_the_boxs_own_carry_messages) {
  const Outcome run = python(R"(
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
queue = libc.mq_open(b'/alos-test', os.O_RDWR | os.O_CREAT, 0o600, None)
message = ctypes.create_string_buffer(8192)
print(os.strerror(ctypes.get_errno()), libc.mq_send(queue, b'said', 4, 0), libc.mq_receive(queue, message, 8192, None),
      message.value)
)");
  EXPECT_EQ(run.out, "Success 0 4 b'said'\n") << run.err;
}

// MSG_ZEROCOPY holds pages of the user's RLIMIT_MEMLOCK; flow labels are one table for all networks of the machine.
TEST_P(KernelReview, sockets_take_nothing_that_is_counted_for_others) {
  const Outcome run = python(R"(
import errno, socket
tcp, udp = socket.socket(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
label = socket.inet_pton(socket.AF_INET6, '::1') + bytes(4) + b'\0\xff\1\0\6\0\6\0' + bytes(4)
for one, level, option, value in (tcp, socket.SOL_SOCKET, 60, bytes([1, 0, 0, 0])), (udp, 41, 32, label):
    try: one.setsockopt(level, option, value)
    except OSError as e: print(errno.errorcode[e.errno])
    else: print('taken')
)");
  EXPECT_EQ(run.out, "ENOPROTOOPT\nENOPROTOOPT\n") << run.err;
}

// RENAME_WHITEOUT leaves a device node, which Landlock lets nobody make by its name.
TEST_P(KernelReview, no_device_is_left_in_a_tree_of_the_host) {
  const Outcome run = world().run(direct(), {"/usr/bin/python3", "-c", R"(
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
open('from', 'w').close()
print(libc.syscall(316, -100, b'from', -100, b'to', ctypes.c_uint(4)), errno.errorcode[ctypes.get_errno()])
)"});
  EXPECT_EQ(run.out, "-1 EINVAL\n") << run.err;
  EXPECT_FALSE(world().exists("to"));
}

// cgroup v1 counts the buffers of TCP apart from memory, without a limit unless one is set; v2 counts them in it.
TEST_P(KernelReview, what_waits_in_tcp_sockets_is_bounded_as_memory_is) {
  if (GetParam() == Mode::rootless) return;  // `memory` is given up here, and with it this
  const std::string top = "/sys/fs/cgroup", apart = "memory.kmem.tcp.limit_in_bytes";
  const bool v1 = ::access((top + "/memory/" + apart).c_str(), F_OK) == 0;
  if (!v1 && ::access((top + "/cgroup.controllers").c_str(), F_OK) != 0) ALOS_SKIP("no cgroup that bounds TCP");
  const std::string policy =
      world().policy("small", "alos: 1\nabout: small\nextends: [base]\nlimits: {memory: 64MiB}\n");
  const auto box = start(policy, {"/bin/bash", "-c", "echo up; sleep 20"});
  ASSERT_TRUE(wait_for(box, "up\n"));
  const Outcome limits =
      world().call({"/usr/bin/find", v1 ? top + "/memory" : top, "-path",
                    "*/alos-run_*/" + (v1 ? apart : std::string("memory.max")), "-exec", "cat", "{}", "+"});
  end(box);
  EXPECT_THAT(limits.out, HasSubstr("67108864\n")) << limits.err;
}

// The caller may own what a policy mounts to be read: then a lease on it would keep the host waiting.
TEST_P(KernelReview, what_is_mounted_to_be_read_is_not_held_against_the_host) {
  const std::string data = world().root() + "/data/file";
  world().write(data, "content");
  const std::string policy = world().policy("reader",
                                            "alos: 1\nabout: reader\nextends: [base]\nvars: {data: dir}\n"
                                            "files: {data: {allow: r, path: $data/**}}\n");
  auto argv = world().run_arguments(policy, {"--var", "data=" + world().root() + "/data"});
  argv.insert(argv.end(), {"--", "/usr/bin/python3", "-c",
                           "import fcntl, os\nf = os.open('" + data +
                               "', os.O_RDONLY)\n"
                               "try: fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n"
                               "except OSError as e: print(e.strerror)\nelse: print('leased')"});
  const Outcome run = world().call(argv);
  EXPECT_EQ(run.out, "Operation not permitted\n") << run.err;
}

TEST_P(KernelReview, how_the_callers_memory_is_laid_out_is_not_handed_on) {
  auto argv = world().run_arguments("strict", {});
  argv.insert(argv.begin(), {"/usr/bin/setarch", "-R"});
  argv[2] = World::programs() + "/alos";
  argv.insert(argv.end(), {"--", "/usr/bin/cat", "/proc/self/personality"});
  EXPECT_EQ(world().call(argv).out, "00000000\n");
}

INSTANTIATE_TEST_SUITE_P(Around, KernelReview, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
