// What a hostile reading found around the watched `disk` limit: trees made to be slow to measure.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::HasSubstr;
using testing::Lt;

constexpr const char* kPolicy =
    "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\n"
    "workspace: layer\nfiles:\n  tree: {allow: rwx, path: $workspace/**}\n";

// So many directories in one another, with long names, and then files of 16 MiB as fast as they can be had, each shown
// by a line. Both numbers are given.
constexpr const char* kChainThenFiles = R"(python3 -c '
import os, sys
levels, files = int(sys.argv[1]), int(sys.argv[2])
top = os.getcwd()
name = "n" * 250
at = os.open(".", os.O_RDONLY)
for i in range(levels):
    os.mkdir(name, dir_fd=at)
    below = os.open(name, os.O_RDONLY, dir_fd=at)
    os.close(at)
    at = below
for i in range(files):
    with open(f"{top}/f{i}", "wb") as f:
        os.posix_fallocate(f.fileno(), 0, 16 << 20)
    print(i, flush=True)
import time
time.sleep(20)
' )";

class MeterReview : public InBothModes {
 protected:
  Outcome chain(const std::string& limit, int levels, int files) {
    return world().shell(world().policy("disk", std::string(kPolicy) + "limits: {wall: 50s, disk: " + limit + "}\n"),
                         kChainThenFiles + std::to_string(levels) + " " + std::to_string(files));
  }
};

TEST_P(MeterReview, a_chain_deeper_than_can_be_measured_is_over_and_says_so) {
  const Outcome run = chain("400MiB", 1500, 0);
  EXPECT_EQ(run.code, 124) << run.out << run.err;
  EXPECT_EQ(run.end()["what"], "disk");
  EXPECT_THAT(run.err, HasSubstr("limit 'disk' (400MiB): more than 1000 directories in one another"));
}

TEST_P(MeterReview, a_deep_chain_hides_nothing_that_is_written_beside_it) {
  const Outcome run = chain("64MiB", 900, 512);
  EXPECT_EQ(run.code, 124) << run.out << run.err;
  EXPECT_EQ(run.end()["what"], "disk");
}

// The launcher looks for what denies match before each command's box, on the thread that looks at what is written. Once
// it had found these, it took minutes to compare them with all that lies above them, and looked at nothing else.
TEST_P(MeterReview, denied_names_far_down_hide_nothing_that_is_written_beside_it) {
  const Outcome run = world().shell(
      world().policy("disk", std::string(kPolicy) +
                                 "  names: {deny: rwx, path: $workspace/**/.env*}\nlimits: {wall: 50s, disk: 64MiB}\n"),
      R"(python3 -c '
import os, subprocess, time
top = os.getcwd()
name = "n" * 250
for i in range(900):
    os.mkdir(name)
    os.chdir(name)
for i in range(4000):
    os.close(os.open(f".env{i}", os.O_CREAT))
os.chdir(top)
command = subprocess.Popen(["alos-call", "shell.run", "--", "/bin/true"])
try:
    command.wait(timeout=15)
except subprocess.TimeoutExpired:
    pass
for i in range(512):
    with open(f"f{i}", "wb") as f:
        os.posix_fallocate(f.fileno(), 0, 16 << 20)
    print(i, flush=True)
    time.sleep(0.02)
' )");
  EXPECT_EQ(run.code, 124) << run.out << run.err;
  EXPECT_EQ(run.end()["what"], "disk");
  EXPECT_LT(std::ranges::count(run.out, '\n'), 200) << run.err;
  EXPECT_THAT(run.err, HasSubstr("deeper than 64 KiB of path"));
}

// 10,000 directories take the calm pace of measuring some seconds.
TEST_P(MeterReview, many_directories_do_not_keep_what_is_written_from_being_seen) {
  const Outcome run = world().shell(
      world().policy("disk", std::string(kPolicy) + "limits: {wall: 50s, disk: 400MiB}\n"), R"(python3 -c '
import os, time
for i in range(100):
    os.mkdir(f"d{i}")
    for k in range(100): os.mkdir(f"d{i}/{k}")
time.sleep(0.5)
for i in range(256):
    with open(f"f{i}", "wb") as f: os.posix_fallocate(f.fileno(), 0, 16 << 20)
    print(i, flush=True)
    time.sleep(0.02)
time.sleep(20)
')");
  EXPECT_EQ(run.code, 124) << run.err;
  EXPECT_EQ(run.end()["what"], "disk");
  EXPECT_THAT(std::count(run.out.begin(), run.out.end(), '\n') * 16, Lt(2 * 400 + 50 * 16));
}

TEST_P(MeterReview, a_tree_as_deep_as_real_ones_ends_nothing) {
  const Outcome run = world().shell(world().policy("disk", std::string(kPolicy) + "limits: {wall: 50s, disk: 64MiB}\n"),
                                    "d=.; for i in $(seq 200); do d=$d/n; done; mkdir -p $d && head -c 1M /dev/zero > "
                                    "$d/f && sleep 1.5 && echo through");
  EXPECT_EQ(run.out, "through\n") << run.err;
}

INSTANTIATE_TEST_SUITE_P(Around, MeterReview, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
