// alos-policy as a person or a script meets it: arguments, exit codes, what stands on which stream.
#include "tests/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "policy/decide.h"
#include "supervisor/box/spec.h"

namespace alos {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

struct Output {
  int code = -1;
  std::string out, errors;
};

class PolicyProgram : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-policy-test.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
    return directory_ + "/" + name;
  }
  static std::string read(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Arguments are words for the shell.
  Output run(const std::string& arguments) {
    const std::string out = directory_ + "/.out", errors = directory_ + "/.err";
    const std::string command = "cd " + directory_ + " && " ALOS_POLICY " " + arguments + " >" + out + " 2>" + errors;
    const int code = test::run_shell(command).code;
    return {code, read(out), read(errors)};
  }
  std::string directory_;
};

constexpr const char* kGood =
    "alos: 1\nabout: good\nextends: base\nvars: {workspace: dir}\n"
    "files: {sources: {allow: rwx, path: $workspace/**}}\n"
    "tests: {vars: {workspace: /w}, allow: fs.read /w/a, deny: fs.read /x}\n";

TEST_F(PolicyProgram, each_value_of_a_variable_has_its_own_option) {
  file("two.yaml",
       "alos: 1\nabout: x\nvars: {a: dir, b: dir}\nfiles: {x: {allow: r, path: [$a/**, $b/**]}}\ntests: {vars: {a: /a, "
       "b: "
       "/b}, allow: fs.read /a/x, deny: fs.read /x}\n");
  EXPECT_EQ(run("explain --policy ./two.yaml --var a=/a --var b=/b fs.read /b/x").code, 0);
}

TEST_F(PolicyProgram, check_says_ok_or_what_is_wrong) {
  file("good.yaml", kGood);
  file("bad.yaml", "alos: 1\nabot: x\n");
  const Output good = run("check ./good.yaml");
  EXPECT_EQ(good.code, 0) << good.out << good.errors;
  EXPECT_EQ(good.out, "ok  ./good.yaml: 6 rules, 2 tests, 0 findings\n");
  const Output both = run("check ./good.yaml ./bad.yaml");
  EXPECT_EQ(both.code, 1);
  EXPECT_THAT(both.out, HasSubstr("./bad.yaml:2:1: unknown key 'abot'"));
  EXPECT_THAT(both.out, HasSubstr("failed  ./bad.yaml: does not load, 1 problem"));
}

TEST_F(PolicyProgram, check_prints_json) {
  file("bad.yaml", "alos: 1\nabot: x\n");
  const Output bad = run("check --json ./bad.yaml");
  EXPECT_EQ(bad.code, 1);
  const auto json = nlohmann::json::parse(bad.out);
  EXPECT_EQ(json["policies"][0]["findings"][0]["at"]["line"], 2);
  EXPECT_EQ(json["policies"][0]["findings"][0]["fix"], "did you mean 'about'?");
}

TEST_F(PolicyProgram, test_runs_the_tests_alone) {
  file("p.yaml", "alos: 1\ntests: {allow: fs.read /srv, deny: fs.read /x}\n");
  const Output failed = run("test ./p.yaml");
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.out, HasSubstr("test failed: fs.read /srv is deny by default"));
  EXPECT_THAT(failed.out, HasSubstr("0 rules, 2 tests, 1 failure"));
  EXPECT_EQ(run("test ./absent.yaml").code, 3);
}

TEST_F(PolicyProgram, explain_answers_by_its_exit_code_too) {
  const Output denied = run("explain --policy coding fs.read '$workspace/.env'");
  EXPECT_EQ(denied.code, 1);
  EXPECT_THAT(denied.out, StartsWith("denied  fs.read " + directory_ + "/.env\n"));
  EXPECT_THAT(denied.out, HasSubstr("by rule 'secrets' (coding.yaml:"));
  EXPECT_EQ(run("explain --policy coding fs.read '$workspace/a b'").code, 0);
  EXPECT_EQ(run("explain --policy strict fs.read /srv/a").code, 1);
  EXPECT_EQ(run("explain --policy coding fs.execute /opt/node-v22/bin/node").code, 0);
  EXPECT_EQ(run("explain fs.execute /opt/node-v22/bin/node").code, 1) << "by strict, as a run that names no policy";
  EXPECT_EQ(run("explain --policy coding --workspace / fs.read /x").code, 3);
  EXPECT_EQ(run("explain --policy nobody fs.read /x").code, 3);
  const Output usage = run("explain fs.raed /x");
  EXPECT_EQ(usage.code, 2);
  EXPECT_THAT(usage.errors, HasSubstr("did you mean 'fs.read'?"));
  EXPECT_THAT(usage.out, IsEmpty());
}

TEST_F(PolicyProgram, explain_takes_paths_as_they_are_typed) {
  const Output denied = run("explain --policy coding fs.read .env");
  EXPECT_EQ(denied.code, 1) << denied.errors;
  EXPECT_THAT(denied.out, StartsWith("denied  fs.read " + directory_ + "/.env\n"));
  EXPECT_EQ(run("explain --policy coding 'fs.read a b/../c'").code, 0);
  EXPECT_EQ(run("explain --policy coding --reached .env fs.read link").code, 1);
  EXPECT_EQ(run("explain --policy coding fs.read").code, 2);
}

TEST_F(PolicyProgram, explain_takes_the_workspace_through_links) {
  std::filesystem::create_directory(directory_ + "/real");
  std::filesystem::create_directory_symlink("real", directory_ + "/link");
  const Output out = run("explain --policy coding --json --workspace link fs.write '$workspace/a'");
  EXPECT_EQ(out.code, 0) << out.errors;
  const auto json = nlohmann::json::parse(out.out);
  EXPECT_EQ(json["request"], "fs.write " + directory_ + "/real/a");
  EXPECT_EQ(json["rule"], "sources");
  EXPECT_EQ(json["layer"], "policy");
}

TEST_F(PolicyProgram, explain_tells_name_and_file_apart) {
  const Output out = run("explain --policy coding --reached '$workspace/.env' fs.read '$workspace/link'");
  EXPECT_EQ(out.code, 1);
  EXPECT_THAT(out.out, HasSubstr("by rule 'secrets'"));
}

constexpr const char* kCommands =
    "alos: 1\nabout: x\nextends: base\nvars: {workspace: dir}\n"
    "files:\n  sources: {allow: rwx, path: $workspace/**}\n  books: {allow: r, path: /srv/books/**, audit: each}\n"
    "commands:\n  deploy: {allow: '/opt/acme/deploy [--dry-run] <service:word>', files: {r: /etc/acme.conf}}\n"
    "clock: {sleep: {each: 1h}}\n";

TEST_F(PolicyProgram, explain_takes_runs_and_sleeps) {
  file("p.yaml", kCommands);
  const Output words = run("explain --policy ./p.yaml -- shell.run /opt/acme/deploy --dry-run web");
  EXPECT_EQ(words.code, 0) << words.errors;
  EXPECT_THAT(words.out, StartsWith("allowed shell.run /opt/acme/deploy --dry-run web\n"));
  EXPECT_THAT(words.out, HasSubstr("by rule 'deploy' (./p.yaml:9:3)"));
  const Output line = run("explain --policy ./p.yaml \"shell.run /opt/acme/deploy '--dry-run' web\"");
  EXPECT_EQ(line.out, words.out) << line.errors;
  const Output spaces = run("explain --json --policy ./p.yaml shell.run /opt/acme/deploy 'a b'");
  const auto json = nlohmann::json::parse(spaces.out);
  EXPECT_EQ(json["request"], "shell.run /opt/acme/deploy 'a b'");
  EXPECT_EQ(json["rule"], "box");
  EXPECT_EQ(run("explain --policy ./p.yaml clock.sleep 1h").code, 0);
  const Output late = run("explain --policy ./p.yaml clock.sleep 2h");
  EXPECT_EQ(late.code, 1);
  EXPECT_THAT(late.out, HasSubstr("by rule 'clock.sleep' (./p.yaml:10:23), layer policy: \"one sleep is at most 1h\""));
  EXPECT_EQ(run("explain --policy ./p.yaml clock.now").code, 0);
  const Output matched = run("explain --json --policy ./p.yaml shell.run /opt/acme/deploy web");
  EXPECT_EQ(nlohmann::json::parse(matched.out)["matches"][0]["usage"], "/opt/acme/deploy [--dry-run] <service:word>");
}

TEST_F(PolicyProgram, check_and_show_know_commands_clock_and_what_is_brokered) {
  file("p.yaml", kCommands);
  EXPECT_THAT(run("check --workspace . ./p.yaml").out, HasSubstr("./p.yaml: 8 rules"));
  const Output shown = run("show --effective ./p.yaml");
  EXPECT_THAT(shown.out, testing::ContainsRegex("books +allow r, audit each +/srv/books"));
  EXPECT_THAT(shown.out,
              testing::ContainsRegex("deploy +allow +/opt/acme/deploy .--dry-run. <service:word> +./p.yaml:9:3"));
  EXPECT_THAT(shown.out, testing::ContainsRegex("deploy +with r +/etc/acme.conf +./p.yaml:9:"));
  EXPECT_THAT(shown.out, testing::ContainsRegex("sleep each +1h +./p.yaml:10:23"));
  EXPECT_THAT(shown.out, testing::ContainsRegex("sleep total +7d +base.yaml:"));
  file("none.yaml", "alos: 1\nextends: base\ncommands: none\n");
  EXPECT_THAT(run("show --effective ./none.yaml").out, testing::ContainsRegex("commands +none +./none.yaml:3:11"));
}

TEST_F(PolicyProgram, compile_writes_the_policy_itself_for_whoever_decides) {
  file("p.yaml", kCommands);
  ASSERT_EQ(run("compile --output p.box ./p.yaml").code, 0);
  const auto compiled = decode<box::Compiled>(read(directory_ + "/p.box"), "p.box");
  ASSERT_TRUE(compiled);
  const auto policy = decode<policy::Policy>(compiled->rules, "rules");
  ASSERT_TRUE(policy);
  const auto decided = policy::compile(*policy);
  const auto request = policy::Request::parse("shell.run /opt/acme/deploy web");
  const policy::Decision decision = policy::decide(decided, *request);
  ASSERT_TRUE(decision.elevated);
  EXPECT_EQ(compiled->plan.commands.at(*decision.elevated).rule, "deploy");
  EXPECT_EQ(compiled->plan.brokered.at(0).path, "/srv/books");
}

TEST_F(PolicyProgram, show_prints_the_file_or_what_it_amounts_to) {
  file("good.yaml", kGood);
  EXPECT_THAT(run("show ./good.yaml").out, HasSubstr(kGood));
  const Output effective = run("show --effective ./good.yaml");
  EXPECT_EQ(effective.code, 0) << effective.errors;
  EXPECT_THAT(effective.out, HasSubstr("= " + directory_ + "/**"));
  EXPECT_THAT(effective.out, testing::ContainsRegex("system +allow rx +/usr/\\*\\* +base.yaml:"));
  EXPECT_THAT(effective.out, testing::ContainsRegex("memory +32GiB +base.yaml:"));
  const auto json = nlohmann::json::parse(run("show --json --effective ./good.yaml").out);
  EXPECT_EQ(json["about"], "good");
  EXPECT_EQ(json["lines"][0]["name"], "workspace");
}

TEST_F(PolicyProgram, show_names_the_projects_own_file) {
  const Output shown = run("show --effective --workspace /var/tmp coding");
  EXPECT_THAT(shown.out, HasSubstr("/var/tmp/.alos.yaml"));
}

TEST_F(PolicyProgram, list_names_the_profiles_that_ship) {
  const auto json = nlohmann::json::parse(run("list --json").out);
  std::vector<std::string> names;
  for (const auto& each : json["policies"]) names.push_back(each["name"]);
  EXPECT_THAT(names, testing::IsSupersetOf({"base", "coding", "strict"}));
  EXPECT_THAT(run("list").out, HasSubstr("/profiles/coding.yaml"));
}

TEST_F(PolicyProgram, used_wrongly_it_says_how_to_use_it) {
  EXPECT_EQ(run("").code, 2);
  const Output misspelt = run("chekc");
  EXPECT_EQ(misspelt.code, 2);
  EXPECT_THAT(misspelt.errors, HasSubstr("no command 'chekc'; did you mean 'check'?"));
  EXPECT_THAT(run("show codng").errors, HasSubstr("did you mean 'coding'?"));
  EXPECT_THAT(run("show --effctive coding").errors, HasSubstr("did you mean '--effective'?"));
  EXPECT_EQ(run("explain").code, 2);
  EXPECT_EQ(run("check").code, 2);
  for (const char* verb : {"check", "explain", "test", "show", "list"}) {
    const Output help = run(std::string(verb) + " --help");
    EXPECT_EQ(help.code, 0);
    EXPECT_THAT(help.out, HasSubstr(std::string("Examples:\n  alos policy ") + verb));
    EXPECT_THAT(help.out, HasSubstr("--json"));
  }
}

TEST_F(PolicyProgram, a_policy_that_is_no_regular_file_is_refused_and_never_waited_for) {
  EXPECT_EQ(run("check /dev/zero").code, 1);
  ASSERT_EQ(::mkfifo((directory_ + "/fifo").c_str(), 0600), 0);
  const Output out = run("check ./fifo");
  EXPECT_EQ(out.code, 1);
  EXPECT_THAT(out.out, HasSubstr("a policy is a regular file"));
}

TEST_F(PolicyProgram, the_name_of_a_file_steers_no_terminal) {
  file("a\x1b[31m.yaml", kGood);
  const Output out = run("check ./a*.yaml");
  EXPECT_EQ(out.code, 0);
  EXPECT_THAT(out.out, HasSubstr("./a\\x1b[31m.yaml: 6 rules"));
}

TEST_F(PolicyProgram, colours_only_a_terminal) {
  EXPECT_EQ(run("check base").out.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace alos
