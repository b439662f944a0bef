#include <signal.h>

#include <random>

#include "scratch.h"

namespace alos::audit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LogCrash : public Scratch {
 protected:
  void append_raw(std::string_view bytes, unsigned number = 1) {
    auto fd = sys::open(file(number), O_WRONLY | O_APPEND | O_CREAT, 0600);
    ASSERT_TRUE(fd && sys::write_all(fd->get(), bytes));
  }
};

TEST_F(LogCrash, a_torn_last_write_is_taken_out_recorded_and_the_log_goes_on) {
  {
    open().append({.action = "before"}).value();
  }
  const std::string whole = content();
  const std::string torn = R"({"v":1,"seq":4,"id":"dead-1","time":"2026)";
  append_raw(torn);
  const Verdict found = verdict();
  EXPECT_THAT(found, IsSound()) << "a crash is not tampering";
  EXPECT_TRUE(found.torn);
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("000001.log:4: the last write was cut short (" +
                                                 std::to_string(torn.size()) + " bytes)")));
  {
    Log log = open();
    ASSERT_TRUE(log.append({.action = "after"}));
  }
  EXPECT_TRUE(content().starts_with(whole)) << "only the torn bytes may go";
  const auto got = entries();
  ASSERT_EQ(got.size(), 6u);
  EXPECT_EQ(got[3].action, "audit.torn");
  EXPECT_THAT(got[3].detail, HasSubstr("\"bytes\":" + std::to_string(torn.size())));
  EXPECT_EQ(got[4].action, "after");
  EXPECT_THAT(verdict(), IsSound());
  EXPECT_FALSE(verdict().torn);
}

TEST_F(LogCrash, a_writer_that_is_open_cuts_what_another_left_torn) {
  Log log = open();
  ASSERT_TRUE(log.append({.action = "one"}));
  ASSERT_TRUE(log.flush(Durability::process));
  append_raw("{\"v\":1,");
  ASSERT_TRUE(log.append({.action = "two"}));
  ASSERT_TRUE(log.close());
  EXPECT_EQ(entries({.action = "audit.torn"}).size(), 1u);
  EXPECT_THAT(verdict(), IsSound());
}

TEST_F(LogCrash, a_crash_at_each_step_of_a_rotation_is_mended) {
  const auto rotated = [&] {
    Log log = open({.rotate_bytes = 1500});
    for (int i = 0; i < 6; ++i) log.append({.action = "a"}).value();
    log.close().value();
    return content(2);
  };
  // The next segment was made, nothing points to it yet.
  {
    open().append({.action = "a"}).value();
  }
  append_raw("", 2);
  EXPECT_THAT(verdict(), IsSound());
  {
    open().append({.action = "a"}).value();
  }
  EXPECT_THAT(verdict(), IsSound());
  EXPECT_EQ(content(2), "");
  // It is pointed to, and its first record is not there, or torn.
  const std::string second = rotated();
  ASSERT_FALSE(second.empty());
  for (const std::string& left : {std::string(), second.substr(0, 100)}) {
    for (unsigned n : {2u, 3u, 4u}) ::unlink(file(n).c_str());
    append_raw(left, 2);
    EXPECT_THAT(verdict(), IsSound()) << left;
    {
      open().append({.action = "mended"}).value();
    }
    EXPECT_THAT(verdict(), IsSound());
    EXPECT_FALSE(verdict().torn);
    EXPECT_EQ(entries({.action = "mended"}).size(), 1u);
  }
}

// The next segment was made, and the record that says so was begun.
TEST_F(LogCrash, a_crash_in_the_middle_of_what_ends_a_segment_is_mended) {
  {
    Log log = open({.rotate_bytes = 1500});
    for (int i = 0; i < 6; ++i) log.append({.action = "a"}).value();
    log.close().value();
  }
  const std::string first = content(1), second = content(2);
  ASSERT_FALSE(second.empty());
  for (unsigned n : {2u, 3u, 4u}) ::unlink(file(n).c_str());
  ASSERT_EQ(::truncate(file(1).c_str(), static_cast<off_t>(first.size() - 20)), 0);
  append_raw("", 2);
  EXPECT_THAT(verdict(), IsSound()) << "a crash is not tampering";
  EXPECT_TRUE(verdict().torn);
  {
    open().append({.action = "mended"}).value();
  }
  EXPECT_THAT(verdict(), IsSound());
  EXPECT_FALSE(verdict().torn);
  EXPECT_EQ(entries({.action = "mended"}).size(), 1u);
  // But not where the log goes on behind it.
  for (unsigned n : {2u, 3u, 4u}) ::unlink(file(n).c_str());
  ASSERT_TRUE(sys::replace_file(file(1), first.substr(0, first.size() - 20), 0600));
  append_raw(second, 2);
  EXPECT_THAT(verdict(), testing::Not(IsSound()));
}

TEST_F(LogCrash, a_log_that_was_changed_is_not_continued) {
  {
    open().append({.action = "a"}).value();
  }
  std::string bytes = content();
  bytes[bytes.size() - 100] ^= 1;
  ASSERT_TRUE(sys::replace_file(file(), bytes, 0600));
  auto log = Log::open(dir_);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, EBADMSG);
  EXPECT_THAT(log.error().text(), HasSubstr("alos audit verify"));
}

TEST_F(LogCrash, a_log_that_is_cut_or_removed_under_a_writer_stops_it) {
  {
    Log log = open();
    ASSERT_TRUE(log.append({.action = "a"}));
    ASSERT_TRUE(log.flush(Durability::process));
    ASSERT_EQ(::truncate(file().c_str(), 100), 0);
    ASSERT_TRUE(log.append({.action = "b"}));
    EXPECT_EQ(log.flush(Durability::process).error().code, EBADMSG);
  }
  ASSERT_TRUE(sys::remove_below(sys::open(dir_, O_RDONLY | O_DIRECTORY)->get()));
  {
    Log log = open();
    ASSERT_EQ(::unlink(file().c_str()), 0);
    ASSERT_TRUE(log.append({.action = "b"}));
    EXPECT_EQ(log.flush(Durability::process).error().code, EBADMSG);
  }
}

// The child tells after each flush how many records it knows to be written; killed anywhere, those must be there.
TEST_F(LogCrash, kill_at_random_loses_nothing_that_was_acknowledged) {
  std::minstd_rand random(7);
  uint64_t total = 0;
  for (int round = 0; round < 30; ++round) {
    auto acks = sys::pipe();
    ASSERT_TRUE(acks);
    const std::string run = std::to_string(round);
    const pid_t child = in_child([&] {
      auto log = Log::open(dir_, {.seal_every = 16, .rotate_bytes = 200'000});
      const uint64_t begun = 0;
      if (!log || ::write(acks->b.get(), &begun, sizeof begun) != sizeof begun) return 1;
      for (uint64_t i = 0;; ++i) {
        // Batches over several pages: the kernel may stop such a write at a page boundary when a kill is pending.
        if (!log->append({.run = run, .action = "a", .target = std::to_string(i) + std::string(i % 3000, 'x')}))
          return 2;
        if (i % 11 != 10) continue;
        if (!log->flush(Durability::process)) return 3;
        const uint64_t done = i + 1;
        if (::write(acks->b.get(), &done, sizeof done) != sizeof done) return 4;
      }
    });
    acks->b.reset();
    uint64_t acknowledged = 0, done = 0;
    ASSERT_EQ(::read(acks->a.get(), &done, sizeof done), static_cast<ssize_t>(sizeof done));
    ::usleep(static_cast<useconds_t>(1000 + random() % 4000));
    ::kill(child, SIGKILL);
    ASSERT_EQ(exit_code(child), 128 + SIGKILL);
    while (::read(acks->a.get(), &done, sizeof done) == sizeof done) acknowledged = done;
    const Verdict found = verdict();
    ASSERT_THAT(found, IsSound()) << "round " << round;
    const auto there = entries({.run = run});
    ASSERT_GE(there.size(), acknowledged) << "round " << round;
    for (size_t i = 0; i < there.size(); ++i) ASSERT_TRUE(there[i].target.starts_with(std::to_string(i)));
    total += acknowledged;
  }
  EXPECT_GT(total, 0u) << "the writers were killed before they wrote";
}

}  // namespace
}  // namespace alos::audit
