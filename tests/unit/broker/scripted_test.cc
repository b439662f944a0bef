#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>

#include "tests/unit/broker/script_lines.h"
#include "tests/unit/broker/served.h"

// What a script answers instead of boxes and files, and what stays as ever before it is asked.
namespace alos::broker::test {
namespace {

using policy::Effect;
using policy::kAll;
using policy::kRead;
using policy::Right;
using testing::HasSubstr;

ScriptLine command(std::initializer_list<const char*> argv, int code) {
  ScriptLine out = line_of_command(argv);
  out.status = code << 8;
  return out;
}

policy::CommandRule command_rule(Effect effect, const std::string& usage, const std::string& name) {
  policy::CommandRule out;
  out.name = name;
  out.effect = effect;
  out.usage = *policy::Usage::parse(usage);
  out.source = {"test.yaml", 2, 1};
  return out;
}

// Programs in /bin, one that may not be run among them, and a place to write to.
Setting setting(std::vector<ScriptLine> script, std::vector<policy::CommandRule> commands = {}) {
  policy::Policy policy = rules({rule(Effect::allow, kRead | Right::execute, {"/bin/**", "/usr/**"}, "system"),
                                 rule(Effect::allow, kAll, {"/w/**"}, "work"),
                                 rule(Effect::deny, kAll, {"/bin/secret*", "/w/secret/**"}, "secrets")});
  policy.commands = std::move(commands);
  return {.policy = std::move(policy), .script = std::move(script)};
}

class Scripted : public testing::Test {
 protected:
  void serve(Setting setting) {
    served.emplace(std::move(setting));
    served->make_directory("/w/out");
    served->make_directory("/w/secret");
    for (const char* program : {"/bin/git", "/bin/secretly", "/bin/sort"}) served->write(program, "#!", 0755);
    client = served->connect();
  }

  static wire::Request request(std::vector<std::string> argv) {
    wire::Request out;
    for (std::string& word : argv) out.mutable_shell_run()->add_argv(std::move(word));
    return out;
  }
  wire::Reply run(std::vector<std::string> argv) { return client->call(request(std::move(argv))); }

  std::optional<Served> served;
  std::unique_ptr<Client> client;
};

TEST_F(Scripted, a_command_ends_as_the_line_says_and_nothing_runs) {
  ScriptLine push = command({"git", "push", "**"}, 3);
  push.out = "pushing\n";
  push.err = "rejected\n";
  serve(setting({push}));
  const wire::Reply reply = run({"git", "push", "origin"});
  ASSERT_TRUE(reply.has_shell_run()) << reply.failed().hint();
  const auto& result = reply.shell_run();
  EXPECT_EQ(result.code(), 3);
  EXPECT_EQ(result.signal(), 0);
  EXPECT_TRUE(result.started());
  EXPECT_FALSE(result.timed_out());
  EXPECT_EQ(result.output_size(), 8U);
  EXPECT_EQ(result.error_size(), 9U);
  EXPECT_FALSE(result.output_truncated() || result.error_truncated());
  EXPECT_EQ(client->gathered, "pushing\nrejected\n");
  EXPECT_EQ(served->boxes_asked_for(), 0);
}

TEST_F(Scripted, what_no_line_fits_runs_as_ever) {
  ScriptLine once = command({"git", "push"}, 0);
  once.times = 1;
  serve(setting({once}));
  EXPECT_EQ(run({"git", "fetch"}).failed().hint(), "no boxes here");
  EXPECT_TRUE(run({"git", "push"}).has_shell_run());
  EXPECT_EQ(run({"git", "push"}).failed().hint(), "no boxes here") << "used up";
  EXPECT_EQ(served->boxes_asked_for(), 2);
}

TEST_F(Scripted, a_signal_ends_it_as_the_kernel_would) {
  ScriptLine killed = command({"git"}, 0);
  killed.status = SIGKILL;
  serve(setting({killed}));
  const auto result = run({"git"}).shell_run();
  EXPECT_EQ(result.signal(), 9);
  EXPECT_EQ(result.code(), 137);
  EXPECT_TRUE(result.started());
}

TEST_F(Scripted, a_command_fails_to_begin_with_the_error_of_the_line) {
  ScriptLine again = command({"git"}, 0);
  again.fails = EAGAIN;
  serve(setting({again}));
  const wire::Reply reply = run({"git"});
  EXPECT_EQ(reply.failed().operation(), "shell.run");
  EXPECT_EQ(reply.failed().object(), "git");
  EXPECT_EQ(reply.failed().name(), "EAGAIN");
  EXPECT_THAT(reply.failed().hint(), HasSubstr("script"));
  EXPECT_EQ(served->journal().back().outcome, "failed EAGAIN");
}

TEST_F(Scripted, how_a_command_ended_is_recorded) {
  ScriptLine killed = command({"git", "killed"}, 0), slow = command({"git", "slow"}, 0);
  killed.status = SIGKILL;
  slow.takes_ms = 60'000;
  Setting timed = setting({command({"git", "fails"}, 1), killed, slow, command({"git"}, 0)});
  timed.virtual_time = true;
  serve(std::move(timed));
  using Details = std::vector<std::pair<std::string, std::string>>;
  const auto ended = [&](std::vector<std::string> argv) {
    wire::Request asked = request(std::move(argv));
    asked.mutable_shell_run()->set_timeout_ms(100);
    client->call(asked);
    const Recorded last = served->journal().back();
    EXPECT_EQ(last.outcome, "ok");
    Details out = last.details;
    std::erase_if(out, [](const auto& detail) { return detail.first == "scripted"; });
    return out;
  };
  EXPECT_EQ(ended({"git", "fails"}), (Details{{"code", "1"}}));
  EXPECT_EQ(ended({"git", "killed"}), (Details{{"code", "137"}, {"signal", "9"}}));
  EXPECT_EQ(ended({"git", "slow"}), (Details{{"code", "137"}, {"signal", "9"}, {"timed_out", "true"}}));
  EXPECT_EQ(ended({"git"}), (Details{{"code", "0"}}));
}

TEST_F(Scripted, it_is_recorded_before_and_after_and_the_record_says_so) {
  serve(setting({command({"nothing"}, 0), command({"git"}, 0)}));
  run({"git", "x"});
  run({"git"});
  const auto records = served->journal();
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(records[1].scripted, "") << "what ran says nothing of it";
  EXPECT_EQ(records[2].action, "shell.run");
  EXPECT_EQ(records[2].outcome, "");
  EXPECT_TRUE(records[2].waited_for);
  EXPECT_EQ(records[3].outcome, "ok");
  EXPECT_EQ(records[3].parent, 3U);
  EXPECT_EQ(records[3].scripted, "[1]");
}

TEST_F(Scripted, what_cannot_be_recorded_is_not_answered) {
  Setting unrecorded = setting({command({"git"}, 0), line_of_file("fs.read", "/w/**", EIO)});
  unrecorded.fail_journal = EIO;
  serve(std::move(unrecorded));
  EXPECT_EQ(run({"git"}).failed().operation(), "append");
  served->write("/w/a", "x");
  EXPECT_EQ(client->call(read_request("/w/a")).failed().operation(), "append");
}

// ---- output ----

TEST_F(Scripted, output_beyond_its_limit_is_cut_and_said) {
  ScriptLine chatty = command({"git"}, 0);
  chatty.out = std::string(300'000, 'x');
  chatty.err = std::string(10, 'y');
  serve(setting({chatty}));
  wire::Request cut = request({"git"});
  cut.mutable_shell_run()->set_output_limit(70'000);
  const auto result = client->call(cut).shell_run();
  EXPECT_EQ(client->gathered, std::string(70'000, 'x') + std::string(10, 'y'));
  EXPECT_EQ(result.output_size(), 300'000U);
  EXPECT_TRUE(result.output_truncated());
  EXPECT_FALSE(result.error_truncated());
  EXPECT_EQ(run({"git"}).shell_run().output_truncated(), false);
  EXPECT_EQ(client->gathered.size(), 300'010U);
}

TEST_F(Scripted, a_client_that_does_not_read_keeps_nobody_and_may_leave) {
  ScriptLine chatty = command({"git"}, 0);
  chatty.out = std::string(900'000, 'x');
  serve(setting({chatty}));
  auto lazy = served->connect();
  wire::Request asked = request({"git"});
  asked.set_id(1);
  lazy->send(asked);
  EXPECT_EQ(run({"git"}).shell_run().output_size(), 900'000U);
  lazy->close();
  EXPECT_EQ(run({"git"}).shell_run().output_size(), 900'000U);
}

// ---- time ----

TEST_F(Scripted, it_takes_its_time) {
  ScriptLine slow = command({"git"}, 0);
  slow.takes_ms = 150;
  serve(setting({slow}));
  const auto begun = std::chrono::steady_clock::now();
  const auto result = run({"git"}).shell_run();
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(149));
  EXPECT_GE(result.wall_ms(), 149U);
  EXPECT_FALSE(result.timed_out());
}

TEST_F(Scripted, longer_than_the_timeout_is_timed_out) {
  ScriptLine slow = command({"git"}, 0);
  slow.takes_ms = 3'600'000;
  slow.out = "begun\n";
  serve(setting({slow}));
  wire::Request asked = request({"git"});
  asked.mutable_shell_run()->set_timeout_ms(100);
  const auto result = client->call(asked).shell_run();
  EXPECT_TRUE(result.timed_out());
  EXPECT_TRUE(result.started());
  EXPECT_EQ(result.signal(), 9);
  EXPECT_EQ(result.code(), 137);
  EXPECT_LT(result.wall_ms(), 5000U);
  EXPECT_EQ(client->gathered, "begun\n") << "what it wrote before that is there";
}

TEST_F(Scripted, of_a_virtual_clock_it_takes_no_time) {
  ScriptLine slow = command({"git"}, 7);
  slow.takes_ms = 5 * 60'000;
  ScriptLine endless = command({"sort"}, 0);
  endless.takes_ms = 365ULL * 24 * 3'600'000;
  Setting virtually = setting({slow, endless});
  virtually.virtual_time = true;
  serve(std::move(virtually));
  const auto begun = std::chrono::steady_clock::now();
  const auto result = run({"git"}).shell_run();
  EXPECT_EQ(result.code(), 7);
  EXPECT_EQ(result.wall_ms(), 5U * 60'000);
  const auto late = run({"sort"}).shell_run();
  EXPECT_TRUE(late.timed_out());
  EXPECT_EQ(late.wall_ms(), 10U * 60'000) << "the timeout that nobody named";
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
}

TEST_F(Scripted, it_can_be_given_up) {
  ScriptLine slow = command({"git"}, 0);
  slow.takes_ms = 3'600'000;
  serve(setting({slow}));
  wire::Request asked = request({"git"});
  asked.set_id(1);
  client->send(asked);
  wire::Request cancel;
  cancel.set_id(2);
  cancel.mutable_cancel()->set_call(1);
  client->send(cancel);
  const auto reply = client->receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->id(), 1U);
  EXPECT_EQ(reply->failed().name(), "ECANCELED");
  EXPECT_TRUE(reply->failed().partial());
  EXPECT_EQ(served->journal().back().outcome, "failed ECANCELED");
}

TEST_F(Scripted, so_many_at_a_time_as_boxes) {
  ScriptLine slow = command({"git"}, 0);
  slow.takes_ms = 3'600'000;
  serve(setting({slow, command({"sort"}, 0)}));
  for (uint64_t id = 1; id <= ShellRuns::kMost; ++id) {
    wire::Request asked = request({"git"});
    asked.set_id(id);
    client->send(asked);
  }
  client->next_id = 1000;
  EXPECT_EQ(run({"sort"}).limit().which(), "commands under way");
  wire::Request cancel;
  cancel.set_id(2000);
  cancel.mutable_cancel()->set_call(1);
  client->send(cancel);
  EXPECT_TRUE(run({"sort"}).has_shell_run());
}

// ---- what is decided before ----

TEST_F(Scripted, a_denied_command_is_denied_by_its_rule) {
  serve(setting({command({"**"}, 0)}, {command_rule(Effect::deny, "/bin/git push ...", "no-push")}));
  const wire::Reply reply = run({"git", "push"});
  ASSERT_TRUE(reply.has_denied());
  EXPECT_EQ(reply.denied().rule(), "no-push");
  EXPECT_TRUE(run({"git", "fetch"}).has_shell_run());
  EXPECT_EQ(served->journal().front().decision, Effect::deny);
}

// What is told of it fits a frame, and no character is cut in its middle.
TEST_F(Scripted, a_denied_command_of_many_words_is_told_as_one_that_is_denied) {
  serve(setting({command({"**"}, 0)}, {command_rule(Effect::deny, "/bin/git push ...", "no-push")}));
  std::string accents;
  for (int i = 0; i < 20'000; ++i) accents += "\u00e9";
  accents += std::string(10'000, '\x01');
  for (const std::string& word : {std::string(20'000, '\x01'), accents, "a" + accents}) {
    const wire::Reply reply = run({"git", "push", word});
    EXPECT_EQ(reply.denied().rule(), "no-push") << reply.failed().DebugString();
    EXPECT_THAT(reply.denied().request(), testing::StartsWith("shell.run /bin/git push "));
    EXPECT_THAT(reply.denied().request(), testing::HasSubstr("...[cut, "));
    EXPECT_THAT(served->journal().back().target, testing::Not(testing::HasSubstr("...[cut, ")))
        << "its record is whole";
  }
}

TEST_F(Scripted, a_program_that_may_not_be_executed_does_not_run_by_a_script) {
  serve(setting({command({"**"}, 0)}));
  for (const char* program : {"secretly", "/bin/secretly"}) {
    const wire::Reply reply = run({program});
    ASSERT_TRUE(reply.has_denied()) << program;
    EXPECT_EQ(reply.denied().rule(), "secrets");
    EXPECT_EQ(reply.denied().request(), "fs.execute /bin/secretly");
  }
  served->write("/x/tool", "#!", 0755);
  EXPECT_EQ(run({"/x/tool"}).denied().rule(), "default");
}

TEST_F(Scripted, an_elevated_command_must_fit_its_usage_line_and_its_caller_s_rights) {
  serve(setting({command({"**"}, 0)}, {command_rule(Effect::allow, "/bin/sort [-r] <what:path:r>", "sorting")}));
  const wire::Reply fits = run({"sort", "-r", "/w/a"});
  ASSERT_TRUE(fits.has_shell_run());
  EXPECT_EQ(fits.shell_run().rule(), "sorting");
  EXPECT_EQ(run({"sort", "/w/secret/a"}).denied().rule(), "secrets");
  EXPECT_EQ(run({"sort", "/etc/shadow"}).denied().rule(), "default");
  EXPECT_EQ(run({"sort", "-o", "/w/a"}).shell_run().rule(), "") << "with its caller's rights, as any program";
  wire::Request more = request({"sort", "/w/a"});
  wire::Variable& variable = *more.mutable_shell_run()->add_env();
  variable.set_name("A");
  variable.set_value("1");
  EXPECT_TRUE(client->call(more).has_denied());
}

// Its words name files that were not followed: no box is given those.
TEST_F(Scripted, an_elevated_command_whose_line_another_call_used_up_does_not_run) {
  ScriptLine once = command({"sort", "**"}, 0);
  once.times = 1;
  Setting both_begin = setting({once}, {command_rule(Effect::allow, "/bin/sort <what:path:r>", "sorting")});
  both_begin.together = 2;
  serve(std::move(both_begin));
  for (const uint64_t id : {1, 2}) {
    wire::Request both = request({"sort", "/w/a"});
    both.set_id(id);
    client->send(both);
  }
  const auto first = client->receive(), second = client->receive();
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(first->has_shell_run());
  EXPECT_EQ(second->failed().name(), "EAGAIN");
  EXPECT_THAT(second->failed().hint(), HasSubstr("another call used up the line of the script"));
  EXPECT_EQ(served->boxes_asked_for(), 0);
  EXPECT_EQ(run({"sort", "/w/a"}).failed().name(), "ENOENT") << "that is followed, for it is to run";
}

TEST_F(Scripted, a_malformed_call_fails_as_ever) {
  serve(setting({command({"**"}, 0)}));
  EXPECT_EQ(run({""}).failed().name(), "EINVAL");
  EXPECT_EQ(run({"git", std::string("a\0b", 3)}).failed().name(), "EINVAL");
  wire::Request env = request({"git"});
  env.mutable_shell_run()->add_env()->set_name("ALOS_SOCKET");
  EXPECT_EQ(client->call(env).failed().operation(), "env");
  EXPECT_EQ(served->boxes_asked_for(), 0);
}

// ---- a program that is not there ----

TEST_F(Scripted, a_program_that_is_not_there_is_where_the_script_has_it) {
  serve(setting({command({"/usr/bin/kubectl", "apply", "**"}, 0), command({"/opt/tool"}, 0), command({"absent"}, 0)},
                {command_rule(Effect::deny, "/usr/bin/kubectl apply --force ...", "no-force")}));
  EXPECT_TRUE(run({"kubectl", "apply", "-f", "x"}).has_shell_run());
  EXPECT_EQ(served->journal().back().target, "shell.run /usr/bin/kubectl apply -f x");
  EXPECT_TRUE(run({"/usr/bin/kubectl", "apply"}).has_shell_run());
  EXPECT_EQ(run({"kubectl", "apply", "--force"}).denied().rule(), "no-force") << "the policy decides on that path";
  EXPECT_EQ(run({"tool"}).denied().request(), "fs.execute /opt/tool") << "where nothing may be executed";
  EXPECT_EQ(run({"absent"}).failed().name(), "ENOENT") << "a name alone says no place";
  EXPECT_EQ(run({"/bin/kubectl", "apply"}).failed().name(), "ENOENT") << "another place";
}

TEST_F(Scripted, what_no_line_answers_of_a_program_that_is_not_there_is_not_there) {
  ScriptLine once = command({"/usr/bin/kubectl", "apply"}, 0);
  once.times = 1;
  serve(setting({once}));
  const wire::Reply other = run({"kubectl", "get"});
  EXPECT_EQ(other.failed().name(), "ENOENT");
  EXPECT_THAT(other.failed().hint(), HasSubstr("no line of the script"));
  EXPECT_TRUE(run({"kubectl", "apply"}).has_shell_run());
  EXPECT_EQ(run({"kubectl", "apply"}).failed().name(), "ENOENT") << "used up";
  EXPECT_EQ(served->boxes_asked_for(), 0);
}

TEST_F(Scripted, what_its_caller_cannot_see_is_not_taken_for_absent) {
  serve(setting({command({"/bin/hidden/tool"}, 0), command({"/bin/plain"}, 0), command({"/bin/git/x"}, 0)}));
  served->make_directory("/bin/hidden", 0);
  served->write("/bin/plain", "no program", 0644);
  EXPECT_EQ(run({"/bin/hidden/tool"}).failed().name(), "EACCES");
  EXPECT_EQ(run({"tool"}).failed().name(), "ENOENT");
  served->make_directory("/bin/hidden");
  EXPECT_EQ(run({"/bin/plain"}).failed().name(), "EACCES") << "it is there, and no program";
  EXPECT_EQ(run({"plain"}).failed().name(), "ENOENT");
  EXPECT_TRUE(run({"/bin/git/x"}).has_shell_run()) << "nothing can be there";
}

TEST_F(Scripted, a_program_off_the_path_is_not_run_for_real) {
  serve(setting({command({"/usr/lib/tool", "x"}, 5)}));
  served->write("/usr/lib/tool", "#!", 0755);
  EXPECT_EQ(run({"tool", "x"}).shell_run().code(), 5);
  EXPECT_EQ(run({"tool", "y"}).failed().name(), "ENOENT");
  EXPECT_EQ(served->boxes_asked_for(), 0);
  EXPECT_EQ(run({"/usr/lib/tool", "y"}).failed().hint(), "no boxes here") << "by its path it is there";
}

TEST_F(Scripted, nothing_runs_where_only_the_broker_reads) {
  Setting brokered = setting({command({"/v/tool"}, 0)});
  policy::FileRule vault = rule(Effect::allow, kRead | Right::execute, {"/v/**"}, "vault");
  vault.brokered = true;
  brokered.policy.files.push_back(vault);
  brokered.brokered = true;
  serve(std::move(brokered));
  served->write(".brokered/v/file", "x");
  EXPECT_EQ(run({"/v/tool"}).failed().name(), "EACCES") << "nor is it told what is there";
  EXPECT_EQ(run({"tool"}).failed().name(), "ENOENT");
  served->write(".brokered/v/tool", "#!", 0755);
  EXPECT_EQ(run({"/v/tool"}).failed().name(), "EACCES");
  EXPECT_EQ(run({"tool"}).failed().name(), "ENOENT");
}

TEST_F(Scripted, links_lead_to_what_is_decided_on) {
  serve(setting({command({"/bin/link"}, 0), command({"/bin/here"}, 4)}));
  std::filesystem::create_symlink("secretly", served->root() + "/bin/link");
  std::filesystem::create_symlink("git", served->root() + "/bin/here");
  EXPECT_EQ(run({"/bin/link"}).denied().rule(), "secrets");
  EXPECT_EQ(run({"link"}).failed().name(), "ENOENT") << "as a search that passes over what it may not have";
  EXPECT_EQ(served->journal().size(), 1U)
      << "of denials: one place was looked at once, the other search was not denied";
  EXPECT_EQ(run({"here"}).shell_run().code(), 4) << "found by the name that the line has";
}

// ---- files ----

TEST_F(Scripted, a_call_of_files_fails_with_the_error_of_the_line) {
  serve(setting({line_of_file("fs.write", "/w/out/**", ENOSPC)}));
  const wire::Reply reply = client->call(write_request("/w/out/a", "content"));
  EXPECT_EQ(reply.failed().operation(), "fs.write");
  EXPECT_EQ(reply.failed().object(), "/w/out/a");
  EXPECT_EQ(reply.failed().name(), "ENOSPC");
  EXPECT_THAT(reply.failed().hint(), HasSubstr("script"));
  EXPECT_FALSE(reply.failed().partial());
  EXPECT_FALSE(served->exists("/w/out/a")) << "nothing happened";
  EXPECT_TRUE(client->call(write_request("/w/a", "content")).has_fs_write());
  const auto records = served->journal();
  EXPECT_EQ(records[1].outcome, "failed ENOSPC");
  EXPECT_EQ(records[1].scripted, "[0]");
  EXPECT_EQ(records[3].scripted, "");
}

TEST_F(Scripted, what_only_looks_is_recorded_where_the_script_answers) {
  serve(setting({line_of_file("fs.read", "/w/a", EIO)}));
  served->write("/w/a", "x");
  served->write("/w/b", "x");
  EXPECT_EQ(client->call(read_request("/w/a")).failed().name(), "EIO");
  EXPECT_TRUE(client->call(read_request("/w/b")).has_fs_read());
  const auto records = served->journal();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].scripted, "[0]");
  EXPECT_TRUE(records[0].waited_for);
}

TEST_F(Scripted, a_path_is_compared_with_what_is_reached) {
  serve(setting({line_of_file("fs.read", "/w/real", EIO), line_of_file("fs.read", "/w/link", EBADF)}));
  served->write("/w/real", "x");
  std::filesystem::create_symlink("real", served->root() + "/w/link");
  EXPECT_EQ(client->call(read_request("/w/link")).failed().name(), "EIO");
}

TEST_F(Scripted, a_denied_path_is_denied_by_its_rule) {
  serve(setting({line_of_file("fs.read", "/**", EIO), line_of_file("fs.write", "/**", EIO)}));
  served->write("/w/secret/a", "x");
  std::filesystem::create_symlink("secret/a", served->root() + "/w/link");
  for (const char* path : {"/w/secret/a", "/w/secret/absent", "/w/link"})
    EXPECT_EQ(client->call(read_request(path)).denied().rule(), "secrets") << path;
  EXPECT_EQ(client->call(write_request("/w/secret/a", "y")).denied().rule(), "secrets");
  EXPECT_EQ(client->call(read_request("/etc/shadow")).denied().rule(), "default");
  for (const Recorded& one : served->journal()) EXPECT_EQ(one.scripted, "");
}

TEST_F(Scripted, every_primitive_of_files_can_fail) {
  std::vector<ScriptLine> script;
  for (const std::string_view call : kScriptedFiles)
    script.push_back(line_of_file(std::string(call).c_str(), "/w/x/**", EIO));
  serve(setting(std::move(script)));
  served->write("/w/x/a", "x");
  wire::Request requests[10];
  requests[0] = read_request("/w/x/a");
  requests[1] = write_request("/w/x/a", "y");
  requests[2].mutable_fs_append()->set_path("/w/x/a");
  requests[3].mutable_fs_list()->set_path("/w/x");
  requests[4].mutable_fs_stat()->set_path("/w/x/a");
  requests[5].mutable_fs_mkdir()->set_path("/w/x/d");
  requests[6].mutable_fs_remove()->set_path("/w/x/a");
  requests[7].mutable_fs_rename()->set_from("/w/x/a");
  requests[7].mutable_fs_rename()->set_to("/w/b");
  requests[8].mutable_fs_copy()->set_from("/w/x/a");
  requests[8].mutable_fs_copy()->set_to("/w/b");
  requests[9].mutable_fs_open()->set_path("/w/x/a");
  for (size_t i = 0; i < std::size(requests); ++i) {
    const wire::Reply reply = client->call(requests[i]);
    EXPECT_EQ(reply.failed().name(), "EIO") << kScriptedFiles[i];
    EXPECT_EQ(reply.failed().operation(), kScriptedFiles[i]);
  }
  EXPECT_EQ(served->read("/w/x/a"), "x");
  EXPECT_FALSE(served->exists("/w/b"));
  EXPECT_FALSE(served->exists("/w/x/d"));
  requests[8].mutable_fs_copy()->set_from("/w/x2");
  requests[8].mutable_fs_copy()->set_to("/w/x/b");
  served->write("/w/x2", "x");
  EXPECT_EQ(client->call(requests[8]).failed().object(), "/w/x/b") << "either of two paths";
}

}  // namespace
}  // namespace alos::broker::test
