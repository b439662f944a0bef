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

// One line a test for scripts/escape-table: attempt, sandbox, result, layers, what was attempted and what came of it.
void report(const Sandbox& sandbox, const Row& row, std::string_view result, std::string_view line) {
  line = line.substr(0, line.find('\n'));
  if (line.starts_with("ATTEMPT ")) line.remove_prefix(std::string_view("ATTEMPT ").size() + row.attempt.size() + 1);
  const size_t arrow = line.find(" -> ");
  const std::string_view what = arrow == line.npos ? "" : line.substr(0, arrow);
  const std::string_view came = arrow == line.npos ? line : line.substr(arrow + 4);
  std::cout << "TABLE\t" << row.attempt << "\t" << sandbox.name
            << (row.how.who == Who::root && !sandbox.unavailable ? " as root" : "") << "\t" << result << "\t"
            << row.stopped_by << "\t" << what << "\t" << came << "\n";
}

// A box that dies of its limit takes the payload along; that is then the evidence.
std::string end_by_limit(const std::string& output) {
  const size_t at = output.find("alos: ended by limit '");
  return at == output.npos ? "" : output.substr(at, output.find('\n', at) - at);
}

TEST_P(Escape, ends_as_the_table_says) {
  const auto& [sandbox, row] = GetParam();
  if (::geteuid() != 0 && row.how.who == Who::root) ALOS_SKIP("only root can be the starter of this one");
  if (::geteuid() != 0 && row.attempt == "29.a") ALOS_SKIP("only root can make a setuid program for it");
  Host host(row.how.who);
  if (sandbox.unavailable)
    if (const std::string why = sandbox.unavailable(); !why.empty()) ALOS_SKIP(why);
  Outcome outcome = run(sandbox, row, host);
  if (const std::string limit = sandbox.refuses ? sandbox.refuses(row) : ""; !limit.empty()) {
    EXPECT_EQ(outcome.line, "") << "it ran without its limit";
    EXPECT_TRUE(outcome.output.contains("--degrade " + limit)) << outcome.output;
    report(sandbox, row, "refused", outcome.output);
    return;
  }
  if (outcome.line.empty() && sandbox.expected(row) == Plain::stopped) outcome.line = end_by_limit(outcome.output);
  ASSERT_FALSE(outcome.line.empty()) << "the payload made no attempt:\n" << outcome.output;
  report(sandbox, row, outcome.escaped ? "escaped" : "stopped", outcome.line);
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
  const Sandbox by_root = alos_run(Who::root), by_user = alos_run(Who::user);
  std::set<std::string_view> seen;
  for (const Row& row : table()) {
    all.push_back({plain, row});
    if (row.stopped_by.starts_with("seccomp")) all.push_back({filtered, row});
    // Some attempts are two rows, for bwrap has another answer to root.
    if (!seen.insert(row.attempt).second) continue;
    for (const auto& [sandbox, who] : {std::pair{&by_root, Who::root}, {&by_user, Who::user}}) {
      all.push_back({*sandbox, row});
      all.back().row.how.who = who;
    }
  }
  return all;
}

std::string case_name(const testing::TestParamInfo<Case>& test) {
  std::string name = "threat_" + std::string(test.param.row.attempt) + "_in_" + test.param.sandbox.name +
                     (test.param.row.how.who == Who::root && !test.param.sandbox.unavailable ? "_as_root" : "");
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
