// The agents that people run, unmodified, at work under `coding`: each is told by a model service of the test to run a
// command with its own tool. What they are installed from: agents/install.sh.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::HasSubstr;

class LongAgents : public InBothModes {
 protected:
  void SetUp() override {
    InBothModes::SetUp();
    if (!world_) return;
    policy_ = world().policy("agents", R"(alos: 1
about: an agent from npm, and a model on the loopback
extends: [coding]
vars: {workspace: dir, clients: dir}
files:
  clients: {allow: rx, path: $clients/**}
env:
  set: {ANTHROPIC_BASE_URL: "http://127.0.0.1:8089", ANTHROPIC_API_KEY: none, DISABLE_AUTOUPDATER: "1",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1"}
)");
    world().write("model.py", world().read(ALOS_AGENTS_DIRECTORY "/model.py"));
    world().write(".env", "TOKEN=secret\n");
  }
  static std::string client(const std::string& name) { return ALOS_CLIENTS "/node_modules/.bin/" + name; }

  Outcome told(const std::string& command, std::vector<std::string> client) {
    client.insert(client.begin(), {"/usr/bin/python3", "model.py", command});
    return world().run(policy_, client, {.timeout = std::chrono::seconds(120)}, {"--var", "clients=" ALOS_CLIENTS});
  }
  // kCommand, and nothing on the host.
  void expect_done(const Outcome& run) {
    EXPECT_EQ(run.code, 0) << run.out << run.err;
    EXPECT_THAT(run.out, HasSubstr("all is done"));
    const std::string changed = world().call({"alos", "diff", "--workspace", world().workspace()}).out;
    EXPECT_THAT(changed, testing::AllOf(HasSubstr("+hello"), HasSubstr("+cat: .env: Permission denied")));
    EXPECT_THAT(changed, testing::Not(HasSubstr("TOKEN")));
    EXPECT_FALSE(world().exists("made"));
  }

  std::string policy_;
};

constexpr const char* kCommand = "echo hello > made; cat .env > stolen 2> why; true";

TEST_P(LongAgents, claude_code_does_what_its_model_wants_and_gets_no_secret) {
  const Outcome run = told(kCommand, {client("claude"), "-p", "do the work", "--dangerously-skip-permissions"});
  expect_done(run);
}

// Its own sandbox is switched off: it would need what no box gives (SECURITY.md), and stands in one.
TEST_P(LongAgents, codex_does_what_its_model_wants_and_gets_no_secret) {
  const Outcome run = told(
      kCommand, {client("codex"), "exec", "--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check", "-c",
                 "model_provider=local", "-c", "model=gpt-5.1-codex", "-c",
                 R"(model_providers.local={name="local",base_url="http://127.0.0.1:8089/v1",wire_api="responses"})",
                 "do the work"});
  expect_done(run);
}

TEST_P(LongAgents, deno_runs_and_reads_no_secret_by_any_of_its_ways) {
  world().write("tool.ts",
                "console.log(1 + 1);\n"
                "try { console.log((await import('./.env', {with: {type: 'text'}})).default); }\n"
                "catch (e) { console.log(String(e)); }\n");
  const Outcome run = told("true", {client("deno"), "run", "--allow-all", "--unstable-raw-imports", "tool.ts"});
  EXPECT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, testing::StartsWith("2\n"));
  EXPECT_THAT(run.out + run.err, testing::AllOf(HasSubstr("ermission denied"), testing::Not(HasSubstr("TOKEN"))));
}

INSTANTIATE_TEST_SUITE_P(LongUnmodified, LongAgents, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
