// A project's own policy file in runs of the shipped profile `coding`, which names $workspace/.alos.yaml.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::HasSubstr;

class ProjectFile : public InBothModes {};

constexpr const char* kDeny = "alos: 1\nfiles:\n  notes: {deny: rwx, path: $workspace/notes/**, reason: people only}\n";

TEST_P(ProjectFile, takes_away_from_the_next_run_on) {
  world().write("notes/a", "private");
  EXPECT_EQ(world().shell("coding", "cat notes/a").out, "private");
  world().write(".alos.yaml", kDeny);
  const Outcome run = world().shell("coding", "cat notes/a || ls -la notes/a; rm .alos.yaml; cat notes/a");
  EXPECT_THAT(run.out, Not(HasSubstr("private")));
  EXPECT_THAT(run.err, HasSubstr("Permission denied"));
  EXPECT_THAT(world().shell("coding", "cat notes/a", {}, {"--fresh"}).out, Not(HasSubstr("private")))
      << "the host's file counts";
}

TEST_P(ProjectFile, that_is_a_link_or_a_fifo_refuses_the_run_at_once) {
  world().write("secret", "alos: 1\nfiles: {top-secret: {deny: r, path: /x}}\n");
  const std::string file = world().workspace() + "/.alos.yaml";
  for (const bool cached : {false, true}) {
    if (cached) {
      world().write(".alos.yaml", kDeny);
      ASSERT_EQ(world().shell("coding", "true").code, 0);
      ASSERT_EQ(::unlink(file.c_str()), 0);
    }
    ASSERT_EQ(::symlink("secret", file.c_str()), 0);
    Outcome run = world().shell("coding", "true");
    EXPECT_EQ(run.code, 125);
    EXPECT_THAT(run.err, HasSubstr("the project's own file"));
    EXPECT_THAT(run.err, Not(HasSubstr("top-secret")));
    ASSERT_EQ(::unlink(file.c_str()), 0);
    ASSERT_EQ(::mkfifo(file.c_str(), 0666), 0);
    run = world().shell("coding", "true", {.timeout = std::chrono::seconds(20)});
    EXPECT_EQ(run.code, 125);
    EXPECT_THAT(run.err, HasSubstr("no regular file"));
    ASSERT_EQ(::unlink(file.c_str()), 0);
  }
}

TEST_P(ProjectFile, that_allows_refuses_the_run_and_names_the_line) {
  world().write(".alos.yaml", "alos: 1\nfiles:\n  all: {allow: r, path: /**}\n");
  const Outcome run = world().shell("coding", "true");
  EXPECT_EQ(run.code, 125);
  EXPECT_THAT(run.err, HasSubstr(".alos.yaml:3:3: rule 'all' allows, in a project's own file"));
}

TEST_P(ProjectFile, stays_on_the_host_as_it_is_unless_named_at_apply) {
  world().write(".alos.yaml", kDeny);
  world().shell("coding", "echo 'alos: 1' > .alos.yaml");
  world().call({"alos", "apply"});
  EXPECT_EQ(world().read(".alos.yaml"), kDeny);
}

INSTANTIATE_TEST_SUITE_P(Modes, ProjectFile, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
