// Every attack of the table, for real, in every sandbox that there is.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>

#include "tests/escape/sandbox.h"
#include "tests/skip.h"

namespace alos::escape {
namespace {

struct Case {
  Sandbox sandbox;
  Row row;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.row.attempt << " in " << c.sandbox.name;
}

class Escape : public testing::TestWithParam<Case> {};

TEST_P(Escape, ends_as_the_table_says) {
  const auto& [sandbox, row] = GetParam();
  if (::geteuid() != 0 && row.how.who == Who::root) ALOS_SKIP("only root can be the starter of this one");
  if (::geteuid() != 0 && row.attempt == "29.a") ALOS_SKIP("only root can make a setuid program for it");
  Host host(row.how.who);
  const Outcome outcome = run(sandbox, row, host);
  ASSERT_FALSE(outcome.line.empty()) << "the payload made no attempt:\n" << outcome.output;
  std::cout << outcome.line;
  if (sandbox.expected(row) == Plain::depends && !outcome.escaped) {
    std::cout << "(shows nothing of the payload: this machine stops it itself: " << row.how.why << ")\n";
    return;
  }
  const bool expected = sandbox.expected(row) != Plain::stopped;
  EXPECT_EQ(outcome.escaped, expected) << (expected ? "it was to get through\n" : "it got through\n") << outcome.line
                                       << outcome.output;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const Sandbox plain = plain_bwrap(), filtered = bwrap_with_filter();
  for (const Row& row : table()) {
    all.push_back({plain, row});
    if (row.stopped_by.starts_with("seccomp")) all.push_back({filtered, row});
  }
  return all;
}

std::string case_name(const testing::TestParamInfo<Case>& test) {
  std::string name = "threat_" + std::string(test.param.row.attempt) + "_in_" + test.param.sandbox.name +
                     (test.param.row.how.who == Who::root ? "_as_root" : "");
  std::ranges::replace(name, '.', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(, Escape, testing::ValuesIn(cases()), case_name);

TEST(EscapeTable, says_why_where_plain_bubblewrap_stops_an_attempt) {
  for (const Row& row : table()) {
    EXPECT_EQ(row.plain != Plain::escapes, !row.how.why.empty()) << row.attempt;
    EXPECT_EQ(row.how.proof == Proof::left, !row.how.place.empty()) << row.attempt;
    EXPECT_FALSE(row.stopped_by.empty()) << row.attempt;
  }
}

TEST(EscapeTable, covers_its_threats_with_more_than_refusals) {
  std::set<std::string> seen, shown;
  for (const Row& row : table()) {
    const std::string threat(row.attempt.substr(0, row.attempt.find('.')));
    seen.insert(threat);
    if (row.plain != Plain::stopped) shown.insert(threat);
  }
  EXPECT_EQ(seen, shown) << "a threat that no payload can carry out anywhere is not tested";
  EXPECT_GE(seen.size(), 21u);
}

}  // namespace
}  // namespace alos::escape
