// Primitives as programs in a box have them: by alos-call, by the Python package and by the client library, through the
// real broker, to the reply, the audit log and the events.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string file_of(const std::string& name) {
  return std::string(ALOS_BROKER_DIRECTORY) + "/" + name;
}

std::vector<json> parsed(const std::string& text) {
  std::vector<json> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with('{')) out.push_back(json::parse(line, nullptr, false));
  return out;
}

// "ok", "denied RULE LAYER", "failed ENOENT", "limit WHICH".
std::string in_short(const json& reply) {
  if (reply.contains("ok")) return "ok";
  if (reply.contains("denied"))
    return "denied " + reply["denied"].value("rule", "?") + " " + reply["denied"].value("layer", "?");
  if (reply.contains("failed")) return "failed " + reply["failed"].value("name", "?");
  if (reply.contains("limit")) return "limit " + reply["limit"].value("which", "?");
  return reply.dump();
}

class Broker : public InBothModes {
 protected:
  void SetUp() override {
    InBothModes::SetUp();
    if (!world_) return;
    outside_ = world().root() + "/outside";
    world().write("file", "in the workspace\n");
    world().write(".env", "secret\n");
    world().write(outside_ + "/books/db.md", "a runbook\n");
    world().write(outside_ + "/conf", "more files\n");
  }
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }

  std::string policy(const std::string& more = "") {
    return world().policy("broker",
                          "alos: 1\nabout: what a broker serves\nextends: base\nvars: {workspace: dir}\n"
                          "workspace: layer\nfiles:\n  tree: {allow: rwx, path: $workspace/**}\n"
                          "  secrets: {deny: rwx, path: \"$workspace/**/.env\", reason: secrets stay out}\n"
                          "  books: {allow: r, path: " +
                              outside_ +
                              "/books/**, audit: each}\n"
                              "clock: {sleep: {each: 2s, total: 3s}}\nlimits: {wall: 60s}\n" +
                              more);
  }
  std::vector<json> records(const std::string& run) {
    std::vector<json> out;
    for (json& record : parsed(world().call({"alos", "audit", "show", "--json"}).out))
      if (record.value("run", "") == run) out.push_back(std::move(record));
    return out;
  }
  static std::string id_of(const Outcome& run) { return run.events.empty() ? "" : run.events[0].value("run", ""); }

  // The reply of one alos-call, and its exit code as "code".
  json call(const std::string& words, const std::string& more = "", const std::string& before = "") {
    const Outcome run = world().shell(
        policy(more), before + "\nalos-call " + words + " 2>/dev/null; echo \"{\\\"code\\\":$?}\"", {}, {"--fresh"});
    const std::vector<json> lines = parsed(run.out);
    if (lines.size() != 2) return {{"out", run.out}, {"err", run.err}};
    json out = lines[0];
    out["code"] = lines[1]["code"];
    return out;
  }

  std::string outside_;
};

const std::vector<std::string>& expected() {
  static const std::string secret = "denied secrets policy", other = "denied default policy";
  static const std::vector<std::string> list{
      "ok",
      secret,
      "failed ENOENT",  // fs.read
      "ok",
      secret,
      "failed ENOENT",  // fs.write
      "ok",
      secret,
      "failed ENOENT",  // fs.append
      "ok",
      other,
      "failed ENOTDIR",  // fs.list
      "ok",
      secret,
      "failed ENOENT",  // fs.stat
      "ok",
      other,
      "failed ENOTDIR",  // fs.mkdir
      "ok",
      secret,
      "failed ENOENT",  // fs.remove
      "ok",
      secret,
      "failed ENOENT",  // fs.rename
      "ok",
      secret,
      "failed ENOENT",  // fs.copy
      "ok",
      secret,
      "failed ENOENT",  // fs.open
      "ok",
      "denied no-id policy",
      "failed ENOENT",  // shell.run
      "ok",
      "failed EINVAL",  // clock.now
      "ok",
      "denied clock.sleep policy",
      "ok",
      "limit clock.sleep total",
      "ok",
      "failed EINVAL",  // policy.why
  };
  return list;
}

TEST_P(Broker, answers_each_client_the_same_and_records_it) {
  const std::string w = world().workspace();
  for (const char* name : {"calls.sh", "calls.py"}) {
    std::error_code error;
    fs::copy_file(file_of(name), w + "/" + name, error);
    ASSERT_FALSE(error) << error.message();
  }
  fs::copy_file(std::string(ALOS_PAYLOADS) + "/client", w + "/client");
  const std::vector<std::vector<std::string>> clients{
      {"/bin/sh", w + "/calls.sh", w}, {"/usr/bin/python3", w + "/calls.py", w}, {w + "/client", w}};
  for (const auto& client : clients) {
    SCOPED_TRACE(client[1]);
    const Outcome run = world().run(policy("commands: {no-id: {deny: /usr/bin/id}}\n"), client, {}, {"--fresh"});
    ASSERT_EQ(run.code, 0) << run.err;
    std::vector<std::string> answers;
    for (const json& reply : parsed(run.out)) answers.push_back(in_short(reply));
    EXPECT_EQ(answers, expected()) << run.err;

    // Every denial is told and recorded; of what changes something, what it was to be and what came of it.
    const auto kept = records(id_of(run));
    std::map<std::string, int> denied, intents, ends;
    std::map<std::string, std::string> actions;  // by id
    for (const json& record : kept) {
      const std::string action = record.value("action", ""), outcome = record.value("outcome", "");
      actions[record.value("id", "")] = action;
      if (record.value("decision", "") == "deny") {
        ++denied[action];
      } else if (outcome.empty()) {
        ++intents[action];
      } else if (!action.starts_with("run.")) {
        ++ends[action];
        EXPECT_EQ(actions[record.value("parent", "")], action) << record;
      }
    }
    for (const char* action : {"fs.read", "fs.write", "fs.append", "fs.list", "fs.stat", "fs.mkdir", "fs.remove",
                               "fs.rename", "fs.copy", "fs.open", "shell.run", "clock.sleep"})
      EXPECT_EQ(denied[action], 1) << action;
    for (const char* action : {"fs.write", "fs.append", "fs.mkdir", "fs.remove", "fs.rename", "fs.copy"})
      EXPECT_EQ(intents[action], 2) << action;
    EXPECT_EQ(intents["shell.run"], 1) << "one that is denied or nowhere is never started";
    EXPECT_EQ(intents["fs.read"] + intents["fs.list"] + intents["fs.stat"], 0);
    std::erase_if(intents, [](const auto& one) { return one.second == 0 || one.first.starts_with("run."); });
    EXPECT_EQ(intents.size(), ends.size());
    for (const auto& [action, count] : ends) EXPECT_EQ(intents[action], count) << action;

    std::map<std::string, int> told;
    for (const json& event : run.events)
      if (event.value("event", "") == "denied") {
        ++told[event.value("primitive", "")];
        EXPECT_EQ(event.value("layer", ""), "policy");
      }
    EXPECT_EQ(told, denied);
    EXPECT_EQ(run.end()["calls"].value("fs.write", 0), 2);
    EXPECT_EQ(run.end()["calls"].value("fs.write denied", 0), 1);
  }
  EXPECT_EQ(world().call({"alos", "audit", "verify"}).code, 0);
}

TEST_P(Broker, what_is_brokered_is_searched_for_denials_however_many_names_it_has) {
  for (int i = 0; i < 1000; ++i) world().write(fmt::format("{}/books/shelf/{}", outside_, i), "x", 0644);
  world().write(outside_ + "/books/shelf/a.key", "a key\n", 0644);
  const std::string policy =
      world().policy("many",
                     "alos: 1\nabout: many names\nextends: base\nvars: {workspace: dir}\nworkspace: layer\nfiles:\n"
                     "  tree: {allow: rwx, path: $workspace/**}\n  books: {allow: r, path: " +
                         outside_ + "/books/**, audit: each}\n  keys: {deny: r, path: " + outside_ +
                         "/books/**/*.key}\nlimits: {wall: 60s, disk: 1GiB}\n");
  const std::string shelf = outside_ + "/books/shelf/";
  const Outcome run =
      world().shell(policy, "for name in 7 a.key; do alos-call fs.read " + shelf + "$name; done", {}, {"--fresh"});
  const std::vector<json> answers = parsed(run.out);
  ASSERT_EQ(answers.size(), 2U) << run.out << run.err;
  EXPECT_EQ(in_short(answers[0]), "ok") << answers[0];
  EXPECT_EQ(in_short(answers[1]), "denied keys policy") << answers[1];
}

TEST_P(Broker, content_of_any_size_comes_whole) {
  const Outcome run = world().shell(policy(), R"(
for size in 65000 65536 70000 3000000; do
  head -c $size /dev/urandom > large
  alos-call fs.read --raw $PWD/large | cmp - large && echo raw
  alos-call fs.read $PWD/large | python3 -c 'import base64, json, sys
print(base64.b64decode(json.load(sys.stdin)["ok"]["content"]["base64"]) == open("large", "rb").read())'
  python3 -c 'import alos, os
print(alos.fs.read(os.getcwd() + "/large").content == open("large", "rb").read())'
done)");
  std::string expected;
  for (int i = 0; i < 4; ++i) expected += "raw\nTrue\nTrue\n";
  EXPECT_EQ(run.out, expected) << run.err;
}

TEST_P(Broker, reads_what_is_absent_from_the_box_and_records_each_use) {
  const std::string book = outside_ + "/books/db.md";
  const Outcome run = world().shell(
      policy(), "cat " + book + " 2>&1; ls " + outside_ + " 2>&1; for i in 1 2 3; do alos-call fs.read " + book +
                    " 2>/dev/null; done; alos-call fs.read " + outside_ + "/conf 2>/dev/null; alos-call fs.write " +
                    book + " --content x 2>/dev/null; ln -s " + book + " link; alos-call fs.read $PWD/link");
  EXPECT_THAT(run.out, HasSubstr("No such file"));
  std::vector<std::string> answers;
  for (const json& reply : parsed(run.out)) answers.push_back(in_short(reply));
  EXPECT_EQ(answers,
            (std::vector<std::string>{"ok", "ok", "ok", "denied default policy", "denied default policy", "ok"}))
      << run.out << run.err;
  int uses = 0;
  for (const json& record : records(id_of(run)))
    if (record.value("action", "") == "fs.read" && record.value("decision", "") != "deny") {
      ++uses;
      EXPECT_EQ(record.value("rule", ""), "books") << record;
      if (record.value("target", "").ends_with("/link")) {
        EXPECT_EQ(record["detail"].value("reached", ""), book) << record;
      }
    }
  EXPECT_EQ(uses, 4);
}

TEST_P(Broker, says_that_there_is_none_where_it_was_given_up) {
  const std::string wrapper = world().root() + "/without_syscall";
  world().write(wrapper, world().read(std::string(ALOS_PAYLOADS) + "/without_syscall"), 0755);
  const std::string plain = world().policy("plain", "alos: 1\nabout: x\nextends: base\n");
  std::vector<std::string> argv{wrapper, "io_uring_setup=ENOSYS", "--"};
  for (const std::string& word : world().run_arguments(plain, {"--degrade", "broker"})) argv.push_back(word);
  argv[3] = World::programs() + "/alos";
  argv.insert(argv.end(),
              {"--", "/bin/sh", "-c", "test -e /dev/alos && echo there; alos-call clock.now; echo code $?"});
  const Outcome run = world().call(argv);
  EXPECT_THAT(run.out, AllOf(Not(HasSubstr("there")), HasSubstr("code 3\n"))) << run.err;
  EXPECT_THAT(run.err, HasSubstr("broker"));
}

// ---- shell.run ----

TEST_P(Broker, a_command_has_its_code_signal_streams_environment_and_directory) {
  const std::string script =
      "alos-call shell.run --raw -- sh -c 'echo out; echo err >&2; exit 7' 2>err; echo $?; cat err\n"
      "alos-call shell.run -- sh -c 'kill -SEGV $$'\n"
      "alos-call shell.run --raw --stdin given -- cat; echo\n"
      "head -c 300000 /dev/zero > big; alos-call shell.run --raw --stdin-from big -- wc -c\n"
      "mkdir sub; alos-call shell.run --raw --cwd $PWD/sub -- pwd\n"
      "alos-call shell.run --raw -- env\n";
  const Outcome run = world().shell(policy(), script);
  EXPECT_THAT(run.out, StartsWith("out\n7\nerr\n")) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("\"signal\":11"), HasSubstr("\ngiven\n"), HasSubstr("\n300000\n"),
                             HasSubstr("\n" + world().workspace() + "/sub\n"), HasSubstr("ALOS=1\n")))
      << run.err;
  std::vector<std::string> where;
  for (const json& record : records(id_of(run)))
    if (record.value("action", "") == "shell.run" && record.value("outcome", "").empty())
      where.push_back(record["detail"].value("cwd", ""));
  std::vector<std::string> how;
  for (const json& record : records(id_of(run)))
    if (record.value("action", "") == "shell.run" && record.value("outcome", "") == "ok")
      how.push_back(record["detail"].value("code", "") + record["detail"].value("signal", ""));
  EXPECT_THAT(how, testing::ElementsAre("7", "13911", "0", "0", "0", "0"));
  EXPECT_EQ(std::ranges::count(where, world().workspace() + "/sub"), 1);
  EXPECT_EQ(std::ranges::count(where, world().workspace()), 5);
}

TEST_P(Broker, a_commands_timeout_ends_all_that_it_started) {
  const std::string number = std::to_string(2'000'000 + ::getpid());
  const json reply = call("shell.run --timeout-ms 500 -- bash -c \"trap '' TERM HUP; (setsid sleep " + number +
                          " &) ; (trap '' TERM; setsid bash -c 'sleep " + number + " & sleep " + number +
                          "' &); sleep " + number + "\"");
  ASSERT_TRUE(reply.contains("ok")) << reply;
  EXPECT_EQ(reply["ok"]["timed_out"], true) << reply;
  EXPECT_LT(reply["ok"]["wall_ms"], 5000);
  EXPECT_EQ(world().call({"/usr/bin/pgrep", "-f", "^sleep " + number}).out, "");
}

TEST_P(Broker, a_command_whose_time_is_over_before_its_box_is_made_is_timed_out) {
  const Outcome run = world().shell(
      policy(),
      "for i in $(seq 60); do alos-call shell.run --timeout-ms 0 -- sleep 5 & [ $((i % 6)) -ne 0 ] || wait; done; wait",
      {}, {});
  const std::vector<json> replies = parsed(run.out);
  EXPECT_EQ(replies.size(), 60U) << run.err;
  for (const json& reply : replies) EXPECT_TRUE(reply.contains("ok") && reply["ok"]["timed_out"] == true) << reply;
}

TEST_P(Broker, a_command_ends_with_who_asked_for_it) {
  const std::string number = std::to_string(3'000'000 + ::getpid());
  const Outcome run = world().shell(policy(),
                                    "alos-call shell.run -- sh -c 'echo up > up; sleep " + number +
                                        "' & c=$!; while ! [ -s up ]; do sleep 0.01; done; "
                                        "kill -KILL $c; wait $c; sleep 1; touch ended; sleep 2",
                                    {}, {});
  EXPECT_EQ(run.code, 0) << run.err;
  // While the run goes on, nothing of the command is left.
  auto argv = world().run_arguments(policy(), {"--fresh"});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c",
                           "alos-call shell.run -- sh -c 'echo up > up; sleep " + number +
                               "' & c=$!; while ! [ -s up ]; do sleep 0.01; done; echo running; sleep 1; kill -KILL "
                               "$c; echo killed; sleep 30"});
  const auto running = world().start(argv);
  ASSERT_TRUE(wait_for(running, "running\n"));
  const auto is_left = [&] { return !world().call({"/usr/bin/pgrep", "-f", "^sleep " + number}).out.empty(); };
  bool ran = is_left();
  for (int i = 0; i < 50 && !ran; ++i) ran = is_left();  // its shell said so before it had started it
  EXPECT_TRUE(ran);
  ASSERT_TRUE(wait_for(running, "killed\n"));
  for (int i = 0; i < 100 && is_left(); ++i) ::usleep(100'000);
  EXPECT_FALSE(is_left()) << "though the run goes on";
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGTERM, nullptr, 0);
  ::waitpid(running.pid, nullptr, 0);
}

TEST_P(Broker, how_a_command_ended_is_recorded_whoever_has_left_by_then) {
  fs::copy_file(file_of("unread.py"), world().workspace() + "/unread.py");
  const Outcome run = world().run(policy(), {"python3", "unread.py"}, {}, {"--fresh"});
  EXPECT_EQ(run.code, 0) << run.err;
  int ended = 0, left = 0;
  for (const json& record : records(id_of(run))) {
    if (record.value("action", "") != "shell.run" || !record.contains("outcome")) continue;
    const json detail = record.value("detail", json::object());
    const bool by_itself = detail.value("code", "") == "3";
    ended += by_itself ? 1 : 0;
    left += by_itself && record["outcome"] == "failed ECANCELED" ? 1 : 0;
    EXPECT_TRUE(by_itself || detail.value("signal", "") == "9") << record;
  }
  EXPECT_GE(ended, std::stoi(run.out)) << "those that had written all, and what got to it before it was ended";
  EXPECT_GT(left, 0) << "none of which was still to be read";
}

TEST_P(Broker, output_beyond_its_limit_is_cut_and_said) {
  const json cut = call("shell.run --output-limit 1000 -- sh -c 'yes | head -c 50000000'");
  ASSERT_TRUE(cut.contains("ok")) << cut;
  EXPECT_EQ(cut["ok"]["output_size"], 50'000'000);
  EXPECT_EQ(cut["ok"]["output_truncated"], true);
  EXPECT_EQ(cut["ok"]["error_truncated"], false);
  EXPECT_EQ(cut["ok"]["output"].get<std::string>().size(), 1000U);
}

TEST_P(Broker, five_megabytes_of_errors_are_read_to_their_end) {
  const json cut = call("shell.run -- sh -c 'head -c 5000000 /dev/zero | tr \"\\0\" e >&2; echo done; exit 3'");
  ASSERT_TRUE(cut.contains("ok")) << cut;
  EXPECT_EQ(cut["ok"]["code"], 3);
  EXPECT_EQ(cut["ok"]["output"], "done\n");
  EXPECT_EQ(cut["ok"]["error_size"], 5'000'000);
  EXPECT_EQ(cut["ok"]["error_truncated"], true);
  EXPECT_EQ(cut["ok"]["output_truncated"], false);
  EXPECT_EQ(cut["ok"]["error"].get<std::string>(), std::string(1 << 20, 'e'));
}

TEST_P(Broker, a_command_that_a_rule_denies_is_not_run) {
  const std::string rule = "commands:\n  no-touch: {deny: \"/usr/bin/touch ...\", reason: leave it}\n";
  const json denied = call("shell.run -- touch made", rule, "ln -s /usr/bin/touch another; cp /usr/bin/true mine");
  ASSERT_TRUE(denied.contains("denied")) << denied;
  EXPECT_EQ(denied["denied"]["rule"], "no-touch");
  EXPECT_EQ(denied["denied"]["layer"], "policy");
  EXPECT_EQ(denied["denied"]["reason"], "leave it");
  EXPECT_NE(denied["denied"].value("remedy", ""), "");
  EXPECT_EQ(denied["code"], 1);
  // By the file that is reached, whatever it is called; another program is another.
  EXPECT_EQ(call("shell.run -- ./another made", rule, "ln -s /usr/bin/touch another")["denied"].value("rule", ""),
            "no-touch");
  EXPECT_TRUE(call("shell.run -- true", rule).contains("ok"));
  const Outcome after = world().shell(policy(rule), "test -e made && echo made", {}, {});
  EXPECT_EQ(after.out, "");
}

// What was decided on is what runs, however the way there is written; and it is called what its caller calls it.
TEST_P(Broker, a_command_is_the_program_that_was_decided_on) {
  const std::string rule = "commands:\n  no-env: {deny: \"/usr/bin/env ...\"}\n";
  const std::string before =
      "mkdir -p bin; cp /usr/bin/true bin/env; ln -sfn /usr/lib L; printf '#!/bin/sh\\necho $0' > bin/name; chmod +x "
      "bin/name; "
      "ln -s /usr/bin/readlink link";
  for (const char* word : {"L/../bin/env", "./L/../bin/env"}) {
    const json mine = call("shell.run -- " + std::string(word) + " echo RAN", rule, before);
    EXPECT_EQ(mine["ok"].value("code", -1), 0) << mine;
    EXPECT_EQ(mine["ok"].value("output", "-"), "") << mine;
  }
  EXPECT_EQ(call("shell.run -- bin/name", rule, before)["ok"].value("output", ""), world().workspace() + "/bin/name\n");
  const std::string named = "shell.run -- ./link /proc/self/exe";
  EXPECT_EQ(call(named, rule, before)["ok"].value("output", ""), "/usr/bin/readlink\n");
  // Programs of several names go by the one that they are called by.
  EXPECT_THAT(call("shell.run -- readlink --help")["ok"].value("output", ""), HasSubstr("Usage: readlink "));
  // Where the words and the kernel's walk of them would differ, it is called by what is run.
  EXPECT_THAT(call("shell.run --cwd $PWD/L -- ../link --help", rule, before)["ok"].value("output", ""),
              HasSubstr("Usage: " + world().workspace() + "/link "));
  EXPECT_THAT(call("shell.run -- ./link --help", rule, before)["ok"].value("output", ""), HasSubstr("Usage: ./link "));
  EXPECT_THAT(world().call({"alos", "audit", "show", "--json"}).out, HasSubstr("\"called\":\"./link\""));
}

// The kernel would refuse it as well, and tell nobody why.
TEST_P(Broker, a_program_that_the_policy_lets_nobody_execute_is_denied) {
  const std::string program = "/usr/bin/base64";
  const std::string rules =
      world().policy("no_base64", "alos: 1\nabout: x\nextends: base\nfiles:\n  no: {deny: x, path: " + program +
                                      ", reason: not here}\n");
  for (const std::string& word : {program, std::string("base64")}) {
    const Outcome run =
        world().shell(rules, "alos-call shell.run -- " + word + " /etc/passwd", {}, {"--fail-on", "deny"});
    EXPECT_THAT(run.out, AllOf(HasSubstr("\"denied\""), HasSubstr("\"no\""))) << run.err;
    EXPECT_THAT(run.err, HasSubstr("--fail-on deny: 1 denied"));
  }
}

// Each look there is decided on and recorded, and this one would not be.
TEST_P(Broker, a_command_s_name_tells_nothing_of_what_primitives_alone_reach) {
  const std::string there = call("shell.run -- " + outside_ + "/books/db.md").dump();
  const std::string absent = call("shell.run -- " + outside_ + "/books/no.md").dump();
  EXPECT_THAT(there, HasSubstr("EACCES"));
  EXPECT_EQ(there.size(), absent.size()) << there << absent;
}

TEST_P(Broker, a_path_that_primitives_alone_reach_must_be_there) {
  const std::string rules =
      world().policy("mistyped", "alos: 1\nabout: x\nextends: base\nfiles:\n  books: {allow: r, path: " + outside_ +
                                     "/bocks/**, audit: each}\n");
  const Outcome run = world().shell(rules, "echo ran", {}, {});
  EXPECT_EQ(run.code, 125);
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, AllOf(HasSubstr("bocks"), HasSubstr("'books'")));
}

TEST_P(Broker, what_a_command_leaves_running_is_gone_when_it_ends) {
  const std::string number = std::to_string(4'000'000 + ::getpid());
  const json reply = call("shell.run -- sh -c 'setsid sleep " + number + " & echo left'");
  ASSERT_TRUE(reply.contains("ok")) << reply;
  EXPECT_EQ(reply["ok"]["output"], "left\n");
  EXPECT_LT(reply["ok"]["wall_ms"], 5000);
  EXPECT_EQ(world().call({"/usr/bin/pgrep", "-f", "^sleep " + number}).out, "");
}

// ---- commands with more files ----

class Elevated : public Broker {
 protected:
  std::string rule() {
    return "commands:\n  show: {allow: \"/usr/bin/sort [-r] [--] <name:" + type_ + ">...\", files: {r: [" + outside_ +
           "/conf]}}\n";
  }
  json sort(const std::string& words, const std::string& before = "") {
    return call("shell.run " + words, rule(), before);
  }
  std::string conf() { return outside_ + "/conf"; }
  std::string type_ = "path:r";
};

TEST_P(Elevated, gets_the_files_and_the_agent_does_not) {
  type_ = "glob";
  const std::string more =
      "commands:\n  show: {allow: \"/usr/bin/sort " + conf() + "\", files: {r: [" + conf() + "]}}\n";
  const json reply = call("shell.run -- sort " + conf(), more);
  ASSERT_TRUE(reply.contains("ok")) << reply;
  EXPECT_EQ(reply["ok"]["output"], "more files\n");
  EXPECT_EQ(reply["ok"]["rule"], "show");
  // The same in the agent's own box, and by other ways to say it.
  const std::string w = world().workspace();
  for (const std::string& words :
       {"cat " + conf(), "sort -- " + conf(), "sort -r " + conf(), "sort " + conf() + " " + conf(),
        "env sort " + conf(), "timeout 5 sort " + conf(), "nice sort " + conf(), "setsid sort " + conf(),
        "sh -c 'sort " + conf() + "'", "xargs sort " + conf(), "sort -o x " + conf(), "sort --files0-from=" + conf(),
        "sort " + conf() + "/", "./sort " + conf(), w + "/sort " + conf(), "sort /" + conf(),
        "sort " + outside_ + "/./conf"}) {
    SCOPED_TRACE(words);
    const json other = call("shell.run -- " + words, more, "cp /usr/bin/cat sort");
    EXPECT_THAT(other.dump(), Not(HasSubstr("more files"))) << other;
    EXPECT_EQ(other.value("ok", json::object()).value("rule", ""), "") << other;
  }
  // Its own file by another spelling of its name is the same program.
  const json spelled = call("shell.run -- /usr/bin/../bin/sort " + conf(), more);
  EXPECT_EQ(spelled["ok"].value("output", ""), "more files\n") << spelled;
  const json linked = call("shell.run -- ./link " + conf(), more, "ln -s /usr/bin/sort link");
  EXPECT_THAT(linked.dump(), testing::AnyOf(HasSubstr("\"rule\":\"show\""), Not(HasSubstr("more files"))));
}

TEST_P(Elevated, has_a_fixed_environment) {
  const std::string more = "commands:\n  show: {allow: \"/usr/bin/printenv\", files: {r: [" + conf() + "]}}\n";
  const json asked = call("shell.run --env LD_PRELOAD=/x -- printenv", more);
  EXPECT_TRUE(asked.contains("denied")) << asked;
  const json reply = call("shell.run -- printenv", more, "export LD_PRELOAD=/nowhere.so BASH_ENV=/x 2>/dev/null");
  ASSERT_TRUE(reply.contains("ok")) << reply;
  EXPECT_THAT(reply["ok"]["output"].get<std::string>(),
              AllOf(Not(HasSubstr("LD_PRELOAD")), Not(HasSubstr("BASH_ENV"))));
}

TEST_P(Elevated, finds_what_the_agent_writes_read_only_and_not_to_be_executed) {
  const std::string more =
      "commands:\n  show: {allow: \"/usr/bin/cat /proc/self/mountinfo\", files: {r: [" + conf() + "]}}\n";
  const json reply = call("shell.run -- cat /proc/self/mountinfo", more);
  ASSERT_TRUE(reply.contains("ok")) << reply;
  EXPECT_EQ(reply["ok"]["rule"], "show") << reply;
  std::istringstream in(reply["ok"]["output"].get<std::string>());
  std::map<std::string, std::string> options;  // by place (proc(5), mountinfo)
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string skipped, place, how;
    fields >> skipped >> skipped >> skipped >> skipped >> place >> how;
    options[place] = how;
  }
  for (const std::string& place : {world().workspace(), std::string("/home/agent"), std::string("/dev/shm")})
    EXPECT_THAT(options[place], AllOf(ContainsRegex("^ro,"), HasSubstr("noexec"), HasSubstr("nosymfollow"))) << place;
  // A shell runs what it is told, and is no program for such a rule.
  const json refused = call("shell.run -- sh true",
                            "commands:\n  show: {allow: \"/usr/bin/sh <what:word>\", files: {r: [" + conf() + "]}}\n");
  EXPECT_THAT(refused.value("err", ""), HasSubstr("more than the agent has"));
}

TEST_P(Elevated, is_handed_no_file_that_its_caller_may_not_read_by_a_link) {
  const json direct = sort("-- sort " + conf());
  EXPECT_THAT(direct.dump(), Not(HasSubstr("more files")));
  const json linked = sort("-- sort $PWD/link", "ln -s " + conf() + " link");
  EXPECT_THAT(linked.dump(), Not(HasSubstr("more files")));
  const json option = sort("-- sort $PWD/-o", "echo x > ./-o");
  EXPECT_EQ(option["ok"].value("output", ""), "x\n") << option;
}

INSTANTIATE_TEST_SUITE_P(Modes, Broker, testing::Values(Mode::root, Mode::rootless), NameOfMode());
INSTANTIATE_TEST_SUITE_P(Modes, Elevated, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
