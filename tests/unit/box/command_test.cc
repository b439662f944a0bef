// What the launcher holds against a command of more rights before it opens anything.
#include "supervisor/box/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alos::box {
namespace {

using policy::BoxCommand;
using policy::BoxMask;
using policy::BoxMount;
using policy::BoxPlan;
using policy::kAll;
using policy::kRead;
using policy::kWrite;
using testing::ElementsAre;
using testing::HasSubstr;

BoxMount mount(const std::string& path, policy::Rights rights, bool tree = true) {
  return {path, false, tree, rights, false, "m", {"p.yaml", 1, 1}};
}

BoxMask mask(const std::string& pattern, const std::string& rule, std::vector<std::string> except = {}) {
  return {pattern, std::move(except), kAll, false, rule, "", {"p.yaml", 2, 1}};
}

BoxPlan plan() {
  BoxPlan out;
  out.mounts = {mount("/w", kAll), mount("/opt/pub", kRead), mount("/opt/one", kRead, false)};
  out.masks = {mask("/w/**/.env", "secrets"), mask("/opt/pub/d/**", "private", {"/opt/pub/d/e/**"})};
  return out;
}

BoxCommand command(const std::string& usage) {
  return {"show", usage, "/usr/bin/cat", {mount("/opt/data", kRead)}, {}, {}};
}

std::string refused(const std::string& usage, const std::string& word) {
  const auto how = check_command(plan(), command(usage), {"cat", word});
  return how ? "" : how.error().text();
}

TEST(Command, is_handed_files_that_the_plan_gives_the_agent) {
  const std::string read = "/usr/bin/cat <file:path:r>", write = "/usr/bin/cat --to=<file:path:w>";
  for (const char* path :
       {"/w", "/w/a", "/opt/pub/a", "/opt/one", "/opt/pub/d/e/f", "/home/agent/x", "/etc/passwd", "/alos/alos-call"})
    EXPECT_EQ(refused(read, path), "") << path;
  for (const char* path : {"/opt/data/key", "/opt/one/x", "/opt/pubs", "/etc/shadow", "/srv/a"})
    EXPECT_THAT(refused(read, path), HasSubstr("not the agent's own to hand over")) << path;
  EXPECT_THAT(refused(read, "/w/a/.env"), HasSubstr("rule 'secrets' takes it"));
  EXPECT_THAT(refused(read, "/w/.env/x"), HasSubstr("rule 'secrets' takes it"));
  EXPECT_THAT(refused(read, "/opt/pub/d/x"), HasSubstr("rule 'private' takes it"));
  EXPECT_THAT(refused(read, "/opt"), HasSubstr("above what the rule gives"));
  EXPECT_THAT(refused(read, "/"), HasSubstr("above what the rule gives"));
  EXPECT_EQ(refused(write, "--to=/w/a"), "");
  EXPECT_THAT(refused(read, "/tmp/x"), HasSubstr("its own /tmp"));
  EXPECT_THAT(refused(write, "--to=/tmp/a"), HasSubstr("its own /tmp"));
  for (const char* word : {"--to=/opt/pub/a", "--to=/etc/passwd", "--to=/alos/alos-call", "--to=/opt/data/key"})
    EXPECT_THAT(refused(write, word), HasSubstr("not the agent's own to hand over")) << word;
}

// The run would have the host's there.
TEST(Command, is_not_handed_what_its_own_places_hide) {
  const auto hides = [](const std::string& given, const std::string& path, const char* type = "r") {
    BoxPlan agents = plan();
    agents.mounts.push_back(mount("/tmp/shown", kRead));
    agents.mounts.push_back(mount("/etc", kRead));
    agents.workspace = "/w";
    agents.workspace_mode = policy::WorkspaceMode::layer;
    BoxCommand own = command("/usr/bin/cat <file:path:" + std::string(type) + ">");
    own.mounts = {mount(given, *type == 'w' ? kRead | kWrite : kRead)};
    const auto how = check_command(agents, own, {"cat", path});
    return how ? "" : how.error().text();
  };
  const std::string why = "the run has the host's there";
  EXPECT_THAT(hides("/tmp/d", "/tmp/d/key"), HasSubstr("its own /tmp"));
  EXPECT_THAT(hides("/tmp/d", "/tmp/d"), HasSubstr("its own /tmp"));
  EXPECT_THAT(hides("/tmp/d", "/tmp/d/key", "w"), HasSubstr("its own /tmp"));
  EXPECT_THAT(hides("/home", "/home/agent/key"), HasSubstr(why));
  EXPECT_THAT(hides("/home/agent/d", "/home/agent/d/key"), HasSubstr(why));
  EXPECT_THAT(hides("/etc", "/etc/passwd"), HasSubstr(why)) << "though the agent has what is around it";
  EXPECT_THAT(hides("/", "/w/a"), HasSubstr(why)) << "the layer's is another";
  EXPECT_THAT(hides("/tmp/d", "/tmp/e"), HasSubstr("its own /tmp"));
  EXPECT_EQ(hides("/tmp/shown/d", "/tmp/shown/d/key"), "") << "the agent has the host's too";
  EXPECT_EQ(hides("/etc", "/etc/timezone"), "");
  EXPECT_EQ(hides("/w/d", "/w/d/a"), "") << "it is the layer's in both";
}

TEST(Command, is_handed_files_by_a_path_that_is_one) {
  for (const char* path : {"a", "w/a", "./a", "/w/../w/a", "/w//a", "/w/a/", "/w/./a"})
    EXPECT_THAT(refused("/usr/bin/cat <file:path:r>", path), HasSubstr("absolute, canonical path")) << path;
  for (const char* path : {"/proc/self/root/opt/data/key", "/dev/stdin", "/dev/null", "/sys/x"})
    EXPECT_THAT(refused("/usr/bin/cat <file:path:r>", path), HasSubstr("leads to its own files")) << path;
  EXPECT_EQ(refused("/usr/bin/cat <name:word>", "a"), "") << "no path";
  EXPECT_THAT(refused("/usr/bin/cat <name:word>", "a/b"), HasSubstr("EACCES"));
}

TEST(Command, has_what_exceptions_leave_out_and_nothing_that_is_denied) {
  BoxPlan agents;
  agents.masks = {mask("/opt/data/**", "all"), mask("/opt/**/keys/**", "keys"), mask("/opt/data/x", "no"),
                  mask("/srv/**", "other")};
  BoxCommand own = command("/usr/bin/cat");
  own.masks = {mask("/opt/data/x", "no"), mask("/opt/**/*.secret", "secrets")};
  const BoxPlan out = plan_of_command(agents, own);
  std::vector<std::string> said;
  for (const BoxMask& each : out.masks) {
    said.push_back(each.pattern);
    for (const std::string& except : each.except) said.back() += " but " + except;
  }
  EXPECT_THAT(said, ElementsAre("/opt/**/keys/** but /opt/data/**", "/opt/data/x", "/srv/**", "/opt/data/x",
                                "/opt/**/*.secret"));
}

}  // namespace
}  // namespace alos::box
