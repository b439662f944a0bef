#include "supervisor/box/expand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "policy/pattern.h"

namespace alos::box {
namespace {

using policy::Pattern;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class Expand : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-expand-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  void make(const std::string& file) const {
    const std::filesystem::path path = top_ + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << file;
  }
  // What is found, without the test's own directory.
  std::vector<std::string> found(const std::string& pattern) const {
    policy::BoxMount mount;
    mount.glob = true;
    mount.path = top_ + pattern;
    auto out = expand(mount);
    EXPECT_TRUE(out) << (out ? "" : out.error().text());
    for (std::string& path : *out) path = path.substr(top_.size());
    return *out;
  }
  std::string top_;
};

TEST_F(Expand, a_path_is_itself_there_or_not) {
  policy::BoxMount mount;
  mount.path = "/nowhere/a*b";
  EXPECT_THAT(*expand(mount), ElementsAre("/nowhere/a*b"));
}

TEST_F(Expand, finds_what_the_pattern_matches_and_nothing_else) {
  const std::vector<std::string> names{"a[1]", "a\\1", "a1", "b*",   "b?", "bx",   "c{d,e}", "cd",
                                       ".e",   "~",    "!f", "[!f]", "-",  "\xff", "a\nb"};
  for (const std::string& name : names) make("/" + name + "/" + name);
  for (const std::string& first : {std::string("*"), std::string("a*"), std::string("*\\]"), Pattern::escape("a[1]")})
    for (const std::string& name : names) {
      const std::string text = "/" + first + "/" + Pattern::escape(name);
      const Pattern pattern = *Pattern::parse(text);
      std::vector<std::string> expected;
      for (const std::string& directory : names)
        if (pattern.matches("/" + directory + "/" + name) && directory == name)
          expected.push_back("/" + directory + "/" + name);
      EXPECT_EQ(found(text), expected) << text;
    }
  EXPECT_THAT(found("/b*"), UnorderedElementsAre("/b*", "/b?", "/bx"));
  EXPECT_THAT(found("/.*"), ElementsAre("/.e")) << "neither '.' nor '..'";
}

TEST_F(Expand, what_is_missing_or_no_directory_holds_nothing) {
  make("/file");
  EXPECT_THAT(found("/file/*"), IsEmpty());
  EXPECT_THAT(found("/none/*/x"), IsEmpty());
  EXPECT_THAT(found("/*/x"), IsEmpty());
}

TEST_F(Expand, a_link_is_named_whatever_it_leads_to) {
  make("/d/file");
  std::filesystem::create_symlink("nowhere", top_ + "/d/link");
  std::filesystem::create_symlink("d", top_ + "/l");
  EXPECT_THAT(found("/d/*"), UnorderedElementsAre("/d/file", "/d/link"));
  EXPECT_THAT(found("/l/f*"), ElementsAre("/l/file")) << "for the launch to refuse by name";
}

}  // namespace
}  // namespace alos::box
