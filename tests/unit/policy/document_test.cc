#include "policy/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace alos::policy {
namespace {

using testing::HasSubstr;

TEST(Document, keeps_scalars_as_they_are_written) {
  const auto doc = parse_document("a: no\nb: 022\nc: \"1\"\nd: 1.0\ne: ~\n", "p.yaml");
  ASSERT_TRUE(doc);
  EXPECT_EQ(doc->find("a")->text, "no");
  EXPECT_EQ(doc->find("b")->text, "022");
  EXPECT_EQ(doc->find("c")->text, "1");
  EXPECT_EQ(doc->find("d")->text, "1.0");
  EXPECT_EQ(doc->find("e")->kind, Node::Kind::null);
  EXPECT_EQ(doc->find("f"), nullptr);
}

TEST(Document, knows_the_place_of_everything) {
  const auto doc = parse_document("a: 1\nb:\n  c: [x, y]\n  d:\n    - z\n", "p.yaml");
  ASSERT_TRUE(doc);
  EXPECT_EQ(doc->keys[1].at.text(), "p.yaml:2:1");
  const Node* b = doc->find("b");
  EXPECT_EQ(b->find("c")->items[1].at.text(), "p.yaml:3:10");
  EXPECT_EQ(b->find("d")->items[0].at.text(), "p.yaml:5:7");
}

struct Refusal {
  const char* name;
  std::string yaml;
  int line, column;
  const char* text;
};

class DocumentRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(DocumentRefuses, with_the_place) {
  const auto doc = parse_document(GetParam().yaml, "p.yaml");
  ASSERT_FALSE(doc);
  const Problem& problem = doc.error().front();
  EXPECT_THAT(problem.text, HasSubstr(GetParam().text));
  EXPECT_EQ(problem.at.line, GetParam().line) << problem.render();
  EXPECT_EQ(problem.at.column, GetParam().column) << problem.render();
  EXPECT_FALSE(problem.expected.empty());
}

INSTANTIATE_TEST_SUITE_P(Malformed, DocumentRefuses,
                         testing::Values(Refusal{"duplicate", "a: 1\nb: 2\na: 3\n", 3, 1, "'a' twice"},
                                         Refusal{"duplicate_below", "a: {x: 1, x: 2}\n", 1, 11, "'x' twice"},
                                         Refusal{"duplicate_quoted", "a: 1\n\"a\": 2\n", 2, 1, "'a' twice"},
                                         Refusal{"alias", "a: &x 1\nb: *x\n", 1, 4, "an anchor"},
                                         Refusal{"merge", "a: {b: 1}\nc:\n  <<: *a\n", 3, 7, "anchor is not defined"},
                                         Refusal{"tag", "a: !!binary aGk=\n", 1, 4, "the tag"},
                                         Refusal{"own_tag", "a: !x 1\n", 1, 4, "the tag"},
                                         Refusal{"two_documents", "a: 1\n---\nb: 2\n", 2, 1, "a second document"},
                                         Refusal{"list", "- a\n", 1, 1, "holds no keys"},
                                         Refusal{"empty", "", 1, 1, "holds no keys"},
                                         Refusal{"comment_only", "# nothing\n", 1, 1, "holds no keys"},
                                         Refusal{"map_as_key", "? {a: b}\n: 1\n", 1, 3, "not a word"},
                                         Refusal{"not_yaml", "a: [1\nb: 2\n", 2, 2, "not YAML"},
                                         Refusal{"deep", "a: [[[[[[[[[[[1]]]]]]]]]]]\n", 1, 11, "nested deeper"},
                                         Refusal{"bidi", "a: 1\nb: x\u202ey\n", 2, 5, "not shown"},
                                         Refusal{"zero_width", "a\u200b: 1\n", 1, 2, "not shown"},
                                         Refusal{"escape", "a: 1\nb: \x1b[31m\n", 2, 4, "not shown"},
                                         Refusal{"latin1", "a: \xe9\n", 1, 4, "not shown"},
                                         Refusal{"nul", std::string("a: 1\0\n", 6), 1, 5, "not shown"}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Document, accepts_windows_line_ends_and_tabs_where_yaml_does) {
  const auto doc = parse_document("a: 1\r\nb: 2\t# said\r\n", "p.yaml");
  ASSERT_TRUE(doc) << render(doc.error());
  EXPECT_EQ(doc->find("b")->text, "2");
}

TEST(Document, says_that_tabs_do_not_indent) {
  const auto tab = parse_document("a: 1\nb:\n\tc: {d: e}\n", "p.yaml");
  ASSERT_FALSE(tab);
  EXPECT_THAT(tab.error().front().fix, HasSubstr("indent with spaces"));
  EXPECT_EQ(parse_document("a: [1\nb: 2\n", "p.yaml").error().front().fix, "");
}

TEST(Document, reports_every_duplicate_at_once) {
  const auto doc = parse_document("a: 1\na: 2\nb: 1\nb: 2\n", "p.yaml");
  ASSERT_FALSE(doc);
  EXPECT_EQ(doc.error().size(), 2U);
}

class Bombs : public testing::TestWithParam<Refusal> {};

TEST_P(Bombs, are_refused_before_they_cost_anything) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(parse_document(GetParam().yaml, "p.yaml"));
  // Seconds, on any machine, instead of minutes or all memory.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

std::string repeated(const std::string& text, size_t bytes) {
  std::string out;
  while (out.size() + text.size() <= bytes) out += text;
  return out;
}

std::string laughs() {
  std::string out = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    out += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) out += std::string(i ? "," : "") + "*" + static_cast<char>(c - 1);
    out += "]\n";
  }
  return out;
}

constexpr size_t kFull = kMaxDocumentBytes - 16;
INSTANTIATE_TEST_SUITE_P(Kinds, Bombs,
                         testing::Values(Refusal{"laughs", laughs(), 0, 0, ""},
                                         Refusal{"brackets", "a: " + repeated("[", kFull), 0, 0, ""},
                                         Refusal{"braces", "a: " + repeated("{", kFull), 0, 0, ""},
                                         Refusal{"braces_keys", "a: " + repeated("{a: ", kFull), 0, 0, ""},
                                         Refusal{"dashes", repeated("- ", kFull), 0, 0, ""},
                                         Refusal{"questions", repeated("? ", kFull), 0, 0, ""},
                                         Refusal{"colons", repeated(": ", kFull), 0, 0, ""},
                                         Refusal{"anchors", repeated("&a ", kFull), 0, 0, ""},
                                         Refusal{"tags", repeated("!a ", kFull), 0, 0, ""},
                                         Refusal{"tag_marks", "a: " + repeated("!", kFull), 0, 0, ""},
                                         Refusal{"quotes", "a: " + repeated("'", kFull + 1), 0, 0, ""},
                                         Refusal{"commas", "a: [" + repeated(",", kFull), 0, 0, ""},
                                         Refusal{"many_values", "a: [" + repeated("x,", kFull) + "x]", 0, 0, ""},
                                         Refusal{"documents", repeated("---\n", kFull) + "a: 1", 0, 0, ""},
                                         Refusal{"too_large", "a: " + std::string(kMaxDocumentBytes, 'x'), 0, 0, ""}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace alos::policy
