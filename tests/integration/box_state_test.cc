// What a box is made of, read back from inside: walls that stand behind another wall, and so fail silently.
#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using nlohmann::json;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kLook = R"(python3 - <<'EOP'
import ctypes, json, os, resource
libc = ctypes.CDLL(None, use_errno=True)
text = lambda path: open(path).read()
status = dict(line.split(":\t", 1) for line in text("/proc/self/status").splitlines())
layers = 0
while libc.syscall(444, ctypes.byref((ctypes.c_uint64 * 1)(1)), 8, 0) >= 0 and layers < 64:
    fd = libc.syscall(444, ctypes.byref((ctypes.c_uint64 * 1)(1)), 8, 0)
    if libc.syscall(446, fd, 0) != 0: break
    layers += 1
    os.closerange(3, 256)
def shows(path):
    try:
        return bool(os.listdir(path)) if os.path.isdir(path) else bool(open(path, "rb").read(1))
    except OSError:
        return False
print(json.dumps({
    "machine": [name for name in ("acpi", "bus", "cmdline", "driver", "fs", "interrupts", "iomem", "ioports", "irq",
                "kallsyms", "kcore", "keys", "key-users", "modules", "mtrr", "partitions", "slabinfo", "softirqs",
                "sysvipc", "timer_list", "tty", "vmallocinfo") if shows("/proc/" + name)],
    "securebits": libc.prctl(27, 0, 0, 0, 0),
    "caps": [status[k].strip() for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "groups": status["Groups"].split(),
    "no_new_privs": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "cgroup": text("/proc/self/cgroup").splitlines(),
    "inotify": [int(text("/proc/sys/user/max_inotify_" + k)) for k in ("instances", "watches")],
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "sid": [os.getsid(0), os.getsid(1)],
    "uid": os.getuid(), "init_owner": os.stat("/proc/1/environ").st_uid,
    "mounts": [line.split(" - ")[0].split()[3:6] for line in text("/proc/self/mountinfo").splitlines()],
    "own_landlock_layers": layers,
    "propagation": [line.split(" - ")[0].split()[6:] for line in text("/proc/self/mountinfo").splitlines()],
}))
EOP)";

class BoxState : public InBothModes {
 protected:
  std::string policy(const std::string& files = "200") {
    return world().policy("state",
                          "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\nworkspace: layer\n"
                          "files: {tree: {allow: rwx, path: $workspace/**}}\nlimits: {wall: 60s, open-files: " +
                              files + "}\n");
  }
  json look() {
    const Outcome run = world().shell(policy(), kLook);
    EXPECT_EQ(run.code, 0) << run.err;
    return json::parse(run.out, nullptr, false);
  }
};

TEST_P(BoxState, nothing_is_left_to_gain) {
  const json seen = look();
  ASSERT_TRUE(seen.is_object());
  // NOROOT, NO_SETUID_FIXUP, KEEP_CAPS and NO_CAP_AMBIENT_RAISE, locked (capabilities(7)); KEEP_CAPS itself is off.
  EXPECT_EQ(seen["securebits"], 0xef);
  EXPECT_THAT(seen["caps"], Each(std::string("0000000000000000")));
  EXPECT_EQ(seen["no_new_privs"], "1");
  EXPECT_EQ(seen["seccomp"], "2");
}

// Domains lie in one another up to 16 (LANDLOCK_MAX_NUM_LAYERS): the box's own is one of them.
TEST_P(BoxState, a_landlock_domain_is_around_it) {
  EXPECT_EQ(look()["own_landlock_layers"], 15);
}

TEST_P(BoxState, nothing_of_the_hosts_is_named_in_it) {
  const json seen = look();
  for (const json& line : seen["cgroup"]) EXPECT_THAT(line.get<std::string>(), testing::EndsWith(":/"));
  EXPECT_EQ(seen["sid"][1], 1) << "init is in a session of the caller's";
  EXPECT_NE(seen["init_owner"], seen["uid"]) << "init can be looked into";
  const std::map<std::string, std::vector<const char*>> wanted{{"/", {",ro,", ",nodev,", ",noexec,"}},
                                                               {"/proc", {",ro,", ",nodev,", ",noexec,"}},
                                                               {"/tmp", {",nodev,"}},
                                                               {"/dev/shm", {",nodev,"}},
                                                               {"/home/agent", {",nodev,"}},
                                                               {"/dev/pts", {",noexec,"}}};
  size_t roots = 0;
  for (const json& mount : seen["mounts"]) {
    const std::string root = mount[0], at = mount[1], how = mount[2];
    roots += at == "/";
    EXPECT_THAT(how, HasSubstr("nosuid")) << at;
    if (wanted.contains(at)) {
      for (const char* flag : wanted.at(at)) EXPECT_THAT("," + how + ",", HasSubstr(flag)) << at;
    }
  }
  EXPECT_THAT(seen["propagation"], Each(json::array()));
  EXPECT_EQ(roots, 1U) << "the host's root is still mounted";
}

TEST_P(BoxState, procfs_tells_nothing_of_the_machine_that_is_no_agents_business) {
  EXPECT_EQ(look()["machine"], json::array());
}

TEST_P(BoxState, limits_cannot_be_raised_again) {
  const json seen = look();
  EXPECT_EQ(seen["core"], json({1, 1}));
  EXPECT_EQ(seen["files"], json({200, 200}));
  EXPECT_EQ(seen["inotify"], json({32, 8192}));
}

TEST_P(BoxState, the_callers_groups_do_not_come_along) {
  if (GetParam() == Mode::rootless) return;  // setgroups is denied there (SECURITY.md)
  std::vector<std::string> argv{"setpriv", "--groups", "4,24"};
  const auto run = world().run_arguments(policy(), {});
  argv.insert(argv.end(), run.begin(), run.end());
  argv.insert(argv.end(), {"--", "/bin/grep", "Groups", "/proc/self/status"});
  const Outcome done = world().call(argv);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, Not(testing::ContainsRegex("[0-9]")));
}

// ---- the socket for primitives ----

constexpr const char* kReach = R"(python3 - <<'EOP'
import errno, os, socket, stat
def told(what, attempt):
    try:
        attempt()
        print(what, "ok")
    except OSError as e:
        print(what, errno.errorcode[e.errno])
def connect(kind):
    with socket.socket(socket.AF_UNIX, kind) as s: s.connect(os.environ["ALOS_SOCKET"])
told("connect", lambda: connect(socket.SOCK_SEQPACKET))
told("stream", lambda: connect(socket.SOCK_STREAM))
print("kind", os.environ["ALOS_SOCKET"], stat.S_ISSOCK(os.lstat("/dev/alos").st_mode), oct(os.lstat("/dev/alos").st_mode & 0o777))
told("unlink", lambda: os.unlink("/dev/alos"))
told("rename", lambda: os.rename("/dev/alos", "/dev/other"))
told("beside", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).bind("/dev/beside"))
print("descriptors", sorted(fd for fd in os.listdir("/proc/self/fd") if int(fd) < 20 and os.path.exists("/proc/self/fd/" + fd)))
EOP)";

TEST_P(BoxState, the_socket_for_primitives_is_reached_and_cannot_be_replaced) {
  const Outcome run = world().shell(policy(), kReach);
  EXPECT_EQ(run.out,
            "connect ok\nstream EPROTOTYPE\nkind /dev/alos True 0o600\nunlink EROFS\nrename EROFS\nbeside EROFS\n"
            "descriptors ['0', '1', '2']\n")
      << run.err;
}

// Init goes through a tree that the agent made: a bound keeps its stack.
TEST_P(BoxState, a_directory_of_the_host_too_deep_to_be_carried_is_not_renamed_and_stays_whole) {
  std::string deep = "top";
  for (int i = 0; i < 200; ++i) deep += "/d";
  world().write(deep + "/file", "host\n");
  const Outcome run = world().shell(policy("900"),
                                    "python3 -c 'import os\ntry: os.rename(\"top\", \"moved\")\nexcept OSError as e: "
                                    "print(e.strerror)'; ls; cat " +
                                        deep + "/file");
  EXPECT_EQ(run.out, "Too many levels of symbolic links\ntop\nhost\n") << run.err;
}

INSTANTIATE_TEST_SUITE_P(Around, BoxState, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
