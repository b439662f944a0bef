// What comes at the broker from the box: tests/payloads/broker.cc, for real, and what is left on the host afterwards.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <sstream>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class BrokerAttack : public InBothModes {
 protected:
  void SetUp() override {
    InBothModes::SetUp();
    if (!world_) return;
    secret_ = world().root() + "/secret/token";
    world().write(secret_, "alos-escape-token-outside\n");
    world().write(".env", "alos-escape-token-masked\n");
    world().write("held/.env", "alos-escape-token-held\n");
    fs::copy_file(std::string(ALOS_PAYLOADS) + "/broker", world().workspace() + "/broker");
  }
  void TearDown() override {
    if (!world_) return;
    EXPECT_EQ(world().read(secret_), "alos-escape-token-outside\n");
    EXPECT_EQ(world().read(".env"), "alos-escape-token-masked\n");
    EXPECT_EQ(world().read("held/.env"), "alos-escape-token-held\n");
    EXPECT_EQ(world().call({"alos", "audit", "verify"}).code, 0);
    EXPECT_EQ(world_->leftovers(), "");
  }

  // Against the secret outside, or where `around` says so, one that is masked in a directory that the box has.
  Outcome attack(const std::string& what, long count = 0, const std::string& limits = "wall: 120s",
                 std::chrono::seconds timeout = std::chrono::seconds(150)) {
    const std::string policy =
        world().policy("attacked",
                       "alos: 1\nabout: an agent that attacks its broker\nextends: base\nvars: {workspace: dir}\n"
                       "workspace: layer\nfiles:\n  tree: {allow: rwx, path: $workspace/**}\n"
                       "  secrets: {deny: rwx, path: \"$workspace/**/.env\", reason: secrets stay out}\n"
                       "limits: {" +
                           limits + "}\n");
    const std::string w = world().workspace();
    Outcome run = world().run(policy, {w + "/broker", what, w, secret_, std::to_string(count)}, {.timeout = timeout},
                              {"--fresh"});
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_THAT(run.out, AllOf(HasSubstr("tried\n"), Not(HasSubstr("ESCAPED")), Not(HasSubstr("alos-escape-token"))));
    return run;
  }

  size_t closed_channels() {
    std::istringstream in(world().call({"alos", "audit", "show", "--json"}).out);
    size_t out = 0;
    for (std::string line; std::getline(in, line);) out += line.find("\"channel.close\"") != line.npos;
    return out;
  }

  std::string secret_;
};

TEST_P(BrokerAttack, links_lead_to_nothing_else) {
  const Outcome run = attack("links");
  for (const char* name :
       {"to-secret", "to-directory", "to-root", "to-init", "up", "to-masked", "to-link", "to-itself", "to-fd"})
    EXPECT_THAT(run.out, ContainsRegex(std::string("read ") + name + ": (denied|failed) .*\n"));
  EXPECT_THAT(run.out, HasSubstr("write to-masked: denied secrets\n"));
  EXPECT_THAT(run.out, Not(HasSubstr("link masked: linked")));
  EXPECT_THAT(run.out, AllOf(HasSubstr("write second name in place: failed EMLINK\n"),
                             HasSubstr("write second name: ok\n"), HasSubstr("first name still: one\n")));
}

void swap_and_open(const Outcome& run, long count) {
  const auto after = [&](const std::string& word) {
    const size_t at = run.out.find(word + " ");
    return at == std::string::npos ? -1 : std::stol(run.out.substr(at + word.size() + 1));
  };
  EXPECT_GT(after("swaps"), count / 100) << run.out;
  EXPECT_GT(after("mine"), count / 100) << run.out;
  EXPECT_GT(after("not"), count / 100) << run.out;
}

TEST_P(BrokerAttack, a_directory_that_is_swapped_with_a_link_while_it_is_opened_leads_to_nothing_else) {
  const long opens = 20'000 / part();
  swap_and_open(attack("swap", opens), opens);
}

TEST_P(BrokerAttack, what_matches_a_denial_later_is_denied) {
  const Outcome run = attack("later");
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("new match: denied secrets\n"), HasSubstr("new match written: denied secrets\n"),
                    HasSubstr("renamed to a match: denied secrets\n"),
                    HasSubstr("denied under its new parent: denied secrets\n"),
                    HasSubstr("denied made again: denied secrets\n"), HasSubstr("copied away: denied secrets\n")));
}

TEST_P(BrokerAttack, names_of_any_kind_are_names) {
  const Outcome run = attack("names");
  for (const char* name : {"double slash", "dot", "up and down", "trailing slash", "long way", "many dots", "relative"})
    EXPECT_THAT(run.out, ContainsRegex(std::string(name) + ": (denied secrets|failed ENAMETOOLONG|failed EINVAL)\n"));
  EXPECT_THAT(run.out, AllOf(HasSubstr("NUL: failed EINVAL\n"), HasSubstr("long: failed ENAMETOOLONG\n"),
                             HasSubstr("empty: failed EINVAL\n"), HasSubstr("newline: failed ENOENT\n")));
  size_t odd = 0;
  for (size_t at = 0; (at = run.out.find("odd: ok odd\n", at)) != std::string::npos; ++at) ++odd;
  EXPECT_EQ(odd, 4U) << run.out;
}

TEST_P(BrokerAttack, what_is_no_file_is_not_opened_nor_waited_for) {
  const auto begun = std::chrono::steady_clock::now();
  const Outcome run = attack("kinds");
  EXPECT_THAT(run.out, Not(HasSubstr(": ok")));
  EXPECT_THAT(run.out, HasSubstr("read: failed EOPNOTSUPP, write: failed EOPNOTSUPP, open: failed EOPNOTSUPP\n"));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
}

TEST_P(BrokerAttack, files_without_end_end) {
  world().write("sparse", "");
  if (::truncate((world().workspace() + "/sparse").c_str(), long{8} << 40) != 0) ALOS_SKIP("no file of 8 TiB here");
  const Outcome run = attack("big", 0, "wall: 120s, disk: 512MiB");
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("sparse: ok 67108864 of 8796093022208 truncated\n"), HasSubstr("its end: ok 10\n"),
                    HasSubstr("far beyond: failed EINVAL\n"), HasSubstr("written until: failed ENOSPC after"),
                    HasSubstr("what was acknowledged: there\n"), HasSubstr("and then: ok\n")));
}

TEST_P(BrokerAttack, a_hundred_thousand_files_are_made_or_refused) {
  const long files = 20'000 / part();
  const Outcome run = attack("many", files);
  EXPECT_THAT(run.out,
              ContainsRegex(fmt::format("made ({}, ok|[0-9]+, (failed ENOSPC|limit audit|failed EDQUOT))\n", files)))
      << run.err;
}

TEST_P(BrokerAttack, what_is_no_request_closes_its_connection_and_no_other) {
  const Outcome run = attack("frames");
  std::istringstream in(run.out);
  for (std::string line; std::getline(in, line) && line != "tried";) {
    EXPECT_THAT(line, HasSubstr("other ok"));
    if (!line.starts_with("closed")) {
      EXPECT_THAT(line, HasSubstr("closed after 1,")) << "why it was, and the end";
    }
  }
  EXPECT_EQ(closed_channels(), 13U);
}

TEST_P(BrokerAttack, answers_that_nobody_reads_keep_nobody_else) {
  const Outcome run = attack("flood");
  EXPECT_THAT(run.out, AllOf(HasSubstr("other ok\n"), HasSubstr("afterwards ok\n")));
}

INSTANTIATE_TEST_SUITE_P(Modes, BrokerAttack, testing::Values(Mode::root, Mode::rootless), NameOfMode());

class LongBrokerAttack : public BrokerAttack {};

TEST_P(LongBrokerAttack, swaps_a_directory_with_a_link_below_a_million_opens) {
  for (int i = 0; i < 10; ++i) swap_and_open(attack("swap", 100'000), 100'000);
}

TEST_P(LongBrokerAttack, makes_a_million_files) {
  const Outcome run = attack("many", 1'000'000, "wall: 1000s", std::chrono::seconds(1000));
  EXPECT_THAT(run.out, ContainsRegex("made (1000000, ok|[0-9]+, (failed ENOSPC|limit audit|failed EDQUOT))\n"))
      << run.err;
}

INSTANTIATE_TEST_SUITE_P(LongModes, LongBrokerAttack, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
