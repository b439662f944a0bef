#include "supervisor/cli/doctor_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "machine.h"
#include "supervisor/cli/doctor_print.h"

namespace alos::cli {
namespace {

using host::Limit;
using host::State;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

const std::vector<Limit> kEvery(host::kLimits.begin(), host::kLimits.end());

std::string printed(const Report& report) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* out = ::open_memstream(&text, &size);
  print_report(out, report, Style::plain);
  std::fclose(out);
  std::string copy(text, size);
  ::free(text);
  return copy;
}

TEST(Doctor, where_all_is_there_nothing_is_missing) {
  const Report report = report_on(host::root_with(host::Form::v2), kEvery);
  EXPECT_FALSE(report.missing() || report.unsure());
  EXPECT_TRUE(report.runs());
  EXPECT_THAT(printed(report), EndsWith("alos run needs here: nothing more\n"));
  EXPECT_THAT(printed(report), Not(HasSubstr("MISSING")));
}

TEST(Doctor, the_last_line_is_what_to_type) {
  const Report report = report_on(host::ordinary_user(), kEvery);
  EXPECT_TRUE(report.missing());
  EXPECT_TRUE(report.runs());
  EXPECT_THAT(printed(report), EndsWith("alos run needs here: --degrade memory,cpus,cpu-time\n"));
  const auto json = nlohmann::json::parse(json_of(report));
  EXPECT_EQ(json["degrade"], nlohmann::json({"memory", "cpus", "cpu-time"}));
  EXPECT_EQ(json["runs"], true);
}

TEST(Doctor, only_the_limits_in_question_count) {
  const Report report = report_on(host::ordinary_user(), {Limit::wall, Limit::open_files});
  EXPECT_FALSE(report.missing());
  EXPECT_THAT(printed(report), EndsWith("alos run needs here: nothing more\n"));
  EXPECT_THAT(printed(report), Not(HasSubstr("NOBODY")));
}

TEST(Doctor, what_is_missing_comes_first_with_reason_consequence_and_remedy) {
  host::Facts facts = host::ordinary_user();
  facts.procfs = {.state = State::no, .detail = "mount proc: EPERM", .remedy = "uncover it"};
  const Report report = report_on(facts, {});
  EXPECT_TRUE(report.missing());
  EXPECT_FALSE(report.runs());
  const std::string text = printed(report);
  for (const char* part : {"MISSING  procfs", "why  mount proc: EPERM", "so   every run is refused", "do   uncover it"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_LT(text.find("MISSING"), text.find("There"));
  EXPECT_THAT(text, HasSubstr("alos run cannot work here"));
}

TEST(Doctor, what_hangs_on_one_missing_thing_is_one_line) {
  host::Facts facts = host::ordinary_user();
  facts.user_namespace = {.state = State::no, .detail = "user.max_user_namespaces is 0", .remedy = "raise it"};
  for (host::Fact host::Facts::* fact : {&host::Facts::mount_namespace, &host::Facts::overlay, &host::Facts::fsopen})
    facts.*fact = {.state = State::unknown, .detail = host::kUntried, .remedy = {}};
  EXPECT_THAT(printed(report_on(facts, {})), HasSubstr("3 more"));
}

TEST(Doctor, what_could_not_be_tried_is_neither_there_nor_missing) {
  host::Facts facts = host::ordinary_user();
  facts.overlay = {.state = State::unknown, .detail = "nothing can be tried", .remedy = {}};
  const Report report = report_on(facts, {});
  EXPECT_TRUE(report.unsure());
  EXPECT_FALSE(report.missing());
}

TEST(Doctor, a_note_is_never_missing) {
  host::Facts facts = host::ordinary_user();
  facts.tiocsti.state = State::no;
  facts.systemd.state = State::no;
  EXPECT_FALSE(report_on(facts, {}).missing());
}

TEST(Doctor, an_ordinary_user_needs_no_id_mapped_mounts) {
  host::Facts facts = host::ordinary_user();
  facts.idmapped_mount.state = State::no;
  EXPECT_FALSE(report_on(facts, {}).missing());
  facts.uid = 0;
  EXPECT_TRUE(report_on(facts, {}).missing());
}

}  // namespace
}  // namespace alos::cli
