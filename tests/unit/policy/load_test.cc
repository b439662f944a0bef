#include "policy/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/policy/files.h"

namespace alos::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Load, reads_every_section_of_the_first_form) {
  Files files;
  files.content["./p.yaml"] = R"(alos: 1
about: all of it
vars: {workspace: dir, service: word}
home: {keep: claude}
files:
  sources: {allow: rwx, path: $workspace/**}
  tools: {allow: [read, list, stat, execute], path: [/opt/$service/**, "/opt/x-${service}"], optional: true}
  secrets: {deny: r, path: [$workspace/**/.env*], except: $workspace/**/.env.example, reason: secrets stay out}
workspace: copy
limits: {memory: 4GiB, processes: 512, cpus: 1.5, cpu-time: 2h, wall: 8h, disk: 4GiB, open-files: 1024}
env: {pass: [LANG, TERM], set: {CI: "1", ROOT: $workspace/x, PRICE: \$5}}
degrade: [landlock, memory]
mdwe: on
tests:
  vars: {workspace: /t}
  allow: fs.read $workspace/a
  deny: [fs.read $workspace/.env -> secrets, net.connect evil.com:443]
)";
  files.variables = {{"workspace", "/w"}, {"service", "web"}};
  const auto loaded = files.load("./p.yaml");
  ASSERT_TRUE(loaded) << render(loaded.error());
  const Policy& policy = loaded->policy;
  EXPECT_EQ(policy.about, "all of it");
  EXPECT_EQ(policy.keep_home, "claude");
  EXPECT_EQ(policy.workspace_mode, WorkspaceMode::copy);
  EXPECT_EQ(policy.workspace, "/w");
  EXPECT_EQ(policy.limits.cpus_milli, 1500U);
  EXPECT_EQ(policy.limits.wall_ms, 8U * 3600 * 1000);
  EXPECT_THAT(policy.env_pass, ElementsAre("LANG", "TERM"));
  EXPECT_EQ(policy.env_set.at("ROOT"), "/w/x");
  EXPECT_EQ(policy.env_set.at("PRICE"), "$5");
  EXPECT_THAT(policy.degrade, ElementsAre("landlock", "memory"));
  EXPECT_TRUE(policy.mdwe);
  ASSERT_THAT(policy.files, SizeIs(3));
  const FileRule &secrets = policy.files[0], &tools = policy.files[2];
  EXPECT_EQ(secrets.source.text(), "./p.yaml:8:3");
  EXPECT_EQ(secrets.paths[0].source.text(), "./p.yaml:8:29");
  EXPECT_EQ(secrets.rights, kAll) << "what cannot be read is covered as a whole";
  EXPECT_EQ(secrets.except[0].pattern.text(), "/w/**/.env.example");
  EXPECT_EQ(tools.rights, kRead | kExecute);
  EXPECT_TRUE(tools.optional);
  EXPECT_EQ(tools.paths[1].pattern.text(), "/opt/x-web");
  ASSERT_THAT(policy.tests, SizeIs(3));
  EXPECT_EQ(policy.tests[1].request, "fs.read /w/.env");
  EXPECT_EQ(policy.tests[1].rule, "secrets");
}

struct Malformed {
  const char* name;
  std::string yaml;
  const char* place;
  const char* text;
  const char* expected;
  const char* fix;
};

class LoadRefuses : public testing::TestWithParam<Malformed> {};

TEST_P(LoadRefuses, with_place_text_expectation_and_fix) {
  const auto loaded = load_text(GetParam().yaml);
  ASSERT_FALSE(loaded);
  const Problem& problem = loaded.error().front();
  EXPECT_EQ(problem.at.text(), std::string("./p.yaml:") + GetParam().place) << problem.render();
  EXPECT_THAT(problem.text, HasSubstr(GetParam().text));
  EXPECT_THAT(problem.expected, HasSubstr(GetParam().expected));
  EXPECT_THAT(problem.fix, HasSubstr(GetParam().fix));
}

std::string rule(const std::string& body) {
  return with_rules("  a: " + body + "\n");
}

INSTANTIATE_TEST_SUITE_P(
    Keys, LoadRefuses,
    testing::Values(
        Malformed{"no_version", "about: x\n", "1:1", "'alos' is missing", "version", "alos: 1"},
        Malformed{"other_version", "alos: 2\n", "1:7", "'alos: 2'", "1", ""},
        Malformed{"unknown", kHead + "file: {}\n", "2:1", "unknown key 'file'", "files", "did you mean 'files'?"},
        Malformed{"unknown_in_rule", rule("{allow: r, pth: /a}"), "4:17", "unknown key 'pth' in rule 'a'", "path",
                  "did you mean 'path'?"},
        Malformed{"unknown_limit", kHead + "limits: {memroy: 1GiB}\n", "2:10", "unknown key 'memroy'", "memory",
                  "'memory'"},
        Malformed{"unknown_env", kHead + "env: {keep: [A]}\n", "2:7", "unknown key 'keep' in 'env'", "pass", ""},
        Malformed{"empty_list", rule("{allow: r, path: []}"), "4:23", "'path' is an empty list", "paths",
                  "remove the key"},
        Malformed{"no_value", kHead + "about:\n", "2:1", "'about' has no value", "sentence", "remove the key"},
        Malformed{"empty_section", kHead + "limits: {}\n", "2:9", "'limits' has no value", "limits", "remove"},
        Malformed{"list_for_text", kHead + "about: [a]\n", "2:8", "'about' has a list", "sentence", ""},
        Malformed{"text_for_map", kHead + "files: all\n", "2:8", "'files' has a single value", "rules by name", ""},
        Malformed{"map_in_list", rule("{allow: r, path: [{a: b}]}"), "4:24", "keys of its own in its list", "paths",
                  ""},
        Malformed{"null_in_list", rule("{allow: r, path: [/a, ~]}"), "4:28", "nothing in its list", "paths", ""}),
    [](const auto& test) { return std::string(test.param.name); });

std::vector<Malformed> not_built() {
  std::vector<Malformed> out;
  for (const char* key :
       {"network: {m: {allow: api.anthropic.com:443}}", "process: {spawn: {max: 4}}", "intercept: on"})
    out.push_back({key, kHead + key + "\n", "2:1", "is part of the language but not enforced by this version yet",
                   "this version", "remove it"});
  // Without its bound the rule would be an allow for ever.
  for (const char* key : {"uses: 1", "for: 10m", "until: 5"})
    out.push_back({key, rule("{" + std::string(key) + ", path: /a, allow: r}"), "4:7", "not enforced by this version",
                   "this version", "remove it with its rule"});
  for (const char* key : {"ask: r", "grants: {uses: 1}", "wait: 90s", "expires: 12h"})
    out.push_back({key, rule("{" + std::string(key) + ", path: /a" + (key[1] == 's' ? "" : ", allow: r") + "}"), "4:7",
                   "is part of the language but not enforced by this version yet", "this version", "remove it"});
  out.push_back({"tests.ask", kHead + "tests: {ask: [fs.read /a]}\n", "2:9", "not enforced by this version", "", ""});
  return out;
}
INSTANTIATE_TEST_SUITE_P(NotBuilt, LoadRefuses, testing::ValuesIn(not_built()));

INSTANTIATE_TEST_SUITE_P(
    Rules, LoadRefuses,
    testing::Values(
        Malformed{"no_effect", rule("{path: /a}"), "4:3", "neither allow nor deny", "exactly one", "allow: r"},
        Malformed{"two_effects", rule("{allow: r, deny: w, path: /a}"), "4:3", "says allow and deny", "exactly one",
                  ""},
        Malformed{"no_path", rule("{allow: r}"), "4:3", "has no path", "which files", "path"},
        Malformed{"rights", rule("{allow: rq, path: /a}"), "4:14", "'rq'", "letters of rwx", ""},
        Malformed{"rights_twice", rule("{allow: rr, path: /a}"), "4:14", "'rr'", "each once", ""},
        Malformed{"rights_word", rule("{allow: [read, apend], path: /a}"), "4:21", "'apend'", "append",
                  "did you mean 'append'?"},
        Malformed{"rights_overlap", rule("{deny: [w, write], path: /a}"), "4:17", "'write' twice", "each right once",
                  ""},
        Malformed{"relative", rule("{allow: r, path: src/**}"), "4:23", "'src/**'", "absolute", "$workspace"},
        Malformed{"home_path", rule("{allow: r, path: ~/.ssh}"), "4:23", "'~/.ssh'", "absolute", ""},
        Malformed{"shell_glob", rule("{deny: r, path: \"$workspace/[ab]\"}"), "4:22", "[ab]", "pattern",
                  "several paths"},
        Malformed{"trailing_slash", rule("{allow: r, path: /a/}"), "4:23", "'/a/'", "absolute", "empty component"},
        Malformed{"dots", rule("{allow: r, path: /a/../b}"), "4:23", "'/a/../b'", "absolute", "not followed"},
        Malformed{"unknown_variable", rule("{allow: r, path: $workspce/a}"), "4:23", "$workspce", "",
                  "did you mean 'workspace'?"},
        Malformed{"undeclared_variable", rule("{allow: r, path: $projects/a}"), "4:23", "$projects", "", "declare it"},
        Malformed{"variable_inside", rule("{allow: r, path: /x$workspace}"), "4:23", "$workspace", "",
                  "begins the pattern"},
        Malformed{"variable_and_more", rule("{allow: r, path: $workspace.old}"), "4:23", "$workspace", "",
                  "'/' follows"},
        Malformed{"bare_dollar", rule("{allow: r, path: /a/$}"), "4:23", "$", "", "'\\$'"},
        Malformed{"degrade_value", rule("{deny: r, path: /a, degrade: yes}"), "4:35", "'degrade: yes'", "allow", ""},
        Malformed{"degrade_allow", rule("{allow: r, path: /a, degrade: allow}"), "4:36", "on an allow", "a deny",
                  "remove"},
        Malformed{"optional_deny", rule("{deny: r, path: /a, optional: true}"), "4:36", "on a deny", "an allow",
                  "remove"},
        Malformed{"optional_value", rule("{allow: r, path: /a, optional: yes}"), "4:37", "'optional: yes'",
                  "true or false", ""},
        Malformed{"reserved", with_rules("  box: {allow: r, path: /a}\n"), "4:3", "'box'", "of your own", ""},
        Malformed{"rule_name", with_rules("  a/b: {allow: r, path: /a}\n"), "4:3", "'a/b'", "letters", ""},
        Malformed{"except_outside", rule("{deny: r, path: /a/**, except: /b}"), "4:37", "takes nothing away",
                  "own paths", ""}),
    [](const auto& test) { return std::string(test.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Values, LoadRefuses,
    testing::Values(
        Malformed{"size", kHead + "limits: {memory: 4GB}\n", "2:18", "'memory: 4GB'", "4GiB", "write 4GiB"},
        Malformed{"count", kHead + "limits: {processes: 022}\n", "2:21", "'processes: 022'", "number", "leading zeros"},
        Malformed{"duration", kHead + "limits: {wall: 8}\n", "2:16", "'wall: 8'", "duration", "write 8s"},
        Malformed{"workspace_mode", kHead + "vars: {workspace: dir}\nworkspace: overlay\n", "3:12", "overlay", "layer",
                  "--workspace"},
        Malformed{"workspace_alone", kHead + "workspace: layer\n", "2:12", "without a workspace", "variable", "vars:"},
        Malformed{"workspace_type", kHead + "vars: {workspace: word}\n", "2:8", "is a word", "dir", "workspace: dir"},
        Malformed{"mdwe", kHead + "mdwe: yes\n", "2:7", "'mdwe: yes'", "on or off", ""},
        Malformed{"home", kHead + "home: claude\n", "2:7", "'home: claude'", "fresh", "keep: claude"},
        Malformed{"home_keep", kHead + "home: {keep: ../x}\n", "2:14", "../x", "letters", ""},
        Malformed{"degrade", kHead + "degrade: [landlok]\n", "2:11", "landlok", "landlock", "did you mean 'landlock'?"},
        Malformed{"degrade_allow", kHead + "degrade: allow\n", "2:10", "'allow'", "landlock", "on the rule"},
        Malformed{"degrade_wall", kHead + "degrade: wall\n", "2:10", "'wall'", "landlock", ""},
        Malformed{"env_pattern", kHead + "env: {pass: [LC_*]}\n", "2:14", "'LC_*'", "exact names", "name each one"},
        Malformed{"env_name", kHead + "env: {set: {A B: x}}\n", "2:13", "'A B'", "letters", ""},
        Malformed{"env_variable", kHead + "env: {set: {A: $home}}\n", "2:16", "'A'", "declared", "declare it"},
        Malformed{"variable_type", kHead + "vars: {x: path}\n", "2:11", "'path'", "dir, file", "--var"},
        Malformed{"variable_name", kHead + "vars: {X-y: dir}\n", "2:8", "'X-y'", "lowercase", ""},
        Malformed{"no_value_given", kHead + "vars: {x: dir}\n", "2:8", "'x' has no value", "dir", "--var x="},
        Malformed{"test_line", kHead + "tests: {allow: [fs.raed /a]}\n", "2:17", "fs.raed", "one request",
                  "did you mean 'fs.read'?"},
        Malformed{"test_relative", kHead + "tests: {allow: [fs.read a]}\n", "2:17", "fs.read a", "one request",
                  "absolute path"},
        Malformed{"test_shell", kHead + "tests: {allow: [shell.run ls]}\n", "2:17", "shell.run", "one request",
                  "a bare name is a spelling"},
        Malformed{"test_port", kHead + "tests: {deny: [net.connect a.b]}\n", "2:16", "net.connect", "one request",
                  "HOST:PORT"},
        Malformed{"test_rule", kHead + "tests: {deny: [fs.read /a -> nobody]}\n", "2:16", "'nobody'", "default", ""},
        Malformed{"test_variable", kHead + "tests: {vars: {w: /a}, deny: [fs.read /a]}\n", "2:19", "'w'", "", ""},
        Malformed{"test_value", kHead + "vars: {workspace: dir}\ntests: {vars: {workspace: a}, deny: [fs.read /a]}\n",
                  "3:27", "'a' is no value", "dir", "absolute path"}),
    [](const auto& test) { return std::string(test.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Places, LoadRefuses,
    testing::Values(
        Malformed{"root", rule("{allow: r, path: /**}"), "4:23", "the whole machine", "directories", "name them"},
        Malformed{"root_node", rule("{allow: r, path: /}"), "4:23", "the whole machine", "directories", ""},
        Malformed{"proc", rule("{allow: r, path: /proc/cpuinfo}"), "4:23", "/proc/cpuinfo", "every box has its own",
                  "remove"},
        Malformed{"sys", rule("{allow: r, path: /sys/**}"), "4:23", "/sys/**", "every box has its own", ""},
        Malformed{"dev", rule("{allow: rw, path: /dev/kvm}"), "4:24", "/dev/kvm", "every box has its own", ""},
        Malformed{"top_glob", rule("{allow: r, path: /*}"), "4:23", "of the host", "/proc", ""},
        Malformed{"own_file", rule("{allow: r, path: /etc/passwd}"), "4:23", "/etc/passwd", "every box has its own",
                  ""},
        Malformed{"tmp", rule("{allow: rw, path: /tmp/**}"), "4:24", "where every box has its own", "below /tmp", ""},
        Malformed{"etc", rule("{allow: rw, path: /etc/**}"), "4:24", "lets the box write", "no writing in /etc",
                  "allow r"},
        Malformed{"etc_file", rule("{allow: rw, path: /etc/cron.d/job}"), "4:24", "write", "/etc", ""},
        Malformed{"usr", rule("{allow: rwx, path: /usr/local/bin/**}"), "4:25", "write", "/usr", ""},
        Malformed{"lib", rule("{allow: rw, path: /lib64/**}"), "4:24", "write", "/lib64", ""},
        Malformed{"var", rule("{allow: rw, path: /var/**}"), "4:24", "write", "/var", ""},
        Malformed{"var_lib", rule("{allow: rw, path: /var/lib/**}"), "4:24", "write", "/var/*", ""},
        Malformed{"run", rule("{allow: rw, path: /run/x.sock}"), "4:24", "write", "/run", ""},
        Malformed{"boot_glob", rule("{allow: rw, path: \"/b*/grub/**\"}"), "4:24", "write", "/b", ""}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Load, writing_deep_below_var_is_a_policys_business) {
  EXPECT_TRUE(load_text(rule("{allow: rw, path: /var/lib/acme/**}")));
}

INSTANTIATE_TEST_SUITE_P(
    Dead, LoadRefuses,
    testing::Values(
        Malformed{"narrower", with_rules("  a: {allow: rw, path: /a/**}\n  b: {allow: r, path: /a/b/**}\n"), "5:23",
                  "rule 'b' has no effect on '/a/b/**': rule 'a' (./p.yaml:4:3) allows rw", "united", "deny: w"},
        Malformed{"same_rights", with_rules("  a: {allow: r, path: /a/**}\n  b: {allow: r, path: /a/b}\n"), "5:23",
                  "rule 'b' has no effect", "united", ""},
        Malformed{"same_path", with_rules("  a: {allow: r, path: /a}\n  b: {allow: r, path: /a}\n"), "5:23",
                  "rule 'b' has no effect", "united", ""},
        Malformed{"same_rule", rule("{allow: r, path: [/a/**, /a/b]}"), "4:31", "rule 'a' has no effect on '/a/b'",
                  "united", ""},
        Malformed{"denied", with_rules("  a: {allow: r, path: /a/b}\n  b: {deny: rwx, path: /a/**}\n"), "4:23",
                  "rule 'b' (./p.yaml:5:3) denies all of it", "deny wins", "remove one"},
        Malformed{"in_what_is_hidden",
                  with_rules("  a: {allow: r, path: /a/**}\n  b: {allow: rw, path: /a/b/c/**}\n"
                             "  d: {deny: rw, path: /a/*}\n"),
                  "5:24", "rule 'd' (./p.yaml:6:3) denies a directory that it lies in, by '/a/*'", "denied", "except"},
        Malformed{"in_what_is_hidden_of_the_brokers",
                  with_rules("  a: {allow: r, path: /a/**, audit: each}\n  b: {allow: rw, path: /a/b/c, audit: each}\n"
                             "  d: {deny: r, path: /a/b}\n"),
                  "5:24", "rule 'd' (./p.yaml:6:3) denies a directory that it lies in, by '/a/b'", "denied", "except"},
        Malformed{"variables",
                  with_rules("  a: {allow: rw, path: $workspace/**}\n  b: {allow: r, path: $workspace/b}\n"), "5:23",
                  "'$workspace/b' (/w/b)", "united", ""}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Load, a_wider_right_inside_a_narrower_tree_is_fine) {
  EXPECT_TRUE(load_text(with_rules("  a: {allow: r, path: /a/**}\n  b: {allow: rwx, path: /a/b/**}\n")));
}

// Nobody is shown the directory otherwise, and the deny has nothing against what lies in it.
TEST(Load, a_rule_within_a_directory_that_is_denied_by_its_name_alone_is_fine) {
  const std::string b = "  b: {allow: rw, path: /a/b/c/**}\n";
  EXPECT_TRUE(load_text(with_rules(b + "  d: {deny: rw, path: /a/*}\n")));
  EXPECT_TRUE(load_text(with_rules("  a: {allow: r, path: /a/**}\n" + b + "  d: {deny: w, path: /a/*}\n")));
  EXPECT_TRUE(
      load_text(with_rules("  a: {allow: r, path: /a/**}\n" + b + "  d: {deny: rw, path: /a/*, except: /a/b/**}\n")));
  EXPECT_TRUE(
      load_text(with_rules("  a: {allow: r, path: /a/**, audit: each}\n"
                           "  b: {allow: rw, path: /a/*/c/**, audit: each}\n  d: {deny: rw, path: /a/b}\n")))
      << "there are others";
}

TEST(Load, an_exception_keeps_a_rule_alive) {
  EXPECT_TRUE(
      load_text(with_rules("  a: {allow: rw, path: /a/**, except: /a/b/**}\n  b: {allow: r, path: /a/b/**}\n")));
  EXPECT_TRUE(load_text(with_rules("  a: {allow: r, path: /a/b}\n  b: {deny: r, path: /a/**, except: /a/b}\n")));
}

TEST(Load, a_value_of_a_variable_does_not_make_a_rule_wrong) {
  Files files{
      {{"./p.yaml", with_rules("  a: {allow: r, path: /usr/share/**}\n  b: {allow: r, path: $workspace/**}\n")}},
      {{"workspace", "/usr/share/x"}},
      Missing::refuse};
  EXPECT_TRUE(files.load("./p.yaml"));
}

TEST(Load, shows_everything_that_is_wrong_at_once) {
  const auto loaded =
      load_text(kHead + "abot: x\nlimits: {memory: 4GB, cpus: two}\nfiles:\n  a: {allow: q, path: b}\n");
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error(), SizeIs(4)) << render(loaded.error());
}

TEST(Load, renders_problems_in_the_order_of_the_file) {
  const auto loaded = load_text("limits: {memory: 4GB}\nabot: x\n");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(render(loaded.error()),
            "./p.yaml:1:1: the key 'alos' is missing\n    expected: the version of the language\n"
            "    fix:      begin the file with 'alos: 1'\n"
            "./p.yaml:1:18: 'memory: 4GB'\n    expected: a size, as in 4GiB\n"
            "    fix:      'GB' is not one of KiB, MiB, GiB, TiB: write 4GiB\n"
            "./p.yaml:2:1: unknown key 'abot'\n"
            "    expected: alos, about, extends, without, vars, home, files, workspace, project, limits, env, degrade, "
            "mdwe, tests, commands or clock\n"
            "    fix:      did you mean 'about'?\n");
}

TEST(Load, a_value_is_literal_and_never_a_pattern) {
  Files files{
      {{"./p.yaml", with_rules("  a: {allow: r, path: $workspace/**}\n")}}, {{"workspace", "/w*"}}, Missing::refuse};
  const auto loaded = files.load("./p.yaml");
  ASSERT_TRUE(loaded);
  const CompiledPolicy policy = compile(loaded->policy);
  EXPECT_EQ(decided(policy, "fs.read /w*/a"), Effect::allow);
  EXPECT_EQ(decided(policy, "fs.read /wide/a"), Effect::deny);
}

TEST(Load, refuses_values_that_their_type_does_not_take) {
  for (const auto& [type, value] : {std::pair("dir", "/"),
                                    {"dir", "a"},
                                    {"dir", "/a/"},
                                    {"dir", "/a/../b"},
                                    {"file", ""},
                                    {"word", "a/b"},
                                    {"word", ".."},
                                    {"word", "a b"},
                                    {"word", ""},
                                    {"host", "a b"},
                                    {"host", "a/b"},
                                    {"int", "1x"},
                                    {"int", ""}}) {
    Files files{{{"./p.yaml", kHead + "vars: {x: " + type + "}\n"}}, {{"x", value}}, Missing::refuse};
    const auto loaded = files.load("./p.yaml");
    ASSERT_FALSE(loaded) << type << " " << value;
    EXPECT_FALSE(loaded.error()[0].fix.empty());
  }
}

TEST(Load, refuses_values_for_what_is_not_declared) {
  Files files{
      {{"./p.yaml", kHead + "vars: {workspace: dir}\n"}}, {{"workspace", "/w"}, {"workspce", "/x"}}, Missing::refuse};
  const auto loaded = files.load("./p.yaml");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error()[0].fix, "did you mean 'workspace'?");
}

TEST(Load, takes_values_from_the_tests_only_where_told_to) {
  Files files{{{"./p.yaml", kHead + "vars: {workspace: dir}\ntests: {vars: {workspace: /t}, deny: [fs.read /a]}\n"}},
              {},
              Missing::refuse};
  EXPECT_FALSE(files.load("./p.yaml"));
  files.missing = Missing::from_tests;
  EXPECT_EQ(files.load("./p.yaml")->policy.workspace, "/t");
  files.variables["workspace"] = "/given";
  EXPECT_EQ(files.load("./p.yaml")->policy.workspace, "/given");
}

TEST(Load, hash_changes_with_every_source_and_variable) {
  Files files{{{"./p.yaml", kHead + "extends: base\nvars: {workspace: dir}\n"}, {"/shipped/base.yaml", kHead}},
              {{"workspace", "/w"}},
              Missing::refuse};
  const std::string before = files.load("./p.yaml")->policy.hash;
  EXPECT_EQ(files.load("./p.yaml")->policy.hash, before);
  files.variables["workspace"] = "/v";
  EXPECT_NE(files.load("./p.yaml")->policy.hash, before);
  files.variables["workspace"] = "/w";
  files.content["/shipped/base.yaml"] += "about: x\n";
  EXPECT_NE(files.load("./p.yaml")->policy.hash, before);
}

TEST(Load, reports_every_file_it_looked_for) {
  Files files{{{"/installed/p.yaml", kHead}}, {}, Missing::refuse};
  const auto loaded = files.load("p");
  ASSERT_TRUE(loaded);
  ASSERT_THAT(loaded->sources, SizeIs(2));
  EXPECT_EQ(loaded->sources[0].path, "/shipped/p.yaml");
  EXPECT_FALSE(loaded->sources[0].present);
  EXPECT_TRUE(loaded->sources[1].present);
  EXPECT_THAT(loaded->sources[1].digest, SizeIs(64));
}

}  // namespace
}  // namespace alos::policy
