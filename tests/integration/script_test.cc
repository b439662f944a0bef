#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>

#include "tests/integration/harness.h"

// --script: commands and files answer what a test wants them to, behind the same policy as ever.
namespace alos::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// %: a file outside of the box.
constexpr std::string_view kPolicy = R"(
alos: 1
extends: base
vars: {workspace: dir}
workspace: layer
files:
  work: {allow: rwx, path: $workspace/**}
  secrets: {deny: rwx, path: $workspace/secret/**, reason: secrets stay out}
commands:
  no-force: {deny: /usr/bin/git push --force ..., reason: nobody forces}
  show: {allow: "/usr/bin/sort [-r] <name:path:r>", files: {r: [%]}}
limits: {wall: 8h}
clock: {sleep: {each: 12h, total: 7d}}
)";

class ScriptedRun : public InBothModes {
 protected:
  void SetUp() override {
    InBothModes::SetUp();
    if (!world_) return;
    world().write("secret/key", "k\n");
    world().write(world().root() + "/outside/conf", "more files\n");
  }
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }
  std::string policy() {
    std::string text(kPolicy);
    return world().policy("scripted", text.replace(text.find('%'), 1, world().root() + "/outside/conf"));
  }
  Outcome run(const std::string& lines, const std::string& shell, std::vector<std::string> flags = {}) {
    const std::string path = world().root() + "/script.json";
    world().write(path, lines);
    flags.insert(flags.end(), {"--script", path});
    return world().shell(policy(), shell, {.timeout = std::chrono::seconds(30)}, std::move(flags));
  }
  // The one answer of a call.
  json call(const std::string& lines, const std::string& words, std::vector<std::string> flags = {}) {
    flags.emplace_back("--fresh");
    const Outcome outcome = run(lines, "alos-call " + words, std::move(flags));
    json out = json::parse(outcome.out, nullptr, false);
    // A denial is said in words for people.
    if (!out.is_object()) out = {{"out", outcome.out}, {"err", outcome.err}};
    return out;
  }
  std::vector<json> records() {
    std::vector<json> out;
    std::istringstream in(world().call({"alos", "audit", "show", "--json"}).out);
    for (std::string line; std::getline(in, line);) out.push_back(json::parse(line, nullptr, false));
    return out;
  }
};

TEST_P(ScriptedRun, the_push_is_rejected_and_the_agent_says_so) {
  const Outcome outcome = run(
      R"([{"call": "shell.run", "argv": ["git", "push", "**"], "code": 1, "out": "to origin\n", "err": "rejected\n"}])",
      R"(python3 - <<'END'
import alos
ran = alos.shell.run(["git", "push", "origin", "main"])
print(ran.code, ran.output.decode().strip(), ran.error.decode().strip())
END
alos-call shell.run --raw -- git --version | cut -d' ' -f1
)");
  EXPECT_EQ(outcome.out, "1 to origin rejected\ngit\n") << outcome.err;
  EXPECT_THAT(outcome.err, Not(HasSubstr("script"))) << "that a run is scripted is no news to whoever runs tests";
  ASSERT_FALSE(outcome.events.empty()) << outcome.err;
  EXPECT_EQ(outcome.events.front().value("event", ""), "started");
  EXPECT_EQ(outcome.events.front().value("script", 0), 1);

  std::vector<std::string> scripted;
  size_t ended = 0, started = 0;
  for (const json& record : records()) {
    const json detail = record.value("detail", json::object());
    if (record.value("action", "") == "run.start") started += detail.contains("script") ? 1 : 0;
    if (record.value("action", "") != "shell.run" || record.value("outcome", "").empty()) continue;
    ++ended;
    EXPECT_FALSE(record.value("parent", "").empty());
    if (detail.contains("scripted"))
      scripted.push_back(record.value("target", "") + " " + detail.value("scripted", ""));
  }
  EXPECT_EQ(started, 1U);
  EXPECT_EQ(ended, 2U);
  EXPECT_THAT(scripted, ElementsAre("/usr/bin/git push origin main [0]"));
  EXPECT_EQ(world().call({"alos", "audit", "verify"}).code, 0);
}

TEST_P(ScriptedRun, without_one_nothing_is) {
  const Outcome outcome = world().shell(policy(), "alos-call shell.run --raw -- echo real");
  EXPECT_EQ(outcome.out, "real\n");
  ASSERT_FALSE(outcome.events.empty()) << outcome.err;
  EXPECT_EQ(outcome.events.front().value("script", -1), 0);
}

TEST_P(ScriptedRun, the_disk_is_full) {
  const Outcome outcome = run(R"([{"call": "fs.write", "path": "$workspace/out/**", "fails": "ENOSPC", "times": 1}])",
                              R"(mkdir out; python3 - "$PWD" <<'END'
import alos, os, sys
for name in ("out/a", "b", "out/a"):
    path = os.path.join(sys.argv[1], name)
    try:
        alos.fs.write(path, b"x")
        print(name, "ok")
    except OSError as failed:
        print(name, failed.name, failed.operation, failed.filename == path, "script" in str(failed))
END
)");
  EXPECT_EQ(outcome.out, "out/a ENOSPC fs.write True True\nb ok\nout/a ok\n") << outcome.err;
}

TEST_P(ScriptedRun, a_program_that_the_box_does_not_have_is_where_the_script_says) {
  const std::string script = R"([
    {"call": "shell.run", "argv": ["/usr/bin/no-such-program", "apply", "**"], "code": 0, "out": "applied\n"},
    {"call": "shell.run", "argv": ["/opt/no/such"], "code": 0}])";
  EXPECT_EQ(call(script, "shell.run -- no-such-program apply -f x")["ok"].value("output", ""), "applied\n");
  EXPECT_EQ(call(script, "shell.run -- /usr/bin/no-such-program apply")["ok"].value("output", ""), "applied\n");
  const json other = call(script, "shell.run -- no-such-program get");
  EXPECT_EQ(other["failed"].value("name", ""), "ENOENT") << other;
  EXPECT_THAT(other["failed"].value("hint", ""), HasSubstr("no line of the script"));
  const json outside = call(script, "shell.run -- such");
  EXPECT_EQ(outside["denied"].value("rule", ""), "default") << outside;
}

// ---- the policy is as ever ----

TEST_P(ScriptedRun, what_is_denied_is_denied) {
  const std::string all = R"([
    {"call": "shell.run", "argv": ["**"], "code": 0},
    {"call": "fs.read", "path": "/**", "fails": "EIO"}])";
  const std::string w = world().workspace();
  EXPECT_EQ(call(all, "shell.run -- git push --force")["denied"].value("rule", ""), "no-force");
  EXPECT_EQ(call(all, "fs.read " + w + "/secret/key")["denied"].value("rule", ""), "secrets");
  EXPECT_EQ(call(all, "fs.read /etc/shadow")["denied"].value("rule", ""), "default");
  EXPECT_EQ(call(all, "fs.read " + w + "/other")["failed"].value("name", ""), "EIO");
  const Outcome outcome = run(all, "alos-call shell.run -- git push --force || true", {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 1) << "and counts";
}

TEST_P(ScriptedRun, a_masked_program_is_not_run_by_a_script) {
  world().write("secret/tool", "#!/bin/sh\n", 0755);
  const std::string tool = world().workspace() + "/secret/tool";
  const json masked =
      call(R"([{"call": "shell.run", "argv": [")" + tool + R"("], "code": 0}])", "shell.run -- " + tool);
  EXPECT_EQ(masked["denied"].value("rule", ""), "secrets") << masked;
}

TEST_P(ScriptedRun, an_elevated_command_keeps_its_usage_line) {
  const std::string all = R"([{"call": "shell.run", "argv": ["sort", "**"], "code": 0, "out": "sorted\n"}])";
  world().write("a", "x\n");
  const json fits = call(all, "shell.run -- sort -r $PWD/a");
  EXPECT_EQ(fits["ok"].value("rule", ""), "show") << fits;
  EXPECT_EQ(fits["ok"].value("output", ""), "sorted\n");
  EXPECT_EQ(call(all, "shell.run -- sort $PWD/secret/key")["denied"].value("rule", ""), "secrets");
  EXPECT_TRUE(call(all, "shell.run --env A=1 -- sort $PWD/a").contains("denied"));
  EXPECT_EQ(call(all, "shell.run -- sort -o x $PWD/a")["ok"].value("rule", "?"), "") << "no more than its caller";
}

// ---- time ----

TEST_P(ScriptedRun, hours_of_a_command_pass_at_once_by_a_virtual_clock) {
  const auto begun = std::chrono::steady_clock::now();
  const std::string slow = R"([{"call": "shell.run", "argv": ["make"], "code": 2, "takes": "3h"}])";
  const json done = call(slow, "shell.run --timeout-ms 36000000 -- make", {"--clock", "virtual"});
  EXPECT_EQ(done["ok"].value("code", 0), 2) << done;
  EXPECT_EQ(done["ok"].value("wall_ms", 0), 3 * 3'600'000);
  const json late = call(slow, "shell.run --timeout-ms 60000 -- make", {"--clock", "virtual"});
  EXPECT_EQ(late["ok"].value("timed_out", false), true) << late;
  EXPECT_EQ(late["ok"].value("wall_ms", 0), 60'000);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(8));
}

TEST_P(ScriptedRun, by_the_real_clock_it_takes_its_time_and_is_timed_out) {
  const std::string slow =
      R"([{"call": "shell.run", "argv": ["make"], "code": 0, "out": "begun\n", "takes": "400ms"}])";
  const json done = call(slow, "shell.run -- make");
  EXPECT_GE(done["ok"].value("wall_ms", 0), 400) << done;
  const json late = call(slow, "shell.run --timeout-ms 100 -- make");
  EXPECT_EQ(late["ok"].value("timed_out", false), true) << late;
  EXPECT_EQ(late["ok"].value("output", ""), "begun\n");
}

// ---- what is refused ----

TEST_P(ScriptedRun, a_script_that_is_wrong_is_refused_before_anything_runs) {
  for (const auto& [lines, words] : {
           std::pair<std::string, std::vector<std::string>>{R"([{"call": "shell.run", "argv": ["x"], "code": 256}])",
                                                            {"script.json[0].code", "0 to 255"}},
           {R"([{"call": "shell.run", "argv": ["x"], "cod": 1}])", {"script.json[0].cod", "did you mean 'code'?"}},
           {R"([{"call": "fs.write", "path": "$nowhere/x", "fails": "EIO"}])", {"script.json[0].path", "nowhere"}},
           {"[", {"script.json", "JSON"}},
           {"[" + std::string(1 << 20, ' ') + "]", {"script.json", "1 MiB"}},
       }) {
    const Outcome outcome = run(lines, "echo ran");
    EXPECT_EQ(outcome.code, 125);
    EXPECT_EQ(outcome.out, "");
    for (const std::string& word : words) EXPECT_THAT(outcome.err, HasSubstr(word));
  }
  const Outcome absent = world().shell(policy(), "echo ran", {}, {"--script", world().root() + "/absent.json"});
  EXPECT_EQ(absent.code, 125);
  EXPECT_THAT(absent.err, AllOf(HasSubstr("absent.json"), HasSubstr("ENOENT")));
}

INSTANTIATE_TEST_SUITE_P(Modes, ScriptedRun, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
