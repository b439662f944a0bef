// The wall behind the policy, in real boxes: a broker that decides allow whatever it is asked. Every primitive that
// takes a path fails on what is not the agent's all the same, and it is the kernel that refuses: what is not mounted
// for it, what is mounted read-only, what a mask covers, Landlock, and modes and owners.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "tests/integration/harness.h"
#include "tests/integration/stand_in/programs.h"

namespace alos::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class BehindThePolicy : public InBothModes {
 protected:
  void SetUp() override {
    ::setenv("ALOS_PROGRAMS", programs_with_broker(ALOS_PROGRAMS_DIRECTORY, ALOS_ALLOW_ALL).c_str(), 1);
    InBothModes::SetUp();
    if (!world_) return;
    outside_ = world().root() + "/outside";
    world().write("own", "the agent's own\n");
    world().write(".env", kSecret);
    world().write("sub/.env", kSecret);
    world().write(outside_ + "/token", kSecret, 0644);
    world().write(outside_ + "/books/page", "a runbook\n", 0644);
    world().write(outside_ + "/books/.env", kSecret, 0644);
    world().write(outside_ + "/tree/file", "to be read\n", 0644);
    policy_ = world().policy("wall",
                             "alos: 1\nabout: a wall\nextends: base\nvars: {workspace: dir}\nworkspace: layer\nfiles:\n"
                             "  tree: {allow: rwx, path: $workspace/**}\n"
                             "  secrets: {deny: rwx, path: [$workspace/**/.env, " +
                                 outside_ +
                                 "/**/.env], reason: secret}\n"
                                 "  seen: {allow: r, path: " +
                                 outside_ + "/tree/**}\n  books: {allow: r, path: " + outside_ +
                                 "/books/**, audit: each}\nlimits: {wall: 120s}\n");
  }
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
      EXPECT_EQ(world_->read(outside_ + "/tree/file"), "to be read\n");
      EXPECT_EQ(world_->read(outside_ + "/token"), kSecret);
      EXPECT_EQ(world_->read(outside_ + "/books/page"), "a runbook\n");
      EXPECT_TRUE(fs::exists(outside_ + "/books/.env"));
    }
  }

  // Each word list by alos-call, and its reply.
  std::vector<std::pair<std::string, json>> ask(const std::vector<std::string>& calls) {
    std::string script = "cd " + world().workspace() + "\n";
    for (const std::string& call : calls) script += "alos-call " + call + " 2>/dev/null\n";
    const Outcome run = world().shell(policy_, script, {}, {"--fresh"});
    std::vector<std::pair<std::string, json>> out;
    std::istringstream in(run.out);
    for (std::string line; std::getline(in, line) && out.size() < calls.size();)
      out.emplace_back(calls[out.size()], json::parse(line, nullptr, false));
    EXPECT_EQ(out.size(), calls.size()) << run.out << run.err;
    EXPECT_THAT(run.out, Not(HasSubstr(kSecret)));
    return out;
  }

  // Every primitive with a path, at what cannot be read, in the directory of it.
  static std::vector<std::string> everything_at(const std::string& path) {
    const std::string directory = path.substr(0, path.rfind('/'));
    std::vector<std::string> out{"fs.read " + path,
                                 "fs.open " + path,
                                 "fs.open " + path + " --access write",
                                 "fs.write " + path + " --content x",
                                 "fs.write " + path + " --content x --in-place",
                                 "fs.append " + path + " --content x",
                                 "fs.remove " + path,
                                 "fs.rename " + path + " $PWD/taken",
                                 "fs.rename $PWD/own " + path + " --replace",
                                 "fs.copy " + path + " $PWD/copy",
                                 "fs.copy $PWD/own " + path,
                                 "fs.write " + directory + "/new --content x",
                                 "fs.mkdir " + directory + "/made",
                                 "shell.run -- " + path};
    return out;
  }

  static constexpr const char* kSecret = "alos-wall-token\n";
  std::string outside_, policy_;
};

TEST_P(BehindThePolicy, what_is_the_agents_is_reached) {
  for (const auto& [call, reply] :
       ask({"fs.read $PWD/own", "fs.write $PWD/new --content x", "fs.read " + outside_ + "/tree/file",
            "fs.read " + outside_ + "/books/page", "fs.mkdir $PWD/made", "fs.rename $PWD/new $PWD/made/new",
            "fs.remove $PWD/made/new", "fs.read /etc/passwd", "shell.run -- /usr/bin/true",
            "fs.list " + outside_ + "/tree"}))
    EXPECT_TRUE(reply.contains("ok")) << call << reply;
}

TEST_P(BehindThePolicy, what_is_not_mounted_for_it_is_not_there) {
  std::vector<std::string> calls;
  for (const std::string& path :
       {outside_ + "/token", world().root() + "/alos/state/audit/key", std::string("/root/x")})
    for (const std::string& call : everything_at(path)) calls.push_back(call);
  for (const std::string path : {"/proc/1/environ", "/proc/self/mem", "/dev/null", "/dev/tty", "/sys/kernel"})
    calls.push_back("fs.read " + path);
  calls.push_back("fs.list " + outside_);
  calls.push_back("fs.stat " + outside_ + "/token");
  calls.emplace_back("fs.list /proc");
  calls.emplace_back("fs.list /root");
  for (const auto& [call, reply] : ask(calls)) {
    ASSERT_TRUE(reply.contains("failed")) << call << reply;
    EXPECT_THAT(reply["failed"].value("name", ""), testing::AnyOf("ENOENT", "EACCES", "EROFS", "EXDEV", "ENOTDIR"))
        << call << reply;
  }
}

TEST_P(BehindThePolicy, what_a_mask_covers_is_not_reached) {
  std::vector<std::string> calls;
  for (const std::string& path : {world().workspace() + "/.env", world().workspace() + "/sub/.env"})
    for (const std::string& call : everything_at(path))
      if (call.find("/new ") == call.npos && call.find("/made") == call.npos) calls.push_back(call);
  for (const std::string& call : everything_at(outside_ + "/books/.env")) calls.push_back(call);
  // The kernel refuses; and of a mask that was met it is told that it is one.
  for (const auto& [call, reply] : ask(calls))
    EXPECT_TRUE(reply.contains("failed") ||
                reply.value("denied", nlohmann::json::object()).value("reason", "") ==
                    "the box shows nothing of this file: a deny takes it, by this or another of its names")
        << call << reply;
}

TEST_P(BehindThePolicy, what_is_to_be_read_alone_is_not_changed) {
  std::vector<std::string> calls;
  for (const std::string& path : {outside_ + "/tree/file", outside_ + "/books/page", std::string("/usr/bin/true"),
                                  std::string("/etc/passwd"), std::string("/alos/bin/alos-call")})
    for (const std::string& call : everything_at(path))
      if (!call.starts_with("fs.read") && call.find("fs.open " + path) != 0 && !call.starts_with("fs.copy " + path) &&
          !call.starts_with("shell.run"))
        calls.push_back(call);
  for (const std::string& path : {outside_ + "/tree/file", std::string("/usr/bin/true"), std::string("/etc/passwd")})
    calls.push_back("fs.open " + path + " --access write");
  for (const auto& [call, reply] : ask(calls)) EXPECT_TRUE(reply.contains("failed")) << call << reply;
}

INSTANTIATE_TEST_SUITE_P(Modes, BehindThePolicy, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
