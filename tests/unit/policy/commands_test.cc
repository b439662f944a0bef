// Rules of `commands`, `clock` and `audit: each`, from the file to the decision.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/elevation.h"
#include "policy/explain.h"
#include "policy/lint.h"
#include "policy/remedy.h"
#include "tests/unit/policy/files.h"

namespace alos::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

std::string refused(const std::string& yaml) {
  const auto loaded = load_text(yaml);
  if (!loaded) return render(loaded.error());
  const auto made = plan(compile(loaded->policy));
  return made ? "it loads" : render(made.error());
}

const std::string kDeploy =
    kHead +
    "vars: {workspace: dir}\n"
    "files:\n"
    "  sources: {allow: rwx, path: $workspace/**}\n"
    "  tools: {allow: rx, path: /usr/**}\n"
    "  keys: {deny: rwx, path: \"/etc/acme/**/*.key\", reason: keys stay}\n"
    "commands:\n"
    "  deploy:\n"
    "    allow: /opt/acme/deploy [--dry-run] [--notes <file:path:r>] staging|production <service:word>\n"
    "    files: {r: [/etc/acme/deploy.conf, /etc/acme/keys/**], w: /var/lib/acme/state}\n"
    "  not-production:\n"
    "    deny: /opt/acme/deploy production ...\n"
    "    reason: people deploy there\n";

Decision ask(const CompiledPolicy& policy, const std::string& line) {
  const auto request = Request::parse(line);
  EXPECT_TRUE(request) << line;
  return decide(policy, *request);
}

std::string explained(const std::string& yaml, const std::string& line) {
  const Whole policy = whole(yaml);
  return explain(policy.compiled, policy.plan, policy.sources, *Request::parse(line)).text();
}

TEST(Commands, an_allow_that_fits_is_elevated) {
  const CompiledPolicy policy = compiled(kDeploy);
  const Decision decision = ask(policy, "shell.run /opt/acme/deploy staging web");
  EXPECT_EQ(decision.effect, Effect::allow);
  EXPECT_EQ(decision.rule_name(), "deploy");
  EXPECT_EQ(decision.source().text(), "./p.yaml:8:3");
  EXPECT_EQ(decision.layer, Layer::policy);
  ASSERT_TRUE(decision.elevated);
  EXPECT_EQ(plan_box(policy)->commands.at(*decision.elevated).rule, "deploy");
}

TEST(Commands, a_run_that_no_rule_fits_has_at_most_the_agents_own_rights) {
  const CompiledPolicy policy = compiled(kDeploy);
  for (const char* line : {"shell.run /opt/acme/deploy staging web more", "shell.run /usr/bin/make",
                           "shell.run /srv/copy/deploy staging web", "shell.run /opt/acme/deploy"}) {
    const Decision decision = ask(policy, line);
    EXPECT_EQ(decision.effect, Effect::allow) << line;
    EXPECT_EQ(decision.rule_name(), "box") << line;
    EXPECT_EQ(decision.layer, Layer::built_in) << line;
    EXPECT_FALSE(decision.elevated) << line;
  }
}

TEST(Commands, a_deny_wins_however_the_run_is_spelled) {
  const CompiledPolicy policy = compiled(kDeploy);
  for (const char* line :
       {"shell.run /opt/acme/deploy production web", "shell.run /opt/acme/deploy --dry-run production web",
        "shell.run /opt/./acme//deploy production", "shell.run /opt/acme/deploy -x production"}) {
    const Decision decision = ask(policy, line);
    EXPECT_EQ(decision.effect, Effect::deny) << line;
    EXPECT_EQ(decision.rule_name(), "not-production") << line;
    EXPECT_EQ(decision.reason(), "people deploy there") << line;
    EXPECT_FALSE(decision.elevated) << line;
  }
  std::vector<Match> all;
  decide(policy, *Request::parse("shell.run /opt/acme/deploy production web"), &all);
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].rule_name(), "not-production");
  EXPECT_EQ(all[1].rule_name(), "deploy");
  EXPECT_EQ(all[1].effect(), Effect::allow);
}

TEST(Commands, none_refuses_every_run_and_names_its_line) {
  const CompiledPolicy policy = compiled(kHead + "commands: none\n");
  const Decision decision = ask(policy, "shell.run /usr/bin/true");
  EXPECT_EQ(decision.effect, Effect::deny);
  EXPECT_EQ(decision.rule_name(), "commands");
  EXPECT_EQ(decision.source().text(), "./p.yaml:2:11");
  EXPECT_TRUE(plan_box(policy)->no_commands);
}

TEST(Commands, the_plan_holds_what_an_elevated_run_gets_and_what_denies_take_of_it) {
  const Whole policy = whole(kDeploy);
  ASSERT_THAT(policy.plan.box.commands, SizeIs(1));
  const BoxCommand& deploy = policy.plan.box.commands[0];
  EXPECT_EQ(deploy.program, "/opt/acme/deploy");
  ASSERT_THAT(deploy.mounts, SizeIs(3));
  EXPECT_EQ(deploy.mounts[0].path, "/etc/acme/deploy.conf");
  EXPECT_EQ(deploy.mounts[0].rights, kRead);
  EXPECT_FALSE(deploy.mounts[0].tree);
  EXPECT_EQ(deploy.mounts[1].path, "/etc/acme/keys");
  EXPECT_TRUE(deploy.mounts[1].tree);
  EXPECT_EQ(deploy.mounts[2].rights, kRead | kWrite) << "w implies r";
  ASSERT_THAT(deploy.masks, SizeIs(1));
  EXPECT_EQ(deploy.masks[0].pattern, "/etc/acme/**/*.key");
  EXPECT_EQ(deploy.masks[0].rule, "keys");
  for (const BoxMount& mount : policy.plan.box.mounts) EXPECT_THAT(mount.path, Not(StartsWith("/etc/acme")));
}

TEST(Commands, variables_are_literal_in_a_usage_line) {
  Files files{{{"./p.yaml",
                kHead + "vars: {workspace: dir}\ncommands:\n  d:\n    allow: /opt/x --root=$workspace <f:path:r>\n"
                        "    files: {r: /etc/x.conf}\ntests:\n  allow: [shell.run /opt/x --root=$workspace a -> d]\n"}},
              {{"workspace", "/w [a] <b:word>"}},
              Missing::refuse};
  const auto loaded = files.load("./p.yaml");
  ASSERT_TRUE(loaded) << render(loaded.error());
  const CompiledPolicy policy = compile(loaded->policy);
  EXPECT_TRUE(ask(policy, "shell.run /opt/x '--root=/w [a] <b:word>' f").elevated);
  EXPECT_FALSE(ask(policy, "shell.run /opt/x --root=/w f").elevated);
  EXPECT_THAT(run_tests(policy, *plan(policy)), IsEmpty()) << "its value is one word of a test too";
}

// Each: what is wrong, and a part of how it is said.
TEST(Commands, what_cannot_be_meant_does_not_load) {
  const auto one = [](const std::string& body) { return refused(kHead + "commands:\n  d:\n    " + body + "\n"); };
  const std::string files = "\n    files: {r: /etc/x.conf}";
  EXPECT_THAT(one("allow: /opt/x a"), HasSubstr("./p.yaml:3:3: rule 'd' has no effect: it gives the run nothing"));
  EXPECT_THAT(one("allow: npm ci" + files), HasSubstr("./p.yaml:4:12: the usage line 'npm ci'"));
  EXPECT_THAT(one("allow: npm ci" + files), HasSubstr("/usr/bin/npm: a bare name is a spelling"));
  EXPECT_THAT(one("allow: /opt/x ..." + files), HasSubstr("allows any further words"));
  EXPECT_THAT(one("reason: x"), HasSubstr("neither allow nor deny"));
  EXPECT_THAT(one("allow: /opt/x\n    deny: /opt/y"), HasSubstr("says allow and deny"));
  EXPECT_THAT(one("deny: /opt/x" + files), HasSubstr("'files' on a deny"));
  EXPECT_THAT(one("allow: [/opt/x, /opt/y]"), HasSubstr("'allow' has a list"));
  EXPECT_THAT(one("allow: /opt/x\n    files: {r: etc/x}"), HasSubstr("'etc/x'"));
  EXPECT_THAT(one("allow: /opt/x\n    files: {x: /etc/x}"), HasSubstr("unknown key 'x' in 'files'"));
  EXPECT_THAT(one("allow: /opt/x\n    fils: {r: /etc/x}"), HasSubstr("did you mean 'files'?"));
  EXPECT_THAT(one("allow: /opt/x\n    files: {r: \"/etc/*.conf\"}"), HasSubstr("a path, or a tree"));
  EXPECT_THAT(one("allow: /opt/x\n    files: {r: /proc/1/mem}"), HasSubstr("every box has its own"));
  EXPECT_THAT(one("allow: /opt/x\n    files: {w: /etc/cron.d/x}"), HasSubstr("no writing in /etc"));
  EXPECT_THAT(one("allow: /tmp/x" + files), HasSubstr("where every box has its own"));
  EXPECT_THAT(refused(kHead + "commands: all\n"), HasSubstr("'commands: all'"));
  EXPECT_THAT(refused(kHead + "commands:\n  box: {deny: /opt/x}\n"), HasSubstr("this one is built in"));
  EXPECT_THAT(refused(kHead + "commands:\n  broker: {deny: /opt/x}\n"), HasSubstr("this one is built in"));
  EXPECT_THAT(refused(kHead + "files: {d: {allow: r, path: /a}}\ncommands: {d: {deny: /opt/x}}\n"),
              HasSubstr("the rule name 'd' is also at"));
}

TEST(Commands, what_belongs_to_the_language_and_is_not_built_is_refused_by_name) {
  for (const char* key : {"ask: /opt/x", "network: a:443", "credential: c", "grants: {uses: 1}", "wait: 90s",
                          "expires: 1h", "uses: 1", "for: 10m", "until: 5"}) {
    const std::string word = std::string(key).substr(0, std::string(key).find(':'));
    const std::string said =
        refused(kHead + "commands:\n  d:\n    " + key + (word == "ask" ? "\n" : "\n    allow: /opt/x\n"));
    EXPECT_THAT(said, HasSubstr("./p.yaml:4:5: '" + word + "' is part of the language but not enforced")) << key;
    EXPECT_THAT(said, testing::ContainsRegex("fix: +(remove|write)")) << key;
  }
}

TEST(Commands, a_program_that_runs_what_the_agent_feeds_it_is_not_elevated) {
  for (const char* program :
       {"/usr/bin/git", "/usr/bin/npm", "/usr/bin/make", "/usr/bin/cmake", "/usr/bin/ssh", "/usr/bin/python3",
        "/usr/bin/python3.11", "/opt/node-22/bin/node", "/bin/sh", "/usr/bin/env", "/usr/bin/xargs", "/usr/bin/find",
        "/usr/bin/tar", "/usr/bin/gcc-12", "/usr/bin/clang++-19", "/lib64/ld-linux-x86-64.so.2", "/usr/bin/perl5.36.0",
        "/usr/bin/sudo", "/usr/bin/vim.tiny"}) {
    const std::string said =
        refused(kHead + "commands:\n  d:\n    allow: " + program + " a\n    files: {r: /etc/x.conf}\n");
    EXPECT_THAT(said, HasSubstr(std::string("rule 'd' gives ") + program + " more than the agent has: it ")) << program;
  }
  for (const char* program : {"/opt/acme/deploy", "/usr/bin/git-lfs-check", "/usr/bin/sha256sum", "/usr/bin/7z"})
    EXPECT_EQ(refused(kHead + "commands:\n  d:\n    allow: " + program + " a\n    files: {r: /etc/x.conf}\n"),
              "it loads")
        << program;
}

// What a rule names is the file: whoever runs it has followed the links to it.
TEST(Commands, a_program_is_matched_by_its_name_and_by_the_file_that_it_leads_to) {
  Files files{
      {{"./p.yaml", kHead + "commands:\n  no: {deny: /bin/rm ...}\n  show: {allow: \"/bin/cat <f:path:r>\", files: "
                            "{r: /etc/x.conf}}\n"}},
      {},
      Missing::refuse,
      {},
      {{"/bin/rm", "/usr/bin/rm"}, {"/bin/cat", "/usr/bin/cat"}}};
  const auto loaded = files.load("./p.yaml");
  ASSERT_TRUE(loaded) << render(loaded.error());
  const CompiledPolicy policy = compile(loaded->policy);
  for (const char* line : {"shell.run /bin/rm x", "shell.run /usr/bin/rm x"})
    EXPECT_EQ(ask(policy, line).rule_name(), "no") << line;
  for (const char* line : {"shell.run /bin/cat x", "shell.run /usr/bin/cat x"})
    EXPECT_EQ(ask(policy, line).rule_name(), "show") << line;
  EXPECT_EQ(ask(policy, "shell.run /sbin/rm x").rule_name(), "box");
  EXPECT_EQ(plan_box(policy)->commands[0].program, "/usr/bin/cat") << "and that is what is executed";

  files.links["/bin/cat"] = "/usr/bin/busybox";
  EXPECT_THAT(render(files.load("./p.yaml").error()),
              HasSubstr("rule 'show' gives /bin/cat, which is /usr/bin/busybox, more than the agent has: it is an "
                        "interpreter"));
}

TEST(Commands, no_link_on_the_way_to_a_program_is_the_agents) {
  const auto with = [](const std::string& link, const std::string& publish) {
    Files files{{{"./p.yaml", kHead + "extends: base\nfiles:\n  mid: {allow: rw, path: /mid/**}\ncommands:\n" +
                                  publish + "  show: {allow: \"/bin/tool <f:path:r>\", files: {r: /opt/x.conf}}\n"},
                 {"/shipped/base.yaml", kHead}},
                {},
                Missing::refuse,
                {},
                {{"/bin/tool", link}, {link, "/opt/real"}}};
    const auto loaded = files.load("./p.yaml");
    return loaded ? "" : render(loaded.error());
  };
  EXPECT_EQ(with("/opt/link", ""), "");
  EXPECT_THAT(with("/mid/d/link", ""), HasSubstr("by the link /mid/d/link, more than the agent has, and the agent can "
                                                 "change it (rule 'mid'"));
  EXPECT_THAT(with("/var/mid/link", "  publish: {allow: /usr/bin/cp x /var/mid, files: {w: /var/mid/**}}\n"),
              HasSubstr("by the link /var/mid/link, more than the agent has, and the agent can change it (rule "
                        "'publish'"));
  EXPECT_THAT(with("/tmp/link", ""), HasSubstr("by the link /tmp/link, where every box has its own"));
}

TEST(Commands, what_the_kernel_shows_is_handed_to_no_run) {
  for (const char* path : {"/proc/self/root/etc/shadow", "/proc", "/dev/stdin", "/dev/fd/3", "/sys/kernel"})
    EXPECT_THAT(not_handed_over(path), HasSubstr("leads to its own files")) << path;
  for (const char* path : {"/", "/process", "/devices/x", "/w/proc/self"}) EXPECT_EQ(not_handed_over(path), "") << path;
}

TEST(Commands, an_elevated_run_and_the_agent_share_no_ground) {
  const auto with = [](const std::string& allow, const std::string& files) {
    return refused(
        with_rules("  own: {allow: rwx, path: [$workspace/**, /var/lib/own/**]}\n  data: {allow: r, path: /srv/**}\n"
                   "  no: {deny: rwx, path: [/opt/etc/a, \"/opt/state/**/x\"]}\n"
                   "  dir: {allow: rw, path: /var/lib/dir}\n"
                   "  most: {allow: rw, path: /var/lib/most/**, except: /var/lib/most/x/**}\n") +
        "commands:\n  d:\n    allow: " + allow + "\n    files: " + files + "\n");
  };
  EXPECT_THAT(with("/w/tool", "{r: /opt/etc/b}"), HasSubstr("the agent can change it (rule 'own', ./p.yaml:4:3)"));
  EXPECT_THAT(with("/opt/x", "{w: /w/out}"), HasSubstr("where rule 'own' (./p.yaml:4:3) lets the agent write"));
  EXPECT_THAT(with("/opt/x", "{w: /var/lib/own/d/**}"), HasSubstr("lets the agent write"));
  EXPECT_THAT(with("/opt/x", "{w: /var/lib/dir/state}"), HasSubstr("rule 'dir' (./p.yaml:7:3) lets the agent write"));
  EXPECT_THAT(with("/opt/x", "{w: /var/lib/most/**}"), HasSubstr("lets the agent write")) << "but for an exception";
  EXPECT_EQ(with("/opt/x", "{w: /var/lib/most/x/y}"), "it loads");
  EXPECT_THAT(with("/var/lib/dir/tool", "{r: /opt/etc/b}"), HasSubstr("the agent can change it"));
  EXPECT_THAT(with("/opt/x", "{r: /srv/a}"),
              HasSubstr("has no effect on '/srv/a': rule 'data' (./p.yaml:5:3) lets the agent"));
  EXPECT_THAT(with("/opt/x", "{r: /opt/etc/a}"), HasSubstr("denies all of it"));
  EXPECT_THAT(refused(kHead + "files:\n  a: {allow: r, path: /opt/d/**}\n  no: {deny: r, path: /opt/d/*}\n"
                              "commands:\n  x: {allow: /opt/x, files: {w: /opt/d/e/f}}\n"),
              HasSubstr("denies a directory that it lies in, by '/opt/d/*'"));
  EXPECT_THAT(with("/opt/x", "{w: /opt/state/**}"), HasSubstr("a match made later could be used"));
  EXPECT_EQ(with("/opt/x", "{r: [/opt/etc/b, /opt/state/**], w: /srv/out}"), "it loads");
  EXPECT_THAT(with("/opt/x <f:path:w>", "{r: /opt/etc/b}"), HasSubstr("gives it nothing to write"));
  EXPECT_THAT(with("/opt/x [--to <f:path:w>]", "{r: /opt/etc/b}"), HasSubstr("gives it nothing to write"));
  EXPECT_EQ(with("/opt/x <f:path:w>", "{w: /srv/out}"), "it loads");
  // What the agent names there is its own, and the run would have the host's.
  for (const char* own : {"/tmp/d/**", "/tmp/key", "/home/agent/.netrc", "/home/**"}) {
    EXPECT_THAT(with("/opt/x <f:path:r>", "{r: " + std::string(own) + "}"), HasSubstr("where every box has its own"));
    EXPECT_THAT(with("/opt/x", "{w: " + std::string(own) + "}"), HasSubstr("where every box has its own"));
  }
  EXPECT_EQ(refused(with_rules("  d: {allow: r, path: /tmp/d/**, except: /tmp/d/keys/**}\n") +
                    "commands: {c: {allow: /opt/x, files: {r: /tmp/d/keys/**}}}\n"),
            "it loads")
      << "the agent's box shows the host's";
}

TEST(Commands, none_and_an_allow_exclude_each_other_across_files) {
  Files files{
      {{"/shipped/closed.yaml", kHead + "commands: none\n"},
       {"./p.yaml", kHead + "extends: closed\ncommands:\n  d:\n    allow: /opt/x\n    files: {r: /etc/x.conf}\n"}},
      {},
      Missing::refuse};
  EXPECT_THAT(render(files.load("./p.yaml").error()),
              HasSubstr("'commands: none' (closed.yaml:2:11) refuses every run"));
}

TEST(Commands, are_inherited_and_an_allow_can_be_dropped) {
  Files files{{{"/shipped/parent.yaml", kHead + "commands:\n  d: {allow: /opt/x, files: {r: /etc/x.conf}}\n"
                                                "  n: {deny: /opt/y}\n"},
               {"./p.yaml", kHead + "extends: parent\nwithout: parent/d\n"}},
              {},
              Missing::refuse};
  const auto loaded = files.load("./p.yaml");
  ASSERT_TRUE(loaded) << render(loaded.error());
  ASSERT_THAT(loaded->policy.commands, SizeIs(1));
  EXPECT_EQ(loaded->policy.commands[0].name, "n");
  EXPECT_EQ(loaded->policy.commands[0].origin, "parent");
  files.content["./p.yaml"] = kHead + "extends: parent\nwithout: parent/n\n";
  EXPECT_THAT(render(files.load("./p.yaml").error()), HasSubstr("an inherited deny cannot be dropped"));
}

TEST(Commands, explain_says_who_keeps_it_and_why_a_run_gets_nothing_more) {
  const std::string allowed = explained(kDeploy, "shell.run /opt/acme/deploy staging web --notes a.md");
  EXPECT_THAT(allowed, StartsWith("allowed shell.run /opt/acme/deploy staging web --notes a.md\n"
                                  "        by rule 'deploy' (./p.yaml:8:3), layer policy\n"));
  EXPECT_THAT(allowed, HasSubstr("kept by box: a box of its own, with r /etc/acme/deploy.conf, r /etc/acme/keys/**, rw "
                                 "/var/lib/acme/state besides\n"));
  EXPECT_THAT(allowed, HasSubstr("kept by broker: a.md as <file> needs the caller's own right to read it\n"));
  const std::string denied = explained(kDeploy, "shell.run /opt/acme/deploy production web");
  EXPECT_THAT(denied, HasSubstr("by rule 'not-production' (./p.yaml:11:3), layer policy: \"people deploy there\""));
  EXPECT_THAT(denied, HasSubstr("also    allow /opt/acme/deploy [--dry-run]"));
  EXPECT_THAT(denied, HasSubstr("change  nothing in this run can allow it; an operator could narrow the usage line"));
  const std::string own = explained(kDeploy, "shell.run /opt/acme/deploy staging 'a b'");
  EXPECT_THAT(own, HasSubstr("by rule 'box' (built in)"));
  EXPECT_THAT(own, HasSubstr("rule 'deploy' (./p.yaml:8:3) gives it nothing more: argument 2, a b: expected: "));
  EXPECT_THAT(
      explained(kHead + "commands: none\n", "shell.run /usr/bin/true"),
      HasSubstr("change  nothing in this run can allow it; an operator could remove 'commands: none' (./p.yaml:2:11)"));
}

TEST(Commands, lint_calls_a_deny_by_name_advice) {
  const auto findings = [](const std::string& yaml) {
    const Whole policy = whole(yaml);
    return render(lint(policy.compiled, policy.plan));
  };
  EXPECT_THAT(findings(kHead + "commands: {c: {deny: /usr/bin/curl ...}}\n"),
              HasSubstr("./p.yaml:2:12: rule 'c' denies /usr/bin/curl by name, which is advice"));
  EXPECT_THAT(findings(kDeploy), Not(HasSubstr("advice")));
}

TEST(Commands, are_tested_by_their_policy) {
  const auto tested = [](const std::string& tests) {
    const Whole policy = whole(kDeploy + "tests:\n" + tests);
    return render(run_tests(policy.compiled, policy.plan));
  };
  EXPECT_THAT(tested("  allow: [shell.run /opt/acme/deploy staging web -> deploy, shell.run /usr/bin/make -> box]\n"
                     "  deny: [shell.run /opt/acme/deploy production web -> not-production]\n"),
              IsEmpty());
  EXPECT_THAT(tested("  allow: [shell.run /opt/acme/deploy staging 'a b' -> deploy]\n"),
              HasSubstr("is allow by rule 'box' (built in)"));
}

TEST(Clock, tells_the_time_to_everybody_and_lets_sleep_up_to_a_limit) {
  const CompiledPolicy policy = compiled(kHead + "clock: {sleep: {each: 6h, total: 24h}}\n");
  EXPECT_EQ(ask(policy, "clock.now").effect, Effect::allow);
  EXPECT_EQ(ask(policy, "clock.now").layer, Layer::built_in);
  EXPECT_EQ(ask(policy, "clock.sleep 6h").effect, Effect::allow);
  const Decision denied = ask(policy, "clock.sleep 6h1ms");
  EXPECT_EQ(denied.effect, Effect::deny);
  EXPECT_EQ(denied.rule_name(), "clock.sleep");
  EXPECT_EQ(denied.reason(), "one sleep is at most 6h");
  EXPECT_EQ(denied.source().text(), "./p.yaml:2:23");
  const BoxPlan box = *plan_box(policy);
  EXPECT_EQ(box.clock.each_ms, 21'600'000U);
  EXPECT_EQ(box.clock.total_ms, 86'400'000U);
}

TEST(Clock, without_a_rule_nobody_sleeps) {
  const CompiledPolicy policy = compiled(kHead);
  EXPECT_EQ(ask(policy, "clock.sleep 1ms").effect, Effect::deny);
  EXPECT_EQ(ask(policy, "clock.sleep 1ms").rule_name(), "default");
  EXPECT_EQ(ask(policy, "clock.now").effect, Effect::allow);
  EXPECT_FALSE(plan_box(policy)->clock.each_ms);
}

TEST(Clock, a_sleep_that_is_longer_than_all_together_is_denied) {
  Files files{{{"/shipped/wide.yaml", kHead + "clock: {sleep: {each: 6h, total: 24h}}\n"},
               {"./p.yaml", kHead + "extends: wide\nclock: {sleep: {each: 1h, total: 48h}}\n"}},
              {},
              Missing::refuse};
  auto policy = files.load("./p.yaml")->policy;
  EXPECT_EQ(policy.clock.each_ms, 3'600'000U) << "the smaller, whoever says it";
  EXPECT_EQ(policy.clock.total_ms, 86'400'000U);
  EXPECT_EQ(policy.sources.at("clock.sleep.total").file, "wide.yaml");
  policy.clock.total_ms = 60'000;
  EXPECT_EQ(ask(compile(policy), "clock.sleep 2m").effect, Effect::deny);
}

TEST(Clock, what_cannot_be_meant_does_not_load) {
  EXPECT_THAT(refused(kHead + "clock: {sleep: {total: 6h}}\n"), HasSubstr("'clock: sleep' without 'each'"));
  EXPECT_THAT(refused(kHead + "clock: {sleep: {each: 6}}\n"), HasSubstr("'each: 6'"));
  EXPECT_THAT(refused(kHead + "clock: {sleep: {each: 6}}\n"), HasSubstr("write 6s"));
  EXPECT_THAT(refused(kHead + "clock: {sleep: {each: 6h, total: 1h}}\n"), HasSubstr("'total' is less than 'each'"));
  EXPECT_THAT(refused(kHead + "clock: {sleep: 6h}\n"), HasSubstr("'sleep' has a single value"));
  EXPECT_THAT(refused(kHead + "clock: {now: no}\n"), HasSubstr("unknown key 'now'"));
}

TEST(Clock, explain_proposes_what_loads_and_allows) {
  const std::string none = explained(kHead, "clock.sleep 90m");
  EXPECT_THAT(none, HasSubstr("denied  clock.sleep 1h30m\n        by the default"));
  const size_t begin = none.find("clock: {");
  ASSERT_NE(begin, none.npos) << none;
  EXPECT_EQ(ask(compiled(kHead + none.substr(begin)), "clock.sleep 90m").effect, Effect::allow);
  EXPECT_THAT(
      explained(kHead + "clock: {sleep: {each: 1h}}\n", "clock.sleep 2h"),
      HasSubstr("change  sleep for less, several times; an operator could raise 'clock: sleep' (./p.yaml:2:23) to 2h"));
}

const std::string kBrokered = with_rules(
    "  sources: {allow: rwx, path: $workspace/**}\n"
    "  runbooks: {allow: r, path: /srv/runbooks/**, except: /srv/runbooks/private/**, audit: each}\n"
    "  inbox: {allow: rw, path: /srv/inbox, audit: each, optional: true}\n"
    "  drafts: {deny: rwx, path: \"/srv/runbooks/**/*.draft\"}\n");

TEST(Brokered, is_absent_from_the_box_and_part_of_the_brokers_view) {
  const BoxPlan plan = whole(kBrokered).plan.box;
  ASSERT_THAT(plan.mounts, SizeIs(1));
  EXPECT_EQ(plan.mounts[0].path, "/w");
  ASSERT_THAT(plan.brokered, SizeIs(2));
  EXPECT_EQ(plan.brokered[0].path, "/srv/inbox");
  EXPECT_EQ(plan.brokered[0].rights, kRead | kWrite);
  EXPECT_TRUE(plan.brokered[0].optional);
  EXPECT_EQ(plan.brokered[1].path, "/srv/runbooks");
  EXPECT_TRUE(plan.brokered[1].tree);
  EXPECT_THAT(plan.masks, IsEmpty()) << "nothing is there to be covered";
  ASSERT_THAT(plan.brokered_masks, SizeIs(2)) << "in the broker's view the kernel keeps what the broker refuses";
  EXPECT_EQ(plan.brokered_masks[0].rule, "drafts");
  EXPECT_EQ(plan.brokered_masks[1].pattern, "/srv/runbooks/private/**");
  EXPECT_EQ(plan.brokered_masks[1].rule, "runbooks");
}

// What a mount cannot express would take more than is denied.
TEST(Brokered, is_covered_by_whole_letters_alone) {
  const auto masked = [](const std::string& rights) {
    const BoxPlan plan = whole(with_rules("  v: {allow: rw, path: /srv/v/**, audit: each}\n  no: {deny: " + rights +
                                          ", path: /srv/v/d}\n"))
                             .plan.box;
    return plan.brokered_masks.empty() ? Rights() : plan.brokered_masks[0].denied;
  };
  EXPECT_EQ(masked("[create, append]"), Rights());
  EXPECT_EQ(masked("[list, stat]"), Rights());
  EXPECT_EQ(masked("w"), kWrite);
  EXPECT_EQ(masked("r"), kAll);
}

TEST(Brokered, several_rules_of_one_place_make_one_view) {
  const BoxPlan plan = whole(with_rules("  a: {allow: r, path: /srv/x/**, audit: each, optional: true}\n"
                                        "  b: {allow: [write], path: /srv/x/**, audit: each}\n"
                                        "  d: {allow: [list, append], path: /srv/x/y, audit: each}\n"))
                           .plan.box;
  ASSERT_THAT(plan.brokered, SizeIs(2));
  EXPECT_EQ(plan.brokered[0].rights, kRead | Right::write);
  EXPECT_FALSE(plan.brokered[0].optional);
  EXPECT_EQ(plan.brokered[1].rights, kRead | Right::write | Right::append)
      << "a narrower mount gives what the wider does";
}

TEST(Brokered, is_decided_as_other_rules_are) {
  const CompiledPolicy policy = compiled(kBrokered);
  EXPECT_EQ(decided(policy, "fs.read /srv/runbooks/db.md"), Effect::allow);
  EXPECT_EQ(decided(policy, "fs.write /srv/runbooks/db.md"), Effect::deny);
  EXPECT_EQ(decided(policy, "fs.read /srv/runbooks/db.draft"), Effect::deny);
  EXPECT_EQ(decided(policy, "fs.read /srv/runbooks/private/x"), Effect::deny);
  EXPECT_EQ(decided(policy, "fs.write /srv/inbox"), Effect::allow);
}

TEST(Brokered, explain_names_the_broker) {
  EXPECT_THAT(explained(kBrokered, "fs.read /srv/runbooks/db.md"),
              HasSubstr("kept by broker (absent from the box, reached by primitive): r, each use recorded\n"));
  EXPECT_THAT(explained(kBrokered, "fs.read /srv/runbooks/a.draft"),
              HasSubstr("kept by broker: primitives refuse it\n"));
  EXPECT_THAT(explained(kBrokered, "fs.write /srv/runbooks/a"),
              HasSubstr("kept by broker: reached by primitive with r only\n"));
  EXPECT_THAT(explained(kBrokered, "fs.execute /srv/runbooks/a"),
              HasSubstr("could remove 'audit: each', which x cannot have"));
}

TEST(Brokered, passes_its_policys_tests_where_the_box_does_not_give_it) {
  const Whole policy =
      whole(kBrokered +
            "tests:\n  allow: [fs.read $workspace/a, fs.read /srv/runbooks/db.md -> runbooks, fs.write /srv/inbox]\n"
            "  deny: [fs.read /srv/runbooks/a.draft -> drafts, fs.read /srv/runbooks/private/x]\n");
  EXPECT_EQ(render(run_tests(policy.compiled, policy.plan)), "");
  Plan given = policy.plan;
  given.box.mounts.push_back(
      {.path = "/srv/runbooks", .glob = false, .tree = true, .rights = kRead, .rule = "x", .source = {}});
  EXPECT_THAT(render(run_tests(policy.compiled, given)),
              HasSubstr("fs.read /srv/runbooks/db.md is allow by rule 'runbooks'"));
}

TEST(Brokered, and_a_mount_exclude_each_other) {
  const auto with = [](const std::string& rules) { return refused(with_rules(rules)); };
  const std::string each = ", audit: each}\n";
  EXPECT_THAT(
      with("  a: {allow: r, path: /srv/**}\n  b: {allow: r, path: /srv/x" + each),
      HasSubstr("./p.yaml:5:23: rule 'b' has 'audit: each' on /srv/x, and rule 'a' (./p.yaml:4:3) mounts /srv/** "
                "around it: the box has it anyway"));
  EXPECT_THAT(with("  a: {allow: r, path: /srv/x/**}\n  b: {allow: r, path: /srv/**" + each),
              HasSubstr("mounts /srv/x/** within it: no use of that is recorded"));
  EXPECT_THAT(with("  a: {allow: r, path: /srv}\n  b: {allow: r, path: /srv/**" + each), HasSubstr("mounts /srv"));
  EXPECT_THAT(with("  a: {allow: rwx, path: $workspace/**}\n  b: {allow: r, path: $workspace/x" + each),
              HasSubstr("the workspace is the box's own"));
  EXPECT_THAT(with("  b: {allow: r, path: $workspace/x" + each), HasSubstr("the workspace is the box's own"));
  EXPECT_THAT(with("  b: {allow: r, path: \"/srv/**/x\"" + each), HasSubstr("a place for every match"));
  EXPECT_THAT(with("  b: {allow: r, path: /tmp/x" + each), HasSubstr("where every box has its own"));
  EXPECT_EQ(with("  a: {allow: r, path: /srv/**, except: /srv/x/**}\n  b: {allow: r, path: /srv/x/**" + each),
            "it loads");
  EXPECT_EQ(with("  a: {allow: r, path: /srv/x/**}\n  b: {allow: r, path: /srv/**, except: /srv/x/**" + each),
            "it loads");
}

TEST(Brokered, what_an_exception_of_a_mount_leaves_to_it_is_covered_in_the_box) {
  const BoxPlan plan = whole(with_rules("  a: {allow: r, path: /srv/**, except: /srv/x/**}\n"
                                        "  b: {allow: r, path: /srv/x/**, audit: each}\n"))
                           .plan.box;
  ASSERT_THAT(plan.masks, SizeIs(1));
  EXPECT_EQ(plan.masks[0].pattern, "/srv/x/**");
}

TEST(Brokered, what_it_cannot_be_does_not_load) {
  const auto one = [](const std::string& body) { return refused(with_rules("  a: " + body + "\n")); };
  EXPECT_THAT(one("{allow: r, path: /a, audit: all}"), HasSubstr("./p.yaml:4:34: 'audit: all'"));
  EXPECT_THAT(one("{deny: r, path: /a, audit: each}"), HasSubstr("'audit' on a deny"));
  EXPECT_THAT(one("{allow: rx, path: /a, audit: each}"), HasSubstr("'audit: each' with x"));
  for (const char* bound : {"ask: r", "uses: 1", "for: 10m", "until: 5"})
    EXPECT_THAT(one("{" + std::string(bound) + (bound[0] == 'a' ? "" : ", allow: r") + ", path: /a, audit: each}"),
                HasSubstr("is part of the language but not enforced by this version yet"))
        << bound;
}

TEST(Remedy, is_said_without_a_plan_for_every_kind_of_request) {
  const CompiledPolicy policy = compiled(kBrokered);
  const auto remedied = [&](const std::string& line) {
    const Request request = *Request::parse(line);
    const Decision decision = decide(policy, request);
    EXPECT_EQ(decision.effect, Effect::deny) << line;
    return remedy(policy, request, decision);
  };
  EXPECT_THAT(remedied("fs.read /srv/a.txt"), HasSubstr("{allow: r, path: '/srv/a.txt'}"));
  EXPECT_THAT(remedied("fs.read /srv/runbooks/a.draft"), HasSubstr("'except'"));
  EXPECT_THAT(remedied("fs.write /srv/runbooks/a"), HasSubstr("could add w to it"));
  EXPECT_THAT(remedied("fs.write /etc/passwd"), HasSubstr("no policy can allow it"));
  EXPECT_THAT(remedied("net.connect a:1"), HasSubstr("no network rules"));
  EXPECT_THAT(remedied("clock.sleep 1h"), HasSubstr("clock: {sleep: {each: 1h}}"));
}

}  // namespace
}  // namespace alos::policy
