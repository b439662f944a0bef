// What a hostile reading of mounts within mounts found: directories between a tree that the box writes and a mount in
// it with fewer rights were the tree's own, to be renamed. The next box or run then found the agent's at the mount's
// path, and what had been mounted there could be written by its new name.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// One thing said in several ways: all of T may be written, but T/x/b.
struct Form {
  const char* name;
  const char* rules;  // T: the tree
};
constexpr Form kForms[] = {
    {"denied",
     "  tree: {allow: rw, path: T/**}\n  b: {allow: rx, path: T/x/b/**}\n"
     "  d: {deny: w, path: T/x/b/**}\n"},
    {"excepted", "  tree: {allow: rw, path: T/**, except: [T/x/b/**]}\n  b: {allow: rx, path: T/x/b/**}\n"},
    {"written_in_two_mounts",
     "  tree: {allow: rw, path: T/**, except: [T/x/b/**]}\n  x: {allow: rwx, path: T/x/**, except: [T/x/b/**]}\n"
     "  b: {allow: rx, path: T/x/b/**}\n"},
    {"one_file",
     "  tree: {allow: rw, path: T/**}\n  b: {allow: rx, path: [T/x/b/f, T/x/b/prog]}\n"
     "  d: {deny: w, path: [T/x/b/f, T/x/b/prog]}\n"},
};
constexpr const char* kDeep =
    "  tree: {allow: rw, path: T/**}\n  b: {allow: rx, path: T/p/q/x/b/**}\n  d: {deny: w, path: T/p/q/x/b/**}\n";

// Where the tree is.
constexpr const char* kPlaces[] = {"direct", "outside", "copy", "layer"};

constexpr const char* kSwap = "mv x y; mkdir -p x/b; for f in f prog; do echo fake > x/b/$f; done; ";
constexpr const char* kWrite = "for d in x y; do echo PWN > $d/b/f; done";

class NestedMount : public InBothModes {
 protected:
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }
  std::string data() { return world().root() + "/data"; }
  std::string tree(const std::string& place) { return place == "outside" ? data() : world().workspace(); }
  std::string policy(const std::string& place, std::string rules) {
    const bool outside = place == "outside";
    for (size_t at = rules.find("T/"); at != rules.npos; at = rules.find("T/", at))
      rules.replace(at, 1, outside ? "$data" : "$workspace");
    if (outside) rules += "  own: {allow: rw, path: $workspace/**}\n";
    return world().policy("nested-" + place,
                          "alos: 1\nabout: a mount in a tree\nextends: base\n"
                          "vars: {workspace: dir, data: dir}\nworkspace: " +
                              (outside ? "layer" : place) + "\nfiles:\n" + rules);
  }
  // As it is before an agent comes. As root a tree is written directly only where it is nobody's of the host's own.
  void lay_out(const std::string& place, const std::string& below = "") {
    (void)world().call({"alos", "undo", "--yes"});
    for (const std::string& directory : {world().workspace(), data()})
      if (fs::exists(directory))
        for (const auto& entry : fs::directory_iterator(directory)) fs::remove_all(entry.path());
    world().write(data() + "/plain", "plain\n");
    world().write(tree(place) + "/" + below + "x/b/f", "orig\n");
    world().write(tree(place) + "/" + below + "x/b/prog", "#!/bin/sh\necho HOST\n", 0755);
    if (world().mode() != Mode::root) return;
    // The workspace alone is mapped to the box's user.
    ASSERT_EQ(world().call({"chown", "-hR", "12345:12345", world().workspace()}).code, 0);
    ASSERT_EQ(world().call({"chmod", "-R", "a+rwX", data()}).code, 0);
  }
  Outcome sh(const std::string& policy, const std::string& place, const std::string& script) {
    return world().shell(policy, "cd " + tree(place) + " || exit\n" + script, {}, {"--var", "data=" + data()});
  }
  static std::string in_second_box(const std::string& script) {
    return "alos-call shell.run --raw -- /bin/sh -c 'cd '\"$PWD\"'; " + script + "'; ";
  }
  void expect_untouched(const std::string& place, const std::string& below = "") {
    if (place == "copy" || place == "layer") (void)world().call({"alos", "apply"});
    EXPECT_EQ(world().read(tree(place) + "/" + below + "x/b/f"), "orig\n");
    for (const auto& entry : fs::recursive_directory_iterator(tree(place)))
      if (entry.is_regular_file()) {
        EXPECT_THAT(world().read(entry.path()), Not(HasSubstr("PWN"))) << entry.path();
      }
  }
};

TEST_P(NestedMount, cannot_be_exchanged_for_the_next_box_of_a_run) {
  for (const std::string place : kPlaces)
    for (const Form& form : kForms) {
      SCOPED_TRACE(place + " " + form.name);
      lay_out(place);
      const Outcome run = sh(policy(place, form.rules), place, kSwap + in_second_box(kWrite) + "echo done");
      EXPECT_THAT(run.out, HasSubstr("done")) << run.err;
      EXPECT_THAT(run.err, HasSubstr("busy")) << "the directory between was renamed";
      expect_untouched(place);
    }
}

TEST_P(NestedMount, cannot_be_exchanged_for_the_next_run) {
  for (const std::string place : kPlaces)
    for (const Form& form : kForms) {
      SCOPED_TRACE(place + " " + form.name);
      lay_out(place);
      const std::string nested = policy(place, form.rules);
      EXPECT_THAT(sh(nested, place, std::string(kSwap) + "echo done").out, HasSubstr("done"));
      EXPECT_THAT(sh(nested, place, std::string(kWrite) + "; echo done").out, HasSubstr("done"));
      expect_untouched(place);
    }
}

TEST_P(NestedMount, is_held_at_every_level) {
  for (const std::string place : kPlaces)
    for (const char* between : {"p", "p/q", "p/q/x", "p/q/x/b"}) {
      SCOPED_TRACE(place + " " + between);
      lay_out(place, "p/q/");
      const std::string at = between, moved = "mv " + at + " " + at + ".moved; ";  // beside it: on one mount
      const Outcome run = sh(policy(place, kDeep), place,
                             moved + "mkdir -p p/q/x/b; echo fake > p/q/x/b/f; " +
                                 in_second_box("find . -name f | while read f; do echo PWN > $f; done") + "echo done");
      EXPECT_THAT(run.out, HasSubstr("done")) << run.err;
      EXPECT_THAT(run.err, HasSubstr("busy"));
      expect_untouched(place, "p/q/");
    }
}

// What may be written may not be run, and the other way round.
TEST_P(NestedMount, gives_its_rights_to_nothing_that_the_agent_made) {
  for (const std::string place : kPlaces)
    for (const Form& form : kForms) {
      SCOPED_TRACE(place + " " + form.name);
      lay_out(place);
      const Outcome run =
          sh(policy(place, form.rules), place,
             "mv x y; mkdir -p x/b; printf \"#!/bin/sh\\necho RAN\\n\" > x/b/prog; chmod 755 x/b/prog; " +
                 in_second_box("x/b/prog; y/b/prog") + "echo done");
      EXPECT_THAT(run.out, HasSubstr("done")) << run.err;
      EXPECT_THAT(run.out, Not(HasSubstr("RAN")));
    }
}

TEST_P(NestedMount, cannot_be_exchanged_by_a_primitive) {
  for (const std::string place : kPlaces)
    for (const Form& form : kForms) {
      SCOPED_TRACE(place + " " + form.name);
      lay_out(place);
      const std::string nested = policy(place, form.rules), x = tree(place) + "/x", y = tree(place) + "/y";
      const Outcome run = sh(nested, place,
                             "alos-call fs.rename " + x + " " + y +
                                 " && echo RENAMED; "
                                 "mkdir -p x/b; for f in f prog; do echo fake > x/b/$f; done; " +
                                 in_second_box(kWrite) + "alos-call fs.write " + y + "/b/f --content PWN; echo done");
      EXPECT_THAT(run.out, HasSubstr("done")) << run.err;
      EXPECT_THAT(run.out, Not(HasSubstr("RENAMED"))) << run.err;
      EXPECT_THAT(sh(nested, place, std::string(kWrite) + "; echo done").out, HasSubstr("done"));
      expect_untouched(place);
    }
}

// A secret within the nested mount, which is covered there, and not by another name.
TEST_P(NestedMount, keeps_what_is_covered_in_it) {
  for (const std::string place : kPlaces) {
    SCOPED_TRACE(place);
    lay_out(place);
    const std::string nested =
        policy(place,
               "  tree: {allow: rw, path: T/**, except: [T/x/b/**]}\n  b: {allow: rx, path: T/x/b/**}\n"
               "  d: {deny: rwx, path: T/x/b/f}\n");
    const Outcome run =
        sh(nested, place, "mv x y; mkdir -p x/b; echo fake > x/b/f; " + in_second_box("cat y/b/f x/b/f") + "echo done");
    EXPECT_THAT(run.out, HasSubstr("done")) << run.err;
    EXPECT_THAT(run.out, Not(HasSubstr("orig")));
    EXPECT_THAT(sh(nested, place, "cat y/b/f x/b/f").out, Not(HasSubstr("orig")));
    expect_untouched(place);
  }
}

TEST_P(NestedMount, is_not_written_by_another_name_of_its_file) {
  for (const std::string place : kPlaces)
    for (const Form& form : kForms) {
      SCOPED_TRACE(place + " " + form.name);
      lay_out(place);
      ASSERT_EQ(world().call({"ln", tree(place) + "/x/b/f", tree(place) + "/other"}).code, 0);
      const Outcome run = sh(policy(place, form.rules), place, "echo PWN > other; echo done");
      EXPECT_THAT(run.out, HasSubstr("done")) << run.err;
      EXPECT_EQ(world().read(tree(place) + "/x/b/f"), "orig\n");
    }
}

// Nothing mounts what is not there, and then the tree around it is written.
TEST_P(NestedMount, that_may_be_missing_leaves_no_gap_for_a_deny) {
  constexpr const char* kRules =
      "  tree: {allow: rw, path: T/**}\n  b: {allow: rx, optional: true, path: T/new/b/**}\n"
      "  d: {deny: w, path: T/new/b/**}\n";
  for (const std::string place : kPlaces) {
    SCOPED_TRACE(place);
    lay_out(place);
    const std::string nested = policy(place, kRules);
    const Outcome run = sh(nested, place, "mkdir -p new/b; echo PWN > new/b/f; echo done");
    const bool written_directly = place == "direct" || place == "outside";
    EXPECT_EQ(run.code == 0, !written_directly) << run.err;
    if (written_directly) {
      EXPECT_THAT(run.err, HasSubstr("it could be made"));
    }
    (void)world().call({"alos", "apply"});
    EXPECT_FALSE(fs::exists(tree(place) + "/new/b/f"));
  }
}

// By a name that the policy's words do not know of: what it holds is closed with it, and the rest is as it was.
TEST_P(NestedMount, in_a_directory_that_is_denied_is_closed_with_it) {
  for (const std::string audit : {"", ", audit: each"}) {
    SCOPED_TRACE(audit);
    lay_out("outside");
    for (const std::string name : {"x", "y"}) world().write(data() + "/" + name + "/books/f", name + " kept\n", 0644);
    const std::string closed = policy("outside", "  all: {allow: r, path: T/**" + audit +
                                                     "}\n  books: {allow: rw, "
                                                     "path: T/*/books/**" +
                                                     audit + "}\n  d: {deny: rw, path: T/x}\n");
    const std::string read = "for d in y x; do alos-call fs.read --raw " + data() + "/$d/books/f; done; ";
    const Outcome run =
        world().shell(closed, read + "cat " + data() + "/x/books/f; echo done", {}, {"--var", "data=" + data()});
    EXPECT_THAT(run.out, HasSubstr("y kept"));
    EXPECT_THAT(run.out, HasSubstr("done")) << run.err;
    EXPECT_THAT(run.out, Not(HasSubstr("x kept")));
  }
}

TEST_P(NestedMount, of_the_workspace_in_a_directory_that_is_denied_is_said) {
  lay_out("layer");
  const std::string closed = world().policy("closed",
                                            "alos: 1\nextends: base\nvars: {workspace: dir}\nworkspace: layer\nfiles:\n"
                                            "  all: {allow: r, path: \"" +
                                                world().root() +
                                                "/**\"}\n"
                                                "  own: {allow: rw, path: $workspace/**}\n  d: {deny: rwx, path: \"" +
                                                world().root() + "/*\"}\n");
  const Outcome run = world().shell(closed, "echo done");
  EXPECT_NE(run.code, 0);
  EXPECT_THAT(run.err, AllOf(HasSubstr("a deny takes this directory"), HasSubstr("and the workspace")));
}

INSTANTIATE_TEST_SUITE_P(Modes, NestedMount, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
