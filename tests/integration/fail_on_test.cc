#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/integration/harness.h"

// --fail-on deny: a program that goes on after a denial does not make a run that went well.
namespace alos::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// The supervisor takes the place of the front, and the broker is its child.
bool end_broker_of(pid_t supervisor) {
  const std::string task = "/proc/" + std::to_string(supervisor) + "/task/" + std::to_string(supervisor);
  std::ifstream children(task + "/children");
  for (pid_t child = 0; children >> child;) {
    std::string name;
    std::getline(std::ifstream("/proc/" + std::to_string(child) + "/comm"), name);
    if (name == "alos-broker") return ::kill(child, SIGKILL) == 0;
  }
  return false;
}

std::string script_of(const std::string& name) {
  std::ifstream script(std::string(ALOS_BROKER_DIRECTORY) + "/" + name);
  return {std::istreambuf_iterator<char>(script), {}};
}

size_t times(const std::string& text, const std::string& part) {
  size_t out = 0;
  for (size_t at = 0; (at = text.find(part, at)) != text.npos; ++at) ++out;
  return out;
}

// Of a server of the host's.
UniqueFd socket_at(const std::string& path) {
  UniqueFd out(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) return {};
  std::ranges::copy(path, address.sun_path);
  if (::bind(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  if (::listen(out.get(), 1) != 0) return {};
  return out;
}

class FailOn : public InBothModes {
 protected:
  Outcome run(const std::string& script, std::vector<std::string> flags) {
    return world().shell("strict", script, {}, std::move(flags));
  }
  // Whose agent has its workspace, but for what `rules` say of files and more.
  std::string in_a_workspace(const std::string& name, const std::string& rules) {
    return world().policy(name, "alos: 1\nabout: " + name +
                                    "\nextends: base\nvars: {workspace: dir}\nworkspace: layer\nfiles:\n"
                                    "  tree: {allow: rwx, path: $workspace/**}\n" +
                                    rules);
  }
};

TEST_P(FailOn, a_swallowed_denial_fails_the_run_and_is_said) {
  const Outcome outcome = run("alos-call fs.read /etc/shadow || true; echo went on", {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("went on"));
  EXPECT_THAT(outcome.err, HasSubstr("--fail-on deny: 1 denied"));
  EXPECT_THAT(outcome.err, HasSubstr("fs.read /etc/shadow (rule 'default'"));
  EXPECT_EQ(outcome.end().value("failed_on", ""), "deny");
  EXPECT_EQ(outcome.end().value("code", -1), 1);
}

// A deny that names a directory covers it: what is below is as denied as its own name, by whatever primitive, and by
// the rule that policy.why and explain name.
TEST_P(FailOn, what_lies_below_a_directory_that_a_deny_names_is_denied) {
  world().write(".env/key", "secret");
  world().write("kept/file", "as it is");
  const std::string policy = in_a_workspace("below",
                                            "  secrets: {deny: rwx, path: $workspace/**/.env*}\n"
                                            "  kept: {deny: wx, path: $workspace/kept}\n");
  const std::vector<std::pair<std::string, std::string>> calls{{"fs.read", "$PWD/.env/key"},
                                                               {"fs.stat", "$PWD/.env/key"},
                                                               {"fs.list", "$PWD/.env/d"},
                                                               {"fs.write", "$PWD/.env/new --content x"},
                                                               {"fs.open", "$PWD/.env/key"},
                                                               {"fs.copy", "$PWD/.env/key $PWD/mine"},
                                                               {"fs.read", "$PWD/led/key"},
                                                               {"shell.run", "-- $PWD/.env/key"},
                                                               {"fs.write", "$PWD/kept/file --content x"},
                                                               {"fs.append", "$PWD/kept/file --content x"},
                                                               {"fs.mkdir", "$PWD/kept/d"},
                                                               {"fs.remove", "$PWD/kept/file"},
                                                               {"fs.rename", "$PWD/kept/file $PWD/mine"},
                                                               {"fs.rename", "$PWD/here $PWD/kept/new"},
                                                               {"fs.copy", "$PWD/here $PWD/kept/new"}};
  for (const auto& [call, words] : calls) {
    SCOPED_TRACE(call + " " + words);
    const Outcome outcome =
        world().shell(policy, "echo x > here; ln -s .env led; alos-call " + call + " " + words + "; true", {},
                      {"--fail-on", "deny", "--fresh"});
    EXPECT_EQ(outcome.code, 1) << outcome.out << outcome.err;
    const std::string rule = words.find("kept") == words.npos ? "secrets" : "kept";
    EXPECT_THAT(outcome.err, HasSubstr("(rule '" + rule + "'"));
    EXPECT_THAT(outcome.out, HasSubstr("in the rule, and add the path to its 'except'"));
  }
  const Outcome fine = world().shell(policy,
                                     "alos-call fs.read $PWD/kept/file && alos-call fs.read $PWD/.env/none/x; "
                                     "alos-call policy.why \"fs.read $PWD/.env/key\"");
  EXPECT_THAT(fine.out, HasSubstr("as it is")) << fine.err;
  const size_t why = fine.out.rfind("\n{");
  EXPECT_THAT(fine.out.substr(why == fine.out.npos ? 0 : why),
              AllOf(HasSubstr("\"effect\":\"deny\""), HasSubstr("\"rule\":\"secrets\"")));
}

TEST_P(FailOn, without_it_the_code_is_the_program_s) {
  const Outcome outcome = run("alos-call fs.read /etc/shadow || true", {});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_FALSE(outcome.end().contains("failed_on"));
}

TEST_P(FailOn, where_nothing_was_denied_the_code_is_the_program_s) {
  const Outcome outcome = run("alos-call clock.now", {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_FALSE(outcome.end().contains("failed_on"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("--fail-on")));
}

TEST_P(FailOn, a_code_of_the_program_s_own_stays) {
  const Outcome outcome = run("alos-call fs.read /etc/shadow; exit 7", {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 7);
  EXPECT_EQ(outcome.end().value("failed_on", ""), "deny");
}

TEST_P(FailOn, the_first_denials_are_named_once_each_and_all_are_counted) {
  const Outcome outcome = run("for i in 1 1 1 2 3 4; do alos-call fs.read /srv/$i; done; true", {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("6 denied"));
  EXPECT_THAT(outcome.err, HasSubstr("  fs.read /srv/3"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("  fs.read /srv/4 (rule")));
}

TEST_P(FailOn, no_denial_is_lost_among_records_that_are_long) {
  world().write("long.py", script_of("long_records.py"));
  const std::string policy = in_a_workspace("long", "limits: {wall: 60s}\n");
  const Outcome outcome = world().shell(policy, "/usr/bin/python3 long.py", {}, {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_EQ(outcome.out, "answered all\n") << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("4 denied"));
  EXPECT_EQ(outcome.end()["calls"].value("fs.read denied", 0), 4) << outcome.end();
  EXPECT_EQ(outcome.end()["calls"].value("fs.rename", 0), 27) << outcome.end();
  EXPECT_FALSE(outcome.end().contains("calls_unknown"));
}

// A run has its share of the audit log. Whoever uses it up hides nothing: that there was more is said where it counts.
TEST_P(FailOn, denials_that_the_audit_log_has_no_room_for_are_counted_and_said) {
  world().write("flood.py",
                "import alos\n"
                "def ask(word):\n"
                "    try: alos.shell.run(['/usr/bin/env', word])\n"
                "    except alos.Denied: pass\n"
                "for i in range(300): ask(str(i % 100) + 'y' * 8000)\n"
                "for i in range(2200): ask(str(i) + 'x' * 60000)\n"
                "print('tried')\n");
  const std::string policy =
      in_a_workspace("flood", "commands: {no: {deny: /usr/bin/env ..., reason: no}}\nlimits: {wall: 300s}\n");
  const Outcome outcome =
      world().shell(policy, "PYTHONPATH=/alos/python /usr/bin/python3 flood.py; alos-call fs.write /srv/x --content y",
                    {.timeout = std::chrono::seconds(280)}, {"--fail-on", "deny"});
  EXPECT_THAT(outcome.out, HasSubstr("tried\n")) << outcome.err;
  const auto refused = outcome.end().value("records_refused", uint64_t{0});
  EXPECT_GT(refused, 0U) << outcome.end();
  EXPECT_EQ(outcome.end()["calls"].value("shell.run denied", 0), 2500) << outcome.end();
  EXPECT_THAT(outcome.err, HasSubstr(std::to_string(refused) + " denials and outcomes of this run"));
  EXPECT_THAT(outcome.err, HasSubstr("2501 denied"));
  // What is recorded, what is counted, and what there was no room for, are all.
  uint64_t told = 0, in_end = 0;
  std::istringstream log(world().call({"alos", "audit", "show", "--json"}).out);
  for (std::string line; std::getline(log, line);) {
    const auto record = nlohmann::json::parse(line);
    const auto detail = record.value("detail", nlohmann::json::object());
    if (record.value("decision", "") == "deny") told += detail.value("repeated", uint64_t{1});
    if (record.value("action", "") == "run.end") in_end = detail.value("records_refused", uint64_t{0});
  }
  EXPECT_EQ(in_end, refused);
  EXPECT_EQ(told + refused, 2501U);
}

// Its box shows it as a file without rights: what it is denied by is the rule.
TEST_P(FailOn, a_program_that_a_deny_takes_is_denied_by_its_rule) {
  world().write("tac", "#!/bin/sh\n");
  world().write("kept/bin/tac", "#!/bin/sh\n");
  for (const std::string& taken : {std::string("rx, path: /usr/bin/tac"), std::string("x, path: /usr/bin/tac"),
                                   std::string("rx, path: [/usr/bin/tac, $workspace/kept/**]")}) {
    SCOPED_TRACE(taken);
    const std::string policy = in_a_workspace("taken", "  no: {deny: " + taken + "}\nlimits: {wall: 60s}\n");
    const Outcome outcome = world().shell(
        policy,
        "for each in tac /usr/bin/tac; do alos-call shell.run -- $each tac; done; alos-call shell.run -- ./tac; "
        "alos-call shell.run -- kept/bin/tac; true",
        {}, {"--fail-on", "deny"});
    EXPECT_EQ(outcome.code, 1) << outcome.out << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(taken.find("kept") != taken.npos ? "3 denied" : "2 denied")) << outcome.out;
    EXPECT_THAT(outcome.err, HasSubstr("fs.execute /usr/bin/tac (rule 'no'"));
    EXPECT_THAT(outcome.out, HasSubstr("it is no program")) << "the file without rights of the workspace";
  }
}

// By a link into what a deny hides whole: what is there is not told, and what it is denied by is.
TEST_P(FailOn, what_a_link_leads_to_where_nothing_is_shown_is_denied_by_its_rule) {
  const std::string hid = world().root() + "/hid";
  world().write(hid + "/d/sub/real", "#!/bin/sh\n");
  ASSERT_EQ(world().call({"chmod", "+x", hid + "/d/sub/real"}).code, 0);
  const std::string policy =
      in_a_workspace("linked", "  hid: {allow: rx, path: " + hid + "/**}\n  no: {deny: rx, path: " + hid +
                                   "/d/**}\nlimits: {wall: 60s}\n");
  const Outcome outcome =
      world().shell(policy,
                    "ln -s " + hid + "/d/sub/real R; ln -s " + hid + "/d D; ln -s D E; ln -s " + hid +
                        "/d/none/none N\n"
                        "for each in R D/sub/real E/sub/real N; do alos-call fs.read $PWD/$each; alos-call shell.run "
                        "-- ./$each; done; true",
                    {}, {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 1) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("8 denied")) << outcome.out;
  // What ".." is of a directory that is not shown is not told either.
  const Outcome back =
      world().shell(policy, "ln -s " + hid + "/d/sub/../../../../../../etc/passwd P; alos-call fs.read $PWD/P; true",
                    {}, {"--fail-on", "deny"});
  EXPECT_THAT(back.err, AllOf(HasSubstr("1 denied"), HasSubstr("(rule 'no'"))) << back.out;
  EXPECT_THAT(outcome.out, Not(HasSubstr("\"failed\""))) << outcome.out;
  EXPECT_THAT(outcome.err, Not(HasSubstr("'default'")));
}

// The box takes such a file under every name that it has.
TEST_P(FailOn, what_a_deny_takes_by_another_name_is_denied) {
  const std::string out = world().root() + "/out";
  world().write(out + "/bin/tool", "#!/bin/sh\n");
  ASSERT_EQ(world().call({"chmod", "+x", out + "/bin/tool"}).code, 0);
  ASSERT_EQ(world().call({"ln", out + "/bin/tool", out + "/bin/hard"}).code, 0);
  const UniqueFd server = socket_at(out + "/bin/socket");
  std::filesystem::create_hard_link(out + "/bin/socket", out + "/bin/socket2");
  const std::string policy = in_a_workspace(
      "other", "  out: {allow: rx, path: " + out + "/**}\n  no: {deny: rx, path: [" + out + "/bin/tool, " + out +
                   "/bin/socket]}\nlimits: {wall: 60s}\nenv: {set: {PATH: \"/alos/bin:" + out + "/bin:/usr/bin\"}}\n");
  const Outcome outcome =
      world().shell(policy,
                    "alos-call shell.run -- " + out +
                        "/bin/hard; alos-call shell.run -- hard; "
                        "alos-call fs.read " +
                        out + "/bin/hard; ln -s " + out + "/bin/hard L; alos-call fs.read $PWD/L; alos-call fs.copy " +
                        out + "/bin/hard $PWD/copy; alos-call fs.read " + out + "/bin/socket2; alos-call fs.open " +
                        out + "/bin/hard; true",
                    {}, {"--fail-on", "deny"});
  EXPECT_THAT(outcome.err, HasSubstr("--fail-on deny: 6 denied")) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("by this or another of its names"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("it is no program")));
  EXPECT_THAT(outcome.out, HasSubstr("it is not in this agent's PATH"))
      << "as a shell, which finds none that it can run";
}

// Nor is what every box hides of the kernel's and of the host's a denial of the policy's.
TEST_P(FailOn, what_no_deny_takes_is_none) {
  const std::string out = world().root() + "/out";
  world().write(out + "/file", "x");
  const UniqueFd server = socket_at(out + "/sock");
  const std::string policy =
      in_a_workspace("kernel", "  out: {allow: rwx, path: " + out + "/**}\nlimits: {wall: 60s}\n");
  const Outcome outcome = world().shell(policy,
                                        "for each in /proc/keys /proc/kallsyms " + out +
                                            "/sock; do alos-call fs.read "
                                            "$each; alos-call shell.run -- $each; done; true",
                                        {}, {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, Not(HasSubstr("denied")));
  EXPECT_EQ(times(outcome.out, "\"EACCES\""), 6U) << outcome.out;
}

// Only the names that led to a program are its names, however links and dots are mixed.
TEST_P(FailOn, a_program_is_not_denied_by_a_name_that_it_was_not_reached_by) {
  const std::string policy = in_a_workspace("names",
                                            "  no: {deny: x, path: [$workspace/t, $workspace/lk3, $workspace/lk4/..t, "
                                            "$workspace/lk5/t]}\nlimits: {wall: 60s}\n");
  const Outcome outcome =
      world().shell(policy,
                    "mkdir -p a/b; cp /usr/bin/true a/t; ln -s a/b lk; ln -s lk/.. dl; ln -s lk/../t go; "
                    "ln -s $(printf './%.0s' {1..2035})a far; mkdir -p d/sub; cp /usr/bin/true d/..t; ln -s d lk3; "
                    "ln -s lk3/sub/../..t g3; mkdir -p f/g h; cp /usr/bin/true f/t; ln -s ../f/g h/sub; ln -s h lk5; "
                    "ln -s lk5/sub/../t g6\n"
                    "for each in dl/t ./go far/t ./g3 ./g6; do alos-call shell.run -- $each; done; "
                    "alos-call shell.run -- /proc/self/exe; true",
                    {}, {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_EQ(times(outcome.out, "\"started\":true"), 5U) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("\"ENOENT\"")) << "what /proc is of the broker's is not there";
  const Outcome by_name =
      world().shell(policy,
                    "mkdir -p e/sub; cp /usr/bin/true e/..t; ln -s e lk4; ln -s lk4/..t g4; "
                    "ln -s lk4/sub/../..t g5; alos-call shell.run -- ./g4; alos-call shell.run -- ./g5; true",
                    {}, {"--fail-on", "deny"});
  EXPECT_THAT(by_name.err, HasSubstr("2 denied")) << by_name.out;
}

// What a whole directory hides is looked for as if nothing were there, and the script has its say.
TEST_P(FailOn, a_program_that_is_nowhere_is_not_denied_by_what_hides_a_place_of_the_path) {
  const std::string policy = in_a_workspace("hidden", "  no: {deny: rx, path: /usr/local/**}\nlimits: {wall: 60s}\n");
  world().write("lines.json",
                R"([{"call": "shell.run", "argv": ["/usr/bin/deploy", "**"], "code": 0, "out": "deployed"}])");
  const Outcome outcome = world().shell(policy, "alos-call shell.run -- nosuchprogram; alos-call shell.run -- deploy x",
                                        {}, {"--fail-on", "deny", "--script", world().workspace() + "/lines.json"});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("it is not in this agent's PATH"));
  EXPECT_THAT(outcome.out, HasSubstr("deployed"));
}

// As a shell would look for it.
TEST_P(FailOn, a_program_that_a_deny_takes_is_looked_for_further_on_the_path) {
  world().write("bin/tac", "#!/bin/sh\necho mine\n");
  ASSERT_EQ(world().call({"chmod", "+x", "bin/tac"}).code, 0);
  world().write("lines", "a\nb\n");
  const std::string policy =
      in_a_workspace("further", "  no: {deny: rx, path: $workspace/bin/*}\nenv: {set: {PATH: \"" + world().workspace() +
                                    "/bin:/usr/bin\"}}\nlimits: {wall: 60s}\n");
  const Outcome outcome =
      world().shell(policy, "/alos/bin/alos-call shell.run -- tac lines", {}, {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("b\\na\\n")) << "in JSON";
}

TEST_P(FailOn, a_broker_that_is_ended_leaves_it_unknown_what_was_denied) {
  auto argv = world().run_arguments("strict", {"--fail-on", "deny"});
  for (const char* word : {"--", "/bin/sh", "-c", "alos-call clock.now; echo called; sleep 5"}) argv.emplace_back(word);
  const auto running = world().start(argv);
  ASSERT_TRUE(wait_for(running, "called\n"));
  ASSERT_TRUE(end_broker_of(running.pid));
  int status = 0;
  ASSERT_EQ(::waitpid(running.pid, &status, 0), running.pid);
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

// What is under way when the box ends is told of, and leaves nothing behind.
TEST_P(FailOn, a_box_that_ends_in_the_middle_of_its_calls_leaves_nothing_unsaid) {
  const std::string where = world().root() + "/out";
  ASSERT_EQ(::mkdir(where.c_str(), 0777), 0);
  ASSERT_EQ(::chmod(where.c_str(), 0777), 0);
  world().write("leave.py", script_of("leave.py"));
  const std::string policy = world().policy(
      "leave",
      "alos: 1\nabout: calls at the end\nextends: base\nvars: {workspace: dir}\nworkspace: layer\nfiles:\n"
      "  tree: {allow: rwx, path: $workspace/**}\n  out: {allow: rw, path: " +
          where + "/**, audit: each}\nlimits: {wall: 60s}\n");
  world().write(where + "/source", "content");
  ASSERT_EQ(::mkdir((where + "/many").c_str(), 0755), 0);
  for (int i = 0; i < 20'000 / ALOS_PART; ++i)
    world().write(where + "/many/a name of some length " + std::to_string(i), "");
  for (const std::string kind : {"look", "sleep", "run", "write", "list"})
    for (const std::string served : {"", " served"})
      for (int round = 0; round < 3; ++round) {
        SCOPED_TRACE(kind + served);
        const Outcome outcome = world().shell(
            policy, "PYTHONPATH=/alos/python exec /usr/bin/python3 leave.py " + kind + " " + where + served, {},
            {"--fail-on", "deny", "--fresh"});
        EXPECT_EQ(outcome.code, 0) << outcome.err;
        EXPECT_THAT(outcome.err, Not(HasSubstr("broker"))) << outcome.err;
        EXPECT_FALSE(outcome.end().contains("calls_unknown"));
      }
  int written = 0;
  for (const auto& entry : std::filesystem::directory_iterator(where)) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
    ++written;
  }
  EXPECT_GT(written, 0) << "there must be something that is under way";
}

TEST_P(FailOn, what_the_broker_itself_refuses_is_denied) {
  const std::string book = world().root() + "/books/a";
  ASSERT_EQ(::mkdir((world().root() + "/books").c_str(), 0755), 0);
  world().write(book, "read by primitives alone");
  const std::string policy =
      world().policy("books", "alos: 1\nabout: read by the broker\nextends: base\nfiles:\n  books: {allow: r, path: " +
                                  world().root() + "/books/**, audit: each}\n");
  const Outcome outcome = world().shell(policy, "alos-call fs.open " + book + "; true", {}, {"--fail-on", "deny"});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("fs.open " + book + " (rule 'broker'"));
}

TEST_P(FailOn, an_unknown_word_is_refused_and_nothing_runs) {
  const Outcome outcome = run("echo ran", {"--fail-on", "ask"});
  EXPECT_EQ(outcome.code, 125);
  EXPECT_EQ(outcome.out, "");
}

INSTANTIATE_TEST_SUITE_P(Modes, FailOn, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
