#include "supervisor/workspace/text_diff.h"

#include <gtest/gtest.h>

#include <random>

namespace alos::workspace {
namespace {

std::string shown(std::string_view before, std::string_view after) {
  std::string out;
  const auto lines = text_diff(before, after, {});
  EXPECT_TRUE(lines);
  for (size_t i = 0; lines && i < lines->size(); ++i) {
    const DiffLine& line = (*lines)[i];
    out += line.sign == '@' ? "@" + std::to_string(line.before) + "," + std::to_string(line.after) + "|"
                            : line.sign + std::string(line.text) + "|";
  }
  return out;
}

TEST(TextDiff, shows_hunks_with_context) {
  EXPECT_EQ(shown("a\nb\nc\n", "a\nX\nc\n"), "@1,1| a|-b|+X| c|");
  EXPECT_EQ(shown("", "a\n"), "@1,1|+a|");
  EXPECT_EQ(shown("a\n", ""), "@1,1|-a|");
  EXPECT_EQ(shown("a\n", "a\n"), "");
  EXPECT_EQ(shown("a", "a\n"), "@1,1|-a|+a|") << "the newline at the end counts";
}

TEST(TextDiff, far_changes_are_hunks_of_their_own) {
  EXPECT_EQ(shown("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "x\n2\n3\n4\n5\n6\n7\n8\n9\ny\n"),
            "@1,1|-1|+x| 2| 3| 4|@7,7| 7| 8| 9|-10|+y|");
}

// With all lines as context, keeping ' ' and '-' gives the old text, ' ' and '+' the new one.
TEST(TextDiff, of_any_two_texts_gives_both_back) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const auto text = [&] {
      std::string out;
      for (size_t n = random() % 20; n > 0; --n) out.append(1, static_cast<char>('a' + random() % 4)).push_back('\n');
      return out;
    };
    const std::string before = text(), after = text();
    const auto lines = text_diff(before, after, {.edits = 1000, .context = 1000});
    ASSERT_TRUE(lines);
    if (before == after) continue;
    std::string old_text, new_text;
    for (const DiffLine& line : *lines) {
      if (line.sign == ' ' || line.sign == '-') old_text.append(line.text).push_back('\n');
      if (line.sign == ' ' || line.sign == '+') new_text.append(line.text).push_back('\n');
    }
    ASSERT_EQ(old_text, before) << after;
    ASSERT_EQ(new_text, after) << before;
  }
}

TEST(TextDiff, gives_up_beyond_its_limit) {
  std::string before, after;
  for (int i = 0; i < 3000; ++i) before += "a\n", after += "b\n";
  EXPECT_FALSE(text_diff(before, after, {}));
}

}  // namespace
}  // namespace alos::workspace
