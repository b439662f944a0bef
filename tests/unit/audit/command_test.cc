// alos audit as a person runs it: output, exit codes.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "scratch.h"
#include "tests/program.h"

namespace alos::audit {
namespace {

using test::Program;
using test::Ran;
using testing::HasSubstr;
using testing::Not;

class AuditCommand : public Scratch {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    Log log = open();
    log.append({.run = "fix",
                .action = "fs.read",
                .target = "/w/a\x1b[31m",
                .decision = Decision::allow,
                .rule = "sources"})
        .value();
    log.append({.run = "docs", .action = "net.connect", .target = "evil.com:443", .decision = Decision::deny}).value();
    head_ = log.close().value();
  }
  Ran run(const std::string& arguments) const { return test::run_shell(std::string(ALOS_AUDIT) + " " + arguments); }
  Head head_;
};

TEST_F(AuditCommand, show_prints_columns_without_control_characters_or_housekeeping) {
  const Ran shown = run("show --dir " + dir_);
  EXPECT_EQ(shown.code, 0);
  EXPECT_THAT(shown.out, HasSubstr("DECISION"));
  EXPECT_THAT(shown.out, HasSubstr("fix   allow     sources  fs.read /w/a\\x1b[31m\n"));
  EXPECT_THAT(shown.out, HasSubstr("docs  deny      -        net.connect evil.com:443\n"));
  EXPECT_THAT(shown.out, Not(HasSubstr("audit.seal")));
  EXPECT_THAT(run("show --all --dir " + dir_).out, HasSubstr("audit.seal"));
}

TEST_F(AuditCommand, show_filters_and_gives_json_lines) {
  const Ran shown = run("show --json --decision deny --since 1h --dir " + dir_);
  EXPECT_EQ(nlohmann::json::parse(shown.out)["run"], "docs");
  EXPECT_THAT(run("show --since 2099-01-01 --dir " + dir_).out, HasSubstr("no records match"));
  EXPECT_THAT(run("show --since 1000000d --dir " + dir_).out, HasSubstr("docs")) << "longer ago than there is time";
  EXPECT_THAT(run("show --since 9999-01-01 --dir " + dir_).out, HasSubstr("no records match"));
  EXPECT_EQ(run("show --since soon --dir " + dir_).code, 2);
  EXPECT_EQ(run("show --decision perhaps --dir " + dir_).code, 2);
}

TEST_F(AuditCommand, show_ends_with_what_there_was_when_it_began) {
  const std::string long_text(4000, 'x');
  const auto record = [&](int times) {
    Log log = open();
    for (int i = 0; i < times; ++i) log.append({.action = "a", .target = long_text}).value();
    ASSERT_TRUE(log.close());
  };
  record(200);  // more than a pipe holds
  Program show({ALOS_AUDIT, "show", "--json", "--action", "a", "--dir", dir_});
  char first = 0;
  ASSERT_EQ(::read(show.streams().get(), &first, 1), 1);
  record(100);  // it waits for the pipe to be read
  EXPECT_EQ(std::ranges::count(show.rest(), '\n'), 200);
  EXPECT_EQ(show.ended(), 0);
}

TEST_F(AuditCommand, verify_says_sound_changed_or_unknown_by_its_code) {
  const Ran sound = run("verify --dir " + dir_ + " --anchor " + head_.text());
  EXPECT_EQ(sound.code, 0);
  EXPECT_THAT(sound.out, HasSubstr(head_.text()));
  std::string bytes = content();
  bytes[bytes.find("evil")] = 'E';
  ASSERT_TRUE(sys::replace_file(file(), bytes, 0600));
  const Ran changed = run("verify --dir " + dir_);
  EXPECT_EQ(changed.code, 1);
  EXPECT_THAT(changed.out, HasSubstr("000001.log:3"));
  const auto json = nlohmann::json::parse(run("verify --json --dir " + dir_).out);
  EXPECT_EQ(json["sound"], false);
  EXPECT_EQ(json["findings"][0]["kind"], "edited");
  EXPECT_EQ(json["findings"][0]["line"], 3);
  EXPECT_EQ(run("verify --dir " + base_ + "/none").code, 3);
  EXPECT_EQ(run("verify --anchor 12").code, 2);
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("--help").code, 0);
}

TEST_F(AuditCommand, a_directory_whose_name_is_no_text_gives_json_all_the_same) {
  const std::string odd = base_ + "/\xff";
  ASSERT_EQ(::rename(dir_.c_str(), odd.c_str()), 0);
  const Ran sound = run("verify --json --dir " + odd);
  EXPECT_EQ(sound.code, 0) << sound.out;
  EXPECT_TRUE(nlohmann::json::accept(sound.out)) << sound.out;
}

}  // namespace
}  // namespace alos::audit
