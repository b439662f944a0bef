// What a hostile review found in runs that a rule of `commands` gives more files than the agent has: ways to have such
// a run read or write for the agent what only the run may.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

class ElevatedReview : public InBothModes {
 protected:
  void SetUp() override {
    InBothModes::SetUp();
    if (!world_) return;
    outside_ = world().root() + "/outside";
    files_ = "  pub: {allow: r, path: " + pub("**") + "}\n";
    world().write("file", "in the workspace\n");
    world().write(pub("plain"), "for everybody\n");
    world().write(data("key"), "the key\n");
  }
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }

  std::string pub(const std::string& name) const { return outside_ + "/pub/" + name; }
  std::string data(const std::string& name) const { return outside_ + "/data/" + name; }

  // The reply of one shell.run, and its exit code as "code". `usage` is the rule's, `files` what it gives.
  json run(const std::string& usage, const std::string& files, const std::string& words,
           const std::string& before = "") {
    const std::string policy =
        world().policy("elevated",
                       "alos: 1\nabout: runs with more files\nextends: base\nvars: {workspace: dir}\nworkspace: layer\n"
                       "files:\n  tree: {allow: rwx, path: $workspace/**}\n" +
                           files_ + "commands:\n  show: {allow: \"" + usage + "\", files: " + files + "}\n" +
                           more_commands_ + "limits: {wall: 60s}\n");
    const Outcome out = world().shell(
        policy,
        before + "\nalos-call shell.run " + options_ + "-- " + words + " 2>/dev/null; echo \"{\\\"code\\\":$?}\"", {},
        {"--fresh"});
    json reply;
    std::istringstream in(out.out);
    for (std::string line; std::getline(in, line);)
      if (line.starts_with('{')) reply.update(json::parse(line, nullptr, false));
    if (!reply.contains("code") || reply.size() < 2) return {{"out", out.out}, {"err", out.err}};
    return reply;
  }
  static std::string output(const json& reply) { return reply.value("ok", json::object()).value("output", ""); }
  static std::string rule(const json& reply) { return reply.value("ok", json::object()).value("rule", ""); }

  std::string outside_, files_, more_commands_, options_;
};

// "/" is where a command starts that is called from where the agent writes; a relative name must mean the same there.
TEST_P(ElevatedReview, a_relative_path_means_what_it_meant_to_the_caller) {
  const std::string of_key = data("key").substr(1), own = "mkdir -p ." + outside_ + "/data; echo own > " + of_key;
  const json read = run("/usr/bin/cat <file:path:r>", "{r: [" + data("key") + "]}", "cat " + of_key, own);
  EXPECT_EQ(output(read), "own\n") << read;
  EXPECT_EQ(rule(read), "show") << read;
  const json write = run("/usr/bin/tee <file:path:w>", "{w: [" + data("key") + "]}", "tee " + of_key, own);
  EXPECT_EQ(rule(write), "show") << write;
  EXPECT_EQ(world().read(data("key")), "the key\n");
  // What is given is what was decided on.
  const json said = run("/usr/bin/ls [-d] <file:path:r>", "{r: [" + data("key") + "]}", "ls -d ../pub/./plain",
                        "cd " + pub("") + "../pub");
  EXPECT_EQ(output(said), pub("plain") + "\n") << said;
}

TEST_P(ElevatedReview, no_file_of_the_kernel_s_is_handed_to_a_run) {
  const std::string rest = "/root" + data("key");
  for (const std::string& path :
       {"/proc/self" + rest, "/proc/self/cwd" + data("key"), "/proc/1" + rest, "/proc/thread-self" + rest,
        "/proc/self/task/1" + rest, std::string("/proc/self/environ"), std::string("/dev/stdin"),
        std::string("/dev/fd/0"), std::string("/sys/kernel/x"), "/usr/../proc/self" + rest, std::string("linked")}) {
    SCOPED_TRACE(path);
    const json reply =
        run("/usr/bin/cat <file:path:r>", "{r: [" + data("key") + "]}", "cat " + path, "ln -s /proc/version linked");
    ASSERT_TRUE(reply.contains("denied")) << reply;
    EXPECT_EQ(reply["denied"]["layer"], "broker") << reply;
    EXPECT_THAT(reply["denied"].value("reason", ""), HasSubstr("which leads to its own files")) << reply;
  }
  const json magic = run("/usr/bin/cat <file:path:r>", "{r: [" + data("key") + "]}", "cat linked",
                         "ln -s /proc/self" + rest + " linked");
  EXPECT_FALSE(magic.contains("ok")) << magic;
}

TEST_P(ElevatedReview, a_link_of_the_host_hands_over_nothing_that_the_caller_has_not) {
  fs::create_symlink("../data/key", pub("link"));
  fs::create_symlink("plain", pub("another"));
  fs::create_directory_symlink("../data", pub("directory"));
  const std::string usage = "/usr/bin/cat [--] <file:path:r>", files = "{r: [" + data("") + "**]}";
  for (const std::string& path : {pub("link"), pub("directory/key")}) {
    SCOPED_TRACE(path);
    const json read = run(usage, files, "cat " + path);
    EXPECT_EQ(read.value("denied", json::object()).value("rule", ""), "default") << read;
    const json written = run("/usr/bin/tee <file:path:w>", "{w: [" + data("") + "**]}", "tee " + path);
    EXPECT_FALSE(written.contains("ok")) << written;
  }
  EXPECT_EQ(world().read(data("key")), "the key\n");
  const json own = run(usage, files, "cat " + pub("another"));
  EXPECT_EQ(output(own), "for everybody\n") << own;
  EXPECT_EQ(rule(own), "show") << own;
  // A link that the agent makes when it was decided on the file in its place: the run follows none of its links.
  const json raced =
      run(usage, files, "cat file",
          "(while :; do ln -sf " + data("key") + " other; mv other file; echo x > other; mv other file; done) &");
  EXPECT_THAT(raced.dump(), Not(HasSubstr("the key"))) << raced;
}

// Nor does it take away what the agent's boxes mount: the next one would be given what is there then.
TEST_P(ElevatedReview, a_run_that_writes_a_tree_renames_no_directory_above_what_the_agent_is_given_of_it) {
  world().write(data("x/b/f"), "orig\n");
  ASSERT_EQ(world().call({"chmod", "-R", "a+rwX", data("")}).code, 0);
  const std::string given = "  b: {allow: rx, path: " + data("x/b/**") + "}\n", move = data("x") + " " + data("y");
  for (const std::string& denied : {std::string(), "  d: {deny: w, path: " + data("x/b/**") + "}\n"}) {
    SCOPED_TRACE(denied);
    files_ = given + denied;
    const json moved = run("/usr/bin/mv " + move, "{w: [" + data("**") + "]}", "mv " + move);
    EXPECT_EQ(rule(moved), "show") << moved;
    EXPECT_THAT(moved.dump(), HasSubstr("busy"));
    EXPECT_EQ(world().read(data("x/b/f")), "orig\n");
  }
}

// Denies hold for an elevated run as for the agent: in what the rule gives it, and in what it hides of the agent's.
TEST_P(ElevatedReview, what_a_deny_takes_away_an_elevated_run_has_not_either) {
  world().write(data("sub/a.secret"), "the secret\n");
  world().write(data("sub/a.text"), "the text\n");
  world().write(data("state/locked"), "locked\n");
  world().write(data("state/open"), "open\n");
  fs::create_hard_link(data("sub/a.secret"), data("sub/another"));
  const std::string secrets = "  secrets: {deny: r, path: \"" + outside_ + "/**/*.secret\"}\n";
  files_ = secrets;
  const std::string files = "{r: [" + data("**") + "]}";
  const json found = run("/usr/bin/grep -r the " + data("sub"), files, "grep -r the " + data("sub"));
  EXPECT_EQ(rule(found), "show") << found;
  EXPECT_THAT(found.dump(), AllOf(HasSubstr("the text"), Not(HasSubstr("the secret")))) << found;

  for (const char* name : {"state/locked", "state/open"}) fs::permissions(data(name), fs::perms(0666));
  options_ = "--stdin more ";
  files_ = "  locked: {deny: w, path: " + data("state/locked") + "}\n";
  for (const std::string name : {"open", "locked"}) {
    const std::string words = "tee -a " + data("state/" + name);
    const json wrote = run("/usr/bin/" + words, "{w: [" + data("state/**") + "]}", words);
    EXPECT_EQ(rule(wrote), "show") << wrote;
  }
  EXPECT_EQ(world().read(data("state/open")), "open\nmore");
  EXPECT_EQ(world().read(data("state/locked")), "locked\n");

  options_.clear();
  // The agent has the directory around it, without it, and without the secrets.
  files_ = "  all: {allow: r, path: " + outside_ + "/**, except: " + data("sub/**") + "}\n" + secrets;
  const json inside =
      run("/usr/bin/grep -r the " + outside_, "{r: [" + data("sub/**") + "]}", "grep -r the " + outside_);
  EXPECT_EQ(rule(inside), "show") << inside;
  EXPECT_THAT(inside.dump(), AllOf(HasSubstr("the text"), HasSubstr("the key"), Not(HasSubstr("the secret"))))
      << inside;
}

TEST_P(ElevatedReview, a_directory_that_leads_on_is_not_handed_over) {
  files_ = "  all: {allow: r, path: " + outside_ + "/**, except: " + data("**") + "}\n";
  fs::create_symlink("../data/key", pub("link"));
  const std::string usage = "/usr/bin/grep -R the <directory:path:r>", files = "{r: [" + data("**") + "]}";
  for (const std::string& path : {outside_, pub("")}) {
    SCOPED_TRACE(path);
    const json reply = run(usage, files, "grep -R the " + path);
    ASSERT_TRUE(reply.contains("denied")) << reply;
    EXPECT_THAT(reply["denied"].value("reason", ""), HasSubstr("leads the run on")) << reply;
  }
  const json own = run(usage, files, "grep -R the .", "ln -s " + data("key") + " key");
  EXPECT_EQ(rule(own), "show") << own;
  EXPECT_THAT(own.dump(), AllOf(HasSubstr("in the workspace"), Not(HasSubstr("the key")))) << own;
}

// A place that the agent writes and that lies in what the rule gives: there is but one way to it in the run.
TEST_P(ElevatedReview, no_link_of_the_agent_s_is_followed_in_what_the_rule_gives) {
  world().write(data("own/file"), "written by the agent\n");
  for (const char* name : {"own", "own/file"}) fs::permissions(data(name), fs::perms(0777));
  files_ = "  own: {allow: rw, path: " + data("own/**") + "}\n";
  const std::string usage = "/usr/bin/cat " + data("own/file"), files = "{r: [" + data("**") + "]}";
  const json before = run(usage, files, "cat " + data("own/file"));
  EXPECT_EQ(output(before), "written by the agent\n") << before;
  EXPECT_EQ(rule(before), "show") << before;
  const json linked = run(usage, files, "cat " + data("own/file"), "ln -sf " + data("key") + " " + data("own/file"));
  EXPECT_TRUE(fs::is_symlink(data("own/file")));
  EXPECT_EQ(rule(linked), "show") << linked;
  EXPECT_EQ(output(linked), "") << linked;
}

// Where the agent does not write, others may for it: by another name of the directory, or by another command.
TEST_P(ElevatedReview, no_link_is_followed_on_the_way_to_what_is_handed_over_nor_below_it) {
  world().write(pub("own/file"), "written by the agent\n");
  world().write(pub("own/host/plain"), "the host's\n");
  fs::create_symlink(data("key"), pub("own/host/link"));
  for (const char* name : {"own", "own/file"}) fs::permissions(pub(name), fs::perms(0777));
  files_ = "  own: {allow: rw, path: " + pub("own/**") + ", except: " + pub("own/host/**") + "}\n" +
           "  host: {allow: r, path: " + pub("own/host/**") + "}\n";
  const json below =
      run("/usr/bin/grep -R the <directory:path:r>", "{r: [" + data("key") + "]}", "grep -R the " + pub("own"));
  EXPECT_EQ(rule(below), "show") << below;
  EXPECT_THAT(below.dump(), AllOf(HasSubstr("the agent"), HasSubstr("the host's"), Not(HasSubstr("the key")))) << below;
  const auto mounts = [&](const std::string& of_rule, const std::string& file) {
    const json shown =
        run("/usr/bin/cat /proc/self/mountinfo <file:path:r>", of_rule, "cat /proc/self/mountinfo " + file);
    EXPECT_EQ(rule(shown), "show") << shown;
    std::istringstream in(output(shown));
    std::string found;
    for (std::string line; std::getline(in, line);)
      if (line.contains(outside_)) found += line + "\n";
    return found;
  };
  files_ = "  pub: {allow: r, path: " + pub("**") + "}\n";
  EXPECT_THAT(mounts("{r: [" + data("key") + "]}", pub("plain")), ContainsRegex("/pub [a-z,]*nosymfollow"));
  EXPECT_THAT(mounts("{r: [" + data("key") + "]}", "file"), Not(ContainsRegex("/pub [a-z,]*nosymfollow")))
      << "what else it has is as the policy's author sees it";
  // What the rule gives lies over the agent's own.
  EXPECT_THAT(mounts("{w: [" + pub("**") + "]}", pub("plain")), ContainsRegex("/pub rw,[a-z,]*nosymfollow"));
}

// What the agent writes is its own, whatever lies around it and whatever of it is denied.
TEST_P(ElevatedReview, what_is_written_is_handed_over_wherever_it_lies) {
  files_ = "  around: {allow: rx, path: " + world().root() + "/**, except: " + data("**") + "}\n" +
           "  fixed: {deny: w, path: $workspace/fixed}\n";
  world().write("fixed", "for good\n");
  for (const std::string file : {"file", "fixed"}) {
    const json read = run("/usr/bin/cat <file:path:r>", "{r: [" + data("key") + "]}", "cat " + file);
    EXPECT_EQ(rule(read), "show") << read;
    EXPECT_EQ(output(read), file == "file" ? "in the workspace\n" : "for good\n") << read;
  }
}

// What a run is given in a directory that is hidden, by a link here, is closed with it; the run is one all the same.
TEST_P(ElevatedReview, what_is_given_where_a_deny_hides_it_is_closed) {
  fs::create_directory(pub("sub"));
  fs::create_directory_symlink("sub", pub("other"));
  files_ = "  pub: {allow: r, path: " + pub("**") + "}\n  no: {deny: r, path: " + pub("other") + "}\n";
  const json reply = run("/usr/bin/tee <file:path:w>", "{w: [" + pub("sub/**") + "]}", "tee file");
  EXPECT_EQ(rule(reply), "show") << reply;
}

TEST_P(ElevatedReview, what_lies_among_programs_is_not_handed_over) {
  const json refused = run("/usr/bin/cat <file:path:r>", "{r: [" + data("key") + "]}", "cat /usr/bin/env");
  ASSERT_TRUE(refused.contains("denied")) << refused;
  EXPECT_THAT(refused["denied"].value("reason", ""), HasSubstr("whose links the run itself needs")) << refused;
}

// By the rules these are no programs, by the mount they lie among some: what the launcher alone refuses is a denial.
TEST_P(ElevatedReview, what_the_launcher_refuses_is_denied_as_what_the_broker_does) {
  files_ = "  pub: {allow: rx, path: " + pub("**") + "}\n  no: {deny: x, path: " + pub("docs/**") + "}\n";
  world().write(pub("docs/d"), "text\n");
  const json reply = run("/usr/bin/cat <file:path:r>", "{r: [" + data("key") + "]}", "cat " + pub("docs/d"));
  ASSERT_TRUE(reply.contains("denied")) << reply;
  EXPECT_EQ(reply["denied"].value("request", ""), "shell.run /usr/bin/cat " + pub("docs/d"));
  EXPECT_EQ(reply["denied"].value("layer", ""), "broker");
  EXPECT_THAT(reply["denied"].value("reason", ""),
              AllOf(HasSubstr("whose links the run itself needs"), HasSubstr(pub("docs/d"))));
  EXPECT_NE(reply["denied"].value("remedy", ""), "");
  EXPECT_EQ(reply["code"], 1) << "alos-call's for a denial";
  EXPECT_THAT(world().call({"alos", "audit", "show", "--json"}).out, HasSubstr(pub("docs/d")));
  // Whenever the caller gives up, and however long the name is.
  options_ = "--timeout-ms 0 ";
  EXPECT_TRUE(
      run("/usr/bin/cat <file:path:r>", "{r: [" + data("key") + "]}", "cat " + pub("docs/d")).contains("denied"));
  options_ = "";
  for (const size_t length : {120, 121}) {
    std::string deep = "docs/" + std::string(length, 'x');
    for (int i = 0; i < 6; ++i) {
      deep += "/";
      for (int e = 0; e < 100; ++e) deep += "\u00e9";
    }
    world().write(pub(deep), "text\n");
    const json cut = run("/usr/bin/cat <file:path:r>", "{r: [" + data("key") + "]}", "cat " + pub(deep));
    ASSERT_TRUE(cut.contains("denied")) << cut;
    EXPECT_THAT(cut["denied"].value("reason", ""), HasSubstr("rule 'show'"));
  }
}

// A rule gives a run more files than its caller has, and not a program that is denied.
TEST_P(ElevatedReview, a_program_that_a_deny_takes_is_not_elevated) {
  const std::string tool = pub("bin/mytool"), usage = tool + " " + data("key");
  world().write(tool, "x");
  fs::copy_file("/usr/bin/cat", tool, fs::copy_options::overwrite_existing);
  fs::permissions(tool, fs::perms(0755));
  const std::string opt = "  pub: {allow: rx, path: " + pub("**") + "}\n";
  files_ = opt;
  EXPECT_EQ(output(run(usage, "{r: [" + data("key") + "]}", usage)), "the key\n");
  for (const std::string& deny :
       {"x, path: " + tool, "rx, path: " + tool, "x, path: " + pub("bin/my*"), "rx, path: " + pub("bin/**")}) {
    SCOPED_TRACE(deny);
    files_ = opt + "  no: {deny: " + deny + "}\n";
    const json reply = run(usage, "{r: [" + data("key") + "]}", usage);
    EXPECT_EQ(reply.value("denied", json::object()).value("rule", ""), "no") << reply;
    const json absent = run(tool + " <file:path:r>", "{r: [" + data("key") + "]}", tool + " /not/there");
    EXPECT_EQ(absent.value("denied", json::object()).value("rule", ""), "no") << absent;
  }
  // By the rule's name, whichever the caller has.
  fs::create_symlink(tool, pub("bin/link"));
  files_ = opt + "  no: {deny: x, path: " + pub("bin/link") + "}\n";
  const json other = run(pub("bin/link") + " " + data("key"), "{r: [" + data("key") + "]}", usage);
  EXPECT_EQ(other.value("denied", json::object()).value("rule", ""), "no") << other;
  // And by each that the caller's, or the rule's, leads over.
  fs::create_symlink("link", pub("bin/over"));
  for (const std::string& called : {pub("bin/over"), tool}) {
    SCOPED_TRACE(called);
    const json over =
        run(pub("bin/over") + " " + data("key"), "{r: [" + data("key") + "]}", called + " " + data("key"));
    EXPECT_EQ(over.value("denied", json::object()).value("rule", ""), "no") << over;
  }
  fs::create_directory_symlink("bin", pub("cur"));
  fs::create_symlink("../cur/mytool", pub("bin/round"));
  files_ = opt + "  no: {deny: x, path: " + pub("cur/mytool") + "}\n";
  for (const std::string& named : {pub("bin/round"), pub("cur/mytool")}) {
    SCOPED_TRACE(named);
    const json by = run(named + " " + data("key"), "{r: [" + data("key") + "]}", named + " " + data("key"));
    EXPECT_EQ(by.value("denied", json::object()).value("rule", ""), "no") << by;
  }
  // Over as many links as there are.
  fs::create_directory_symlink("cur", pub("first"));
  fs::create_directory_symlink("first", pub("zero"));
  files_ = opt + "  no: {deny: x, path: " + pub("first/mytool") + "}\n";
  const std::string named = pub("zero/mytool");
  const json by = run(tool + " " + data("key"), "{r: [" + data("key") + "]}", named + " " + data("key"));
  EXPECT_EQ(by.value("denied", json::object()).value("rule", ""), "no") << by;
}

// A file that a box makes for itself, or that the agent makes in what is its box's own, is another in the run where the
// rule gives that the host's.
TEST_P(ElevatedReview, nothing_of_the_box_s_own_is_handed_to_a_run_that_has_the_host_s_there) {
  const std::string usage = "/usr/bin/cat <file:path:r>";
  const auto refused = [&](const std::string& files, const std::string& path, const std::string& before) {
    SCOPED_TRACE(path);
    const json reply = run(usage, files, "cat " + path, before);
    ASSERT_TRUE(reply.contains("denied")) << reply;
    EXPECT_EQ(reply["denied"]["layer"], "broker") << reply;
    EXPECT_THAT(reply["denied"].value("reason", ""), HasSubstr("the run has the host's there")) << reply;
  };
  refused("{r: [/etc/**]}", "/etc/passwd", "");
  refused("{r: [/etc/**]}", "mine", "ln -s /etc/passwd mine");
  refused("{r: [" + world().root() + "/**]}", "file", "echo own > file");
  const json other = run(usage, "{r: [/etc/**]}", "cat file", "echo own > file");
  EXPECT_EQ(output(other), "own\n") << other;
  EXPECT_EQ(rule(other), "show") << other;
}

// A host without one of the files that every box has: a run that is given the host's directory has none there either.
TEST_P(ElevatedReview, a_run_with_a_directory_of_the_host_s_has_what_the_host_has_there) {
  if (GetParam() != Mode::root) return;  // who may mount for the test
  const std::string policy =
      world().policy("elevated",
                     "alos: 1\nabout: runs with more files\nextends: base\nvars: {workspace: dir}\nworkspace: layer\n"
                     "files:\n  tree: {allow: rwx, path: $workspace/**}\n"
                     "commands:\n  list: {allow: \"/usr/bin/ls /etc\", files: {r: [/etc/**]}}\n");
  std::vector<std::string> argv{"/usr/bin/unshare",
                                "-m",
                                "/bin/sh",
                                "-ec",
                                "cp -a /etc " + outside_ + "/etc; rm -f " + outside_ + "/etc/hosts; mount --bind " +
                                    outside_ + "/etc /etc; \"$@\"",
                                "sh"};
  std::ranges::move(world().run_arguments(policy, {"--fresh"}), std::back_inserter(argv));
  argv.insert(argv.end(), {"--", "/bin/sh", "-c", "alos-call shell.run --raw -- /usr/bin/ls /etc"});
  const Outcome run = world().call(argv);
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("\npasswd\n"), Not(HasSubstr("\nhosts\n"))));
}

TEST_P(ElevatedReview, a_rule_gives_no_run_the_host_s_where_every_box_has_its_own) {
  for (const std::string files : {"{r: [/tmp/D/**]}", "{w: [/tmp/D/**]}", "{r: [/home/agent/D/**]}", "{r: [/home/**]}"})
    EXPECT_THAT(run("/usr/bin/head <file:path:r>", files, "head /tmp/D/key", "mkdir -p /tmp/D; echo own > /tmp/D/key")
                    .value("err", ""),
                HasSubstr("where every box has its own"))
        << files;
}

// It obeys files of the directory that it starts in: that is none of the agent's.
TEST_P(ElevatedReview, a_run_starts_at_the_root_wherever_it_is_called) {
  const std::string usage = "/usr/bin/pwd -P", files = "{r: [" + data("key") + "]}";
  fs::create_directory_symlink(world().workspace(), pub("docs"));
  for (const std::string& at : {std::string("/usr"), pub(""), pub("docs"), world().workspace()}) {
    options_ = "--cwd " + at + " ";
    const json reply = run(usage, files, "pwd -P");
    EXPECT_EQ(output(reply), "/\n") << reply;
    EXPECT_EQ(rule(reply), "show") << reply;
  }
}

// Its standard streams, to a process of another box, which holds them open.
TEST_P(ElevatedReview, a_command_that_gives_its_streams_away_ends_all_the_same) {
  world().write("hold.py",
                "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('/tmp/s')\ns.listen()\nheld = []\n"
                "while True:\n  c = s.accept()[0]\n  held.append(socket.recv_fds(c, 1, 3)[1])\n  c.send(b'x')\n");
  world().write("give.py",
                "import socket, sys, time\nprint('before', flush=True)\nc = socket.socket(socket.AF_UNIX)\n"
                "c.connect('/tmp/s')\nsocket.send_fds(c, [b'x'], [0, 1, 2])\nc.recv(1)\nprint('after', flush=True)\n"
                "time.sleep(int(sys.argv[1]))\n");
  const std::string usage = "/usr/bin/cat " + data("key"), files = "{r: [" + data("key") + "]}";
  const std::string hold = "python3 hold.py & while ! [ -e /tmp/s ]; do sleep 0.05; done; ";
  options_ = "--stdin " + std::string(80'000, 'x') + " ";  // more than a pipe holds, and nobody reads it
  const auto begun = std::chrono::steady_clock::now();
  const json ended = run(usage, files, "python3 give.py 0", hold);
  EXPECT_EQ(output(ended), "before\nafter\n") << ended;
  EXPECT_EQ(ended["ok"].value("code", -1), 0) << ended;
  EXPECT_TRUE(ended["ok"].value("output_truncated", false)) << "it is not known to be all: " << ended;
  options_ = "--timeout-ms 2000 ";
  const json late = run(usage, files, "python3 give.py 50", hold);
  EXPECT_EQ(output(late), "before\nafter\n") << late;
  EXPECT_TRUE(late["ok"].value("timed_out", false)) << late;
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(25));
  // Whose clients leave is no command under way any more.
  const json more = run(usage, files, "echo room",
                        hold +
                            "for i in $(seq 32); do timeout 5 alos-call shell.run -- python3 give.py 20 & done "
                            ">/dev/null 2>&1; sleep 8");
  EXPECT_EQ(output(more), "room\n") << more;
}

// Where /bin is a link the program's file has another path than the rule's.
TEST_P(ElevatedReview, a_program_is_the_file_that_its_name_leads_to) {
  if (!fs::is_symlink("/bin")) GTEST_SKIP() << "/bin is no link here";
  more_commands_ = "  no: {deny: \"/bin/rm ...\", reason: leave it}\n";
  const std::string usage = "/bin/cat " + data("key"), files = "{r: [" + data("key") + "]}";
  for (const std::string name : {"rm", "/bin/rm", "/usr/bin/rm", "./mine"}) {
    SCOPED_TRACE(name);
    const json denied = run(usage, files, name + " file", "ln -s /bin/rm mine");
    EXPECT_EQ(denied.value("denied", json::object()).value("rule", ""), "no") << denied;
  }
  for (const std::string name : {"cat", "/bin/cat", "/usr/bin/cat"}) {
    const json allowed = run(usage, files, name + " " + data("key"));
    EXPECT_EQ(output(allowed), "the key\n") << allowed;
    EXPECT_EQ(rule(allowed), "show") << allowed;
  }
}

// The compiled policy is cached: a link that leads elsewhere since makes it anew.
TEST_P(ElevatedReview, a_program_whose_link_leads_to_an_interpreter_is_not_elevated) {
  const std::string link = world().root() + "/tool";
  files_ = "  tool: {allow: rx, path: " + link + "}\n";
  const auto refused = [&] {
    return run(link + " <file:path:r>", "{r: [" + data("key") + "]}", link + " file").dump();
  };
  fs::create_symlink("/usr/bin/cat", link);
  EXPECT_THAT(refused(), HasSubstr("in the workspace"));
  fs::remove(link);
  fs::create_symlink(fs::canonical("/bin/sh"), link);
  EXPECT_THAT(refused(),
              AllOf(HasSubstr("which is " + fs::canonical("/bin/sh").string()), HasSubstr("an interpreter")));
}

TEST_P(ElevatedReview, a_program_whose_way_leads_over_what_the_agent_writes_since_is_not_elevated) {
  const std::string tool = world().root() + "/tool", way = world().root() + "/way", agents = outside_ + "/agents";
  files_ = "  tool: {allow: rx, path: [" + tool + ", " + way + "]}\n  agents: {allow: rw, path: " + agents + "/**}\n";
  fs::create_directory(agents);
  fs::permissions(agents, fs::perms::all);
  const auto reply = [&] { return run(tool + " <file:path:r>", "{r: [" + data("key") + "]}", tool + " file").dump(); };
  fs::create_symlink(way, tool);
  fs::create_symlink("/usr/bin/cat", way);
  EXPECT_THAT(reply(), HasSubstr("in the workspace"));
  fs::remove(way);
  fs::create_symlink("/usr/bin/cat", agents + "/way");
  fs::create_symlink(agents + "/way", way);
  EXPECT_THAT(reply(), AllOf(HasSubstr("by the link " + agents + "/way"), Not(HasSubstr("in the workspace"))));
}

// What another rule writes for the agent is the agent's.
TEST_P(ElevatedReview, a_program_that_a_command_writes_is_not_elevated) {
  const std::string tool = pub("tool");
  files_ = "  out: {allow: rx, path: " + pub("**") + "}\n";
  for (const std::string& given : {pub("**"), tool}) {
    more_commands_ = "  publish: {allow: \"/usr/bin/cp <file:path:r> " + tool + "\", files: {w: [" + given + "]}}\n";
    EXPECT_THAT(run(tool, "{r: [" + data("key") + "]}", tool).dump(),
                AllOf(HasSubstr("the agent can change it (rule 'publish'"), Not(HasSubstr("the key"))));
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, ElevatedReview, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
