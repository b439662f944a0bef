#include "policy/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/policy/files.h"

namespace alos::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

Checked<Plan> planned(const std::string& yaml) {
  auto loaded = load_text(yaml);
  EXPECT_TRUE(loaded) << render(loaded ? Problems() : loaded.error());
  if (!loaded) return std::unexpected(loaded.error());
  static std::vector<CompiledPolicy> kept;  // a plan points into its policy
  kept.push_back(compile(std::move(loaded->policy)));
  return plan(kept.back());
}

BoxPlan box(const std::string& yaml) {
  auto out = planned(yaml);
  EXPECT_TRUE(out) << render(out ? Problems() : out.error());
  return out ? out->box : BoxPlan();
}

std::string refused(const std::string& yaml) {
  const auto out = planned(yaml);
  return out ? "it is planned" : render(out.error());
}

const std::string kSources = "  sources: {allow: rwx, path: $workspace/**}\n";

TEST(Plan, an_allow_is_a_mount) {
  const BoxPlan plan =
      box(with_rules("  a: {allow: rx, path: /opt/tool}\n  b: {allow: r, path: /srv/data/**, optional: true}\n"));
  ASSERT_THAT(plan.mounts, SizeIs(2));
  EXPECT_EQ(plan.mounts[0].path, "/opt/tool");
  EXPECT_FALSE(plan.mounts[0].tree);
  EXPECT_FALSE(plan.mounts[0].optional);
  EXPECT_EQ(plan.mounts[0].rights, kRead | kExecute);
  EXPECT_EQ(plan.mounts[0].rule, "a");
  EXPECT_EQ(plan.mounts[0].source.text(), "./p.yaml:4:24");
  EXPECT_EQ(plan.mounts[1].path, "/srv/data");
  EXPECT_TRUE(plan.mounts[1].tree);
  EXPECT_TRUE(plan.mounts[1].optional);
}

TEST(Plan, paths_are_literal_unless_they_are_globs) {
  const BoxPlan plan = box(with_rules("  a: {allow: r, path: ['/srv/a\\*b', '/srv/c\\*d/*/**', /srv/e*]}\n"));
  ASSERT_THAT(plan.mounts, SizeIs(3));
  EXPECT_EQ(plan.mounts[0].path, "/srv/a*b");
  EXPECT_FALSE(plan.mounts[0].glob);
  EXPECT_EQ(plan.mounts[1].path, "/srv/c\\*d/*");
  EXPECT_TRUE(plan.mounts[1].glob);
  EXPECT_TRUE(plan.mounts[1].tree);
  EXPECT_EQ(plan.mounts[2].path, "/srv/e*");
  EXPECT_FALSE(plan.mounts[2].tree);
}

TEST(Plan, rules_on_one_path_are_one_mount_with_all_their_rights) {
  const BoxPlan plan =
      box(with_rules("  a: {allow: rx, path: /s/**, optional: true}\n  b: {allow: rw, path: /s/**}\n"));
  ASSERT_THAT(plan.mounts, SizeIs(1));
  EXPECT_EQ(plan.mounts[0].rights, kAll);
  EXPECT_FALSE(plan.mounts[0].optional) << "one of them needs it";
}

TEST(Plan, an_inner_mount_has_the_outer_rights_too) {
  const BoxPlan plan = box(with_rules("  a: {allow: rx, path: /s/**}\n  b: {allow: rw, path: /s/out/**}\n"));
  ASSERT_THAT(plan.mounts, SizeIs(2));
  EXPECT_EQ(plan.mounts[0].path, "/s");
  EXPECT_EQ(plan.mounts[1].path, "/s/out");
  EXPECT_EQ(plan.mounts[1].rights, kAll);
}

TEST(Plan, a_deny_of_a_whole_mount_takes_its_rights) {
  const BoxPlan plan = box(with_rules("  a: {allow: rwx, path: /s/**}\n  b: {deny: w, path: /s/**}\n"));
  ASSERT_THAT(plan.mounts, SizeIs(1));
  EXPECT_EQ(plan.mounts[0].rights, kRead | kExecute);
  EXPECT_THAT(plan.masks, IsEmpty());
}

TEST(Plan, a_deny_below_a_readable_mount_covers_what_exists) {
  const BoxPlan plan =
      box(with_rules("  a: {allow: rx, path: /s/**}\n"
                     "  b: {deny: r, path: \"/s/**/.env*\", except: /s/.env.example, reason: secret}\n"));
  ASSERT_THAT(plan.masks, SizeIs(1));
  EXPECT_EQ(plan.masks[0].pattern, "/s/**/.env*");
  EXPECT_THAT(plan.masks[0].except, ElementsAre("/s/.env.example"));
  EXPECT_EQ(plan.masks[0].denied, kAll);
  EXPECT_FALSE(plan.masks[0].pin_parents);
  EXPECT_EQ(plan.masks[0].reason, "secret");
  EXPECT_EQ(plan.masks[0].source.text(), "./p.yaml:5:3");
  EXPECT_THAT(plan.layer_denies, IsEmpty());
}

TEST(Plan, a_deny_of_what_is_not_allowed_needs_nobody) {
  EXPECT_THAT(
      box(with_rules("  a: {allow: r, path: /s/**}\n  b: {deny: w, path: /s/x}\n  c: {deny: r, path: /t/**}\n")).masks,
      IsEmpty());
}

class CopiedWorkspace : public testing::TestWithParam<const char*> {};

TEST_P(CopiedWorkspace, denies_cover_what_exists_and_hold_for_what_leaves) {
  const BoxPlan plan = box(with_rules(
      kSources + "  secrets: {deny: r, path: $workspace/**/.env*}\n  infra: {deny: w, path: $workspace/infra/**}\n",
      std::string("workspace: ") + GetParam() + "\n"));
  ASSERT_THAT(plan.masks, SizeIs(2));
  EXPECT_EQ(plan.masks[0].rule, "infra");
  EXPECT_EQ(plan.masks[0].denied, kWrite);
  EXPECT_FALSE(plan.masks[0].pin_parents);
  EXPECT_EQ(plan.masks[1].pin_parents, std::string_view(GetParam()) == "copy") << "a copy lasts";
  ASSERT_THAT(plan.layer_denies, SizeIs(2));
  EXPECT_EQ(plan.layer_denies[1].pattern, "/w/**/.env*");
  EXPECT_THAT(plan.printed, IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(Modes, CopiedWorkspace, testing::Values("layer", "copy"));

TEST(Plan, a_live_deny_in_a_direct_workspace_is_refused) {
  const std::string text =
      refused(with_rules(kSources + "  secrets: {deny: r, path: $workspace/**/.env*}\n", "workspace: direct\n"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "./p.yaml:6:28: rule 'secrets' denies $workspace/**/.env* (/w/**/.env*), and nothing can enforce it here: "
          "the workspace is direct and writable"));
  EXPECT_THAT(
      text, HasSubstr("use 'workspace: layer' (it then cannot leave the layer), or say 'degrade: allow' on the rule"));
}

TEST(Plan, a_live_deny_may_be_given_up_aloud) {
  const BoxPlan plan = box(with_rules(kSources + "  secrets: {deny: r, path: $workspace/**/.env*, degrade: allow}\n",
                                      "workspace: direct\n"));
  ASSERT_THAT(plan.printed, SizeIs(1));
  EXPECT_THAT(plan.printed[0], HasSubstr("rule 'secrets' (./p.yaml:6:3) is not kept for files made after the start"));
  ASSERT_THAT(plan.masks, SizeIs(1));
  EXPECT_TRUE(plan.masks[0].pin_parents) << "what exists stays covered";
}

TEST(Plan, a_literal_deny_in_a_direct_workspace_pins_its_parents) {
  for (const char* path : {"$workspace/a/b", "$workspace/a/**"}) {
    const BoxPlan plan = box(with_rules(kSources + "  b: {deny: r, path: " + path + "}\n", "workspace: direct\n"));
    ASSERT_THAT(plan.masks, SizeIs(1)) << path;
    EXPECT_TRUE(plan.masks[0].pin_parents) << path;
  }
}

TEST(Plan, an_exception_makes_a_directory_live_again) {
  EXPECT_THAT(refused(with_rules(kSources + "  b: {deny: w, path: $workspace/a/**, except: $workspace/a/b/**}\n",
                                 "workspace: direct\n")),
              HasSubstr("nothing can enforce it here"));
}

TEST(Plan, a_live_deny_below_a_writable_host_path_is_refused) {
  EXPECT_THAT(refused(with_rules("  a: {allow: rw, path: /srv/x/**}\n  b: {deny: r, path: \"/srv/**/*.key\"}\n")),
              HasSubstr("/srv/x/** is written directly"));
}

TEST(Plan, a_deny_in_the_layer_is_not_confused_by_the_box_around_it) {
  Files files{{{"./p.yaml", with_rules(kSources + "  b: {deny: r, path: $workspace/**/.env*}\n")}},
              {{"workspace", "/tmp/w"}},
              Missing::refuse};
  const auto out = plan(compile(files.load("./p.yaml")->policy));
  ASSERT_TRUE(out) << render(out.error());
  EXPECT_THAT(out->box.masks, SizeIs(1));
}

TEST(Plan, a_deny_of_the_boxs_own_places_is_refused) {
  for (const char* path : {"/tmp/x", "/**/.env*", "/proc/cpuinfo", "/home/agent/**"})
    EXPECT_THAT(refused(with_rules(std::string("  b: {deny: r, path: \"") + path + "\"}\n")),
                HasSubstr("is the box's own"))
        << path;
}

TEST(Plan, what_a_mount_cannot_give_is_refused_with_the_letters_that_it_can) {
  for (const char* rights :
       {"[read, append]", "[write]", "x", "[list, stat]", "w", "[read]", "[read, list, stat, write, create]"}) {
    const std::string text = refused(with_rules(std::string("  a: {allow: ") + rights + ", path: /s/**}\n"));
    EXPECT_THAT(text, HasSubstr("nothing can enforce that")) << rights;
    EXPECT_THAT(text, HasSubstr("r, rw, rx or rwx")) << rights;
  }
}

TEST(Plan, finer_words_that_add_up_to_letters_are_letters) {
  const BoxPlan plan = box(with_rules(
      "  a: {allow: [write, append, create], path: /s/**}\n  b: {allow: [r, remove, rename, chmod], path: /s/**}\n"));
  ASSERT_THAT(plan.mounts, SizeIs(1));
  EXPECT_EQ(plan.mounts[0].rights.text(), "rw");
}

TEST(Plan, a_deny_that_a_mount_cannot_express_says_which_letters_can) {
  const auto with = [](const char* rights) {
    return with_rules(kSources + "  b: {deny: " + std::string(rights) + ", path: $workspace/a/**}\n");
  };
  EXPECT_THAT(refused(with("[remove]")), HasSubstr("fix:      deny w, or allow less there"));
  EXPECT_THAT(refused(with("[stat]")), HasSubstr("fix:      deny r, or allow less there"));
  EXPECT_THAT(refused(with("[list, append]")), HasSubstr("fix:      deny rw, or allow less there"));
  for (const char* rights : {"w", "x", "wx", "r", "rwx", "[read]"}) EXPECT_TRUE(planned(with(rights))) << rights;
}

TEST(Plan, globs_that_no_mount_can_follow_are_refused) {
  EXPECT_THAT(refused(with_rules("  a: {allow: r, path: \"/srv/**/x\"}\n")), HasSubstr("'**' before the end"));
  EXPECT_THAT(refused(with_rules("  a: {allow: r, path: $workspace/*.c}\n")),
              HasSubstr("the workspace is mounted as a tree"));
  EXPECT_THAT(refused(with_rules("  a: {allow: r, path: \"/w*/x/**\"}\n")),
              HasSubstr("the workspace is mounted as a tree"));
}

TEST(Plan, an_exception_of_an_allow_is_covered) {
  const BoxPlan plan =
      box(with_rules("  sources: {allow: rwx, path: $workspace/**, except: $workspace/private/**, reason: mine}\n"));
  ASSERT_THAT(plan.masks, SizeIs(1));
  EXPECT_EQ(plan.masks[0].pattern, "/w/private/**");
  EXPECT_EQ(plan.masks[0].denied, kAll);
  EXPECT_THAT(plan.masks[0].except, IsEmpty());
  EXPECT_THAT(plan.layer_denies, SizeIs(1));
}

TEST(Plan, an_exception_leaves_what_another_rule_allows) {
  const BoxPlan same =
      box(with_rules("  a: {allow: rw, path: /s/**, except: /s/x/**}\n  b: {allow: r, path: /s/**}\n"));
  ASSERT_THAT(same.masks, SizeIs(1));
  EXPECT_EQ(same.masks[0].denied, kWrite);
  const BoxPlan inner =
      box(with_rules("  a: {allow: rw, path: /s/**, except: /s/x/**}\n  b: {allow: r, path: /s/x/**}\n"));
  ASSERT_THAT(inner.masks, SizeIs(1)) << "files of it have other names in what is written";
  EXPECT_EQ(inner.masks[0].pattern, "/s/x/**");
  EXPECT_EQ(inner.masks[0].denied, kWrite) << "and no more than the inner mount says";
  ASSERT_THAT(inner.mounts, SizeIs(2));
  EXPECT_EQ(inner.mounts[1].rights, kRead);
  EXPECT_THAT(refused(with_rules("  a: {allow: rw, path: /s/**, except: /s/x/**}\n  b: {allow: r, path: /s/x/y/**}\n")),
              HasSubstr("nothing can enforce both"));
}

TEST(Plan, what_every_allow_excepts_is_covered) {
  const BoxPlan same = box(
      with_rules("  a: {allow: r, path: /s/**, except: /s/x/**}\n  b: {allow: rx, path: /s/**, except: /s/x/**}\n"));
  ASSERT_THAT(same.masks, Not(IsEmpty()));
  for (const BoxMask& mask : same.masks) EXPECT_EQ(mask.denied, kAll);
  const BoxPlan layered =
      box(with_rules("  a: {allow: rw, path: $workspace/**, except: $workspace/x/**}\n"
                     "  b: {allow: rx, path: $workspace/**, except: $workspace/x/**}\n"));
  EXPECT_THAT(layered.masks, Not(IsEmpty()));
  EXPECT_THAT(layered.layer_denies, Not(IsEmpty()));
}

TEST(Plan, an_exception_within_anothers_is_what_is_left_out) {
  const BoxPlan plan = box(
      with_rules("  a: {allow: r, path: /s/**, except: /s/x/**}\n  b: {allow: rx, path: /s/x/**, except: /s/x/y}\n"));
  ASSERT_THAT(plan.masks, SizeIs(1));
  EXPECT_EQ(plan.masks[0].pattern, "/s/x/y");
  EXPECT_EQ(plan.masks[0].denied, kAll);
}

TEST(Plan, exceptions_of_several_rules_that_overlap_in_part_are_refused) {
  EXPECT_THAT(refused(with_rules("  a: {allow: r, path: /s/**, except: \"/s/x*/**\"}\n"
                                 "  b: {allow: rx, path: /s/**, except: \"/s/*y/**\"}\n")),
              HasSubstr("nothing can enforce both"));
}

TEST(Plan, a_deny_below_an_inner_mount_reaches_the_rights_of_the_outer_one) {
  const BoxPlan plan = box(
      with_rules("  a: {allow: rw, path: /s/**}\n  b: {allow: rx, path: /s/in/**}\n  c: {deny: w, path: /s/in/x}\n"));
  ASSERT_THAT(plan.masks, SizeIs(1));
  EXPECT_EQ(plan.masks[0].pattern, "/s/in/x");
  EXPECT_TRUE(plan.masks[0].pin_parents);
}

// By other names of its files, and by what a layer holds of it already.
TEST(Plan, what_an_inner_mount_denies_holds_in_what_is_written_around_it) {
  const std::string rules =
      "  a: {allow: rw, path: $workspace/**}\n  b: {allow: rx, path: $workspace/x/b/**}\n"
      "  c: {deny: w, path: $workspace/x/b/**}\n";
  const BoxPlan direct = box(with_rules(rules, "workspace: direct\n"));
  ASSERT_THAT(direct.masks, SizeIs(1));
  EXPECT_EQ(direct.masks[0].denied, kWrite);
  EXPECT_FALSE(direct.masks[0].pin_parents) << "the mount is there or the launch is refused: nothing need exist in it";
  EXPECT_THAT(direct.layer_denies, IsEmpty());
  for (const char* mode : {"layer", "copy"}) {
    const BoxPlan apart = box(with_rules(rules, std::string("workspace: ") + mode + "\n"));
    EXPECT_THAT(apart.masks, IsEmpty()) << mode;
    ASSERT_THAT(apart.layer_denies, SizeIs(1)) << mode;
    EXPECT_EQ(apart.layer_denies[0].pattern, "/w/x/b/**") << mode;
  }
}

// What is not mounted keeps nothing.
TEST(Plan, an_inner_mount_that_may_be_missing_is_not_relied_on) {
  for (const char* inner :
       {"  b: {allow: rx, optional: true, path: /s/x/b/**}\n", "  b: {allow: rx, path: \"/s/x/b*/**\"}\n"}) {
    const BoxPlan plan =
        box(with_rules(std::string("  a: {allow: rw, path: /s/**}\n  c: {deny: w, path: /s/x/b/**}\n") + inner));
    ASSERT_THAT(plan.masks, SizeIs(1)) << inner;
    EXPECT_TRUE(plan.masks[0].pin_parents) << inner;
  }
  EXPECT_THAT(refused(with_rules("  a: {allow: rw, path: /s/**}\n  b: {allow: rx, path: \"/s/x/*/b/**\"}\n"
                                 "  c: {deny: w, path: \"/s/x/*/b/**\"}\n")),
              HasSubstr("a match made later could be used"));
  const BoxPlan own =
      box(with_rules("  b: {allow: rw, optional: true, path: /home/agent/cache/**}\n"
                     "  c: {deny: w, path: /home/agent/cache/kept}\n"));
  EXPECT_THAT(own.masks, SizeIs(1)) << "the home around it is the box's own";
}

TEST(Plan, says_that_directories_on_the_way_to_a_mount_are_held) {
  const auto says = [](const std::string& rules) {
    const auto out = planned(with_rules(rules));
    EXPECT_TRUE(out);
    std::string last;
    for (const Enforcement& each : out->enforced)
      if (each.rule->name == "b") last = each.text;
    return last;
  };
  const char* held = "directories on the way to it cannot be renamed";
  EXPECT_THAT(says("  a: {allow: rw, path: /s/**}\n  b: {allow: rx, path: /s/x/b/**}\n"), HasSubstr(held));
  EXPECT_THAT(says("  a: {allow: rw, path: /s/**}\n  b: {allow: rx, path: /s/b/**}\n"), Not(HasSubstr(held)));
  EXPECT_THAT(says("  a: {allow: r, path: /s/**}\n  b: {allow: rx, path: /s/x/b/**}\n"), Not(HasSubstr(held)));
}

TEST(Plan, an_exception_inside_another_rules_mount_is_refused) {
  EXPECT_THAT(refused(with_rules("  a: {allow: rw, path: /s/**, except: /s/in/x}\n  b: {allow: rx, path: /s/in/**}\n")),
              HasSubstr("the exception /s/in/x of rule 'a' overlaps /s/in/**"));
}

TEST(Plan, a_deny_holds_where_a_glob_and_a_path_mount_one_node) {
  const BoxPlan plan =
      box(with_rules("  a: {allow: rw, path: \"/s/*b\"}\n  b: {allow: rx, path: /s/b}\n  c: {deny: w, path: /s/b}\n"));
  ASSERT_THAT(plan.masks, SizeIs(1)) << "the glob's mount gives w there as well";
  EXPECT_EQ(plan.masks[0].denied, kWrite);
}

TEST(Plan, one_rule_that_cannot_be_kept_is_one_problem) {
  const auto out =
      planned(with_rules(kSources + "  b: {deny: r, path: [$workspace/**/.env, $workspace/**/x, $workspace/*.y]}\n",
                         "workspace: direct\n"));
  ASSERT_FALSE(out);
  ASSERT_THAT(out.error(), SizeIs(1));
  EXPECT_THAT(out.error()[0].text, HasSubstr("; the same holds for 2 more of its paths"));
}

TEST(Plan, carries_everything_else_to_the_launcher) {
  const BoxPlan plan = box(kHead +
                           "about: words\nvars: {workspace: dir}\nhome: {keep: h}\nlimits: {memory: 1GiB}\n"
                           "degrade: memory\nmdwe: on\nenv: {pass: [TZ], set: {A: b}}\n");
  EXPECT_EQ(plan.policy, "./p.yaml");
  EXPECT_EQ(plan.about, "words");
  EXPECT_THAT(plan.hash, SizeIs(64));
  EXPECT_EQ(plan.workspace_mode, WorkspaceMode::layer);
  EXPECT_EQ(plan.workspace, "/w");
  EXPECT_EQ(plan.keep_home, "h");
  EXPECT_EQ(plan.limits.memory, 1ULL << 30);
  EXPECT_THAT(plan.degrade, ElementsAre("memory"));
  EXPECT_TRUE(plan.memory_deny_write_execute);
  EXPECT_THAT(plan.env_pass, ElementsAre("TZ"));
  EXPECT_EQ(plan.env_set.at("A"), "b");
  EXPECT_EQ(box(kHead).workspace_mode, WorkspaceMode::none);
}

TEST(Plan, an_inherited_allow_that_is_denied_whole_is_not_mounted) {
  Files files{{{"/shipped/base.yaml", kHead + "files:\n  a: {allow: r, path: /s/**}\n"},
               {"./p.yaml", kHead + "extends: base\nfiles:\n  b: {deny: r, path: /s/**}\n"}},
              {},
              Missing::refuse};
  const auto out = plan_box(compile(files.load("./p.yaml")->policy));
  ASSERT_TRUE(out) << render(out.error());
  EXPECT_THAT(out->mounts, IsEmpty());
}

TEST(Plan, what_is_denied_whole_is_covered_in_the_mount_around_it) {
  Files files{{{"/shipped/base.yaml", kHead + "files:\n  a: {allow: r, path: /s/in/**}\n"},
               {"./p.yaml", kHead + "extends: base\nfiles:\n  b: {deny: rwx, path: /s/in/**}\n"
                                    "  c: {allow: rx, path: /s/**}\n"}},
              {},
              Missing::refuse};
  const auto out = plan_box(compile(files.load("./p.yaml")->policy));
  ASSERT_TRUE(out) << render(out.error());
  ASSERT_THAT(out->mounts, SizeIs(1));
  ASSERT_THAT(out->masks, SizeIs(1));
  EXPECT_EQ(out->masks[0].pattern, "/s/in/**");
}

TEST(Plan, says_for_every_path_who_keeps_it) {
  const auto out = planned(with_rules(kSources + "  a: {deny: r, path: [$workspace/x, /elsewhere]}\n"));
  ASSERT_TRUE(out);
  std::vector<std::string> kept;
  for (const Enforcement& each : out->enforced)
    if (each.rule->name == "a")
      for (const Enforcer by : each.by) kept.push_back(each.path->written + " " + std::string(name(by)));
  EXPECT_THAT(kept, ElementsAre("$workspace/x mask", "$workspace/x layer", "/elsewhere absent"));
}

}  // namespace
}  // namespace alos::policy
