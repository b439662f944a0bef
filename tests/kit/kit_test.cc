#include <alos/testing.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace {

using alos::kit::Box;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class Kit : public testing::Test {
 protected:
  Kit() {
    ::setenv("ALOS_PROGRAM", ALOS_PROGRAMS_DIRECTORY "/alos", 1);
    char name[] = "/var/tmp/alos-kit-XXXXXX";
    directory = ::mkdtemp(name);
    std::ofstream(directory + "/.env") << "KEY=hunter2\n";
  }
  ~Kit() override { std::filesystem::remove_all(directory); }
  std::string directory;
};

TEST_F(Kit, a_run_has_its_code_its_streams_and_its_denials) {
  Box box("coding", {.workspace = directory});
  const auto ran = box.run({"sh", "-c", "cat; alos-call fs.read " + directory + "/.env >/dev/null; exit 3"}, "typed");
  EXPECT_EQ(ran.code, 3) << ran.err;
  EXPECT_EQ(ran.out, "typed");
  EXPECT_EQ(ran.error, "");
  ASSERT_EQ(ran.denied.size(), 1U);
  EXPECT_EQ(ran.denied[0].rule, "secrets");
  EXPECT_THAT(ran.events.back(), HasSubstr("\"event\":\"end\""));
}

TEST_F(Kit, what_is_written_stays_in_the_layer_until_it_is_undone) {
  Box box("coding", {.workspace = directory});
  box.run({"sh", "-c", "echo x > new"});
  EXPECT_THAT(box.written(), ElementsAre(Pair("A", "new")));
  box.undo();
  EXPECT_THAT(box.written(), ElementsAre());
  EXPECT_FALSE(std::filesystem::exists(directory + "/new"));
}

TEST_F(Kit, what_is_pending_and_not_known_is_not_nothing) {
  Box box("coding", {.workspace = directory});
  std::filesystem::remove_all(directory);
  ASSERT_EQ(box.written().size(), 1U);
  EXPECT_EQ(box.written()[0].first, "error");
  EXPECT_THAT(box.written()[0].second, HasSubstr(directory));
}

TEST_F(Kit, text_is_a_policy_and_time_can_be_virtual) {
  Box box("alos: 1\nextends: base\nlimits: {wall: 2h}\n", {.virtual_clock = true});
  const auto ran = box.run({"sh", "-c", "while :; do alos-call clock.sleep 1800000; done"});
  EXPECT_EQ(ran.code, 124) << ran.err;
}

TEST_F(Kit, a_script_answers_as_text_or_as_a_file) {
  const std::string text = R"([{"call": "shell.run", "argv": ["git", "push"], "code": 7, "err": "rejected\n"}])";
  std::ofstream(directory + "/script.json") << text;
  for (const std::string& script : {text, directory + "/script.json"}) {
    Box box("coding", {.script = script});
    const auto ran = box.run({"alos-call", "shell.run", "--raw", "--", "git", "push"});
    EXPECT_EQ(ran.code, 7) << ran.error;
    EXPECT_THAT(ran.err, HasSubstr("rejected"));
  }
  Box box("coding", {.script = "[{}]"});
  EXPECT_THAT(box.run({"true"}).error, HasSubstr("script.json[0].call"));
}

TEST_F(Kit, a_denial_can_fail_the_run) {
  Box box("strict");
  EXPECT_EQ(box.run({"sh", "-c", "alos-call fs.read /etc/shadow; true"}, "", {"--fail-on", "deny"}).code, 1);
}

TEST_F(Kit, what_alos_refuses_is_told_in_its_words) {
  Box box("nowhere");
  const auto ran = box.run({"true"});
  EXPECT_EQ(ran.code, 125);
  EXPECT_THAT(ran.error, HasSubstr("nowhere"));
}

TEST_F(Kit, what_was_denied_is_known_or_the_run_is_an_error) {
  Box box("strict");
  const std::string events = std::filesystem::path(box.workspace()).parent_path() / "events";
  const std::jthread gone([&] {
    while (!std::filesystem::remove(events)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  EXPECT_THAT(box.run({"sleep", "1"}).error, HasSubstr("is not known: its events have no end"));
}

TEST_F(Kit, too_long_is_ended_and_said) {
  Box box("strict", {.timeout = std::chrono::seconds(5)});  // a box may take its time to begin
  const auto ran = box.run({"sh", "-c", "echo begun; sleep 60"});
  EXPECT_THAT(ran.error, HasSubstr("longer than the test allows"));
  EXPECT_EQ(ran.out, "begun\n");
}

// poll(2) is never started anew after a signal.
TEST_F(Kit, signals_of_the_tests_own_end_nothing) {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  struct sigaction before{};
  ASSERT_EQ(::sigaction(SIGALRM, &action, &before), 0);
  const itimerval often{.it_interval = {0, 50'000}, .it_value = {0, 50'000}}, never{};
  Box box("strict");
  ::setitimer(ITIMER_REAL, &often, nullptr);
  const auto ran = box.run({"sh", "-c", "sleep 0.5; echo over"});
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  EXPECT_EQ(ran.error, "");
  EXPECT_EQ(ran.out, "over\n");
}

TEST_F(Kit, nothing_of_it_is_left) {
  std::string own;
  {
    Box box("coding");
    own = box.workspace();
    box.run({"sh", "-c", "mkdir d; echo x > d/f; chmod 0 d"});
    ASSERT_TRUE(std::filesystem::exists(own));
  }
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(own).parent_path()));
}

}  // namespace
