#include <sched.h>
#include <sys/mount.h>

#include <nlohmann/json.hpp>

#include "scratch.h"
#include "tests/skip.h"

namespace alos::audit {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class LogLimits : public Scratch {};

Record denial(std::string_view target) {
  return {.run = "r", .action = "fs.read", .target = target, .decision = Decision::deny, .rule = "secrets"};
}

TEST_F(LogLimits, identical_denials_are_counted_instead_of_repeated) {
  Log log = open();
  const uint64_t first = log.append(denial("/env")).value();
  for (int i = 0; i < 999; ++i) EXPECT_EQ(log.append(denial("/env")).value(), first);
  ASSERT_TRUE(log.append(denial("/other")));
  const std::string id = log.id(first);
  ASSERT_TRUE(log.close());
  const auto got = entries({.decision = "deny"});
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[2].target, "/env");
  EXPECT_EQ(got[2].parent, id);
  EXPECT_THAT(got[2].detail, HasSubstr("\"repeated\":999"));
  EXPECT_THAT(got[2].detail, HasSubstr("\"first\":\"20"));
}

TEST_F(LogLimits, a_window_that_is_over_is_written_by_the_next_flush) {
  Log log = open({.coalesce = 1ms});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log.append(denial("/env")));
  ::usleep(2000);
  ASSERT_TRUE(log.flush(Durability::process));
  EXPECT_EQ(entries({.decision = "deny"}).size(), 2u);
  ASSERT_TRUE(log.append(denial("/env")));
  ASSERT_TRUE(log.flush(Durability::process));
  EXPECT_EQ(entries({.decision = "deny"}).size(), 3u) << "a new window begins with a record of its own";
}

TEST(Repeats, a_clock_that_was_set_back_does_not_hold_counts) {
  Repeats repeats(std::chrono::seconds(10));
  ASSERT_FALSE(repeats.absorb(denial("/env"), 1, 1'000'000'000'000));
  ASSERT_EQ(repeats.absorb(denial("/env"), 2, 1'000'000'000'001), 1u);
  EXPECT_TRUE(repeats.take(1'000'000'000'002).empty());
  EXPECT_EQ(repeats.take(5).size(), 1u);
}

TEST_F(LogLimits, what_is_not_a_denial_is_never_counted_away) {
  Log log = open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log.append({.run = "r", .action = "fs.write", .decision = Decision::allow}));
  ASSERT_TRUE(log.close());
  EXPECT_EQ(entries({.run = "r"}).size(), 5u);
}

TEST_F(LogLimits, a_flood_uses_up_its_own_run_only) {
  Log log = open({.run_budget = 20'000, .run_reserve = 2'000});
  int written = 0;
  while (log.append(denial("/" + std::to_string(written)))) ASSERT_LT(++written, 1000);
  EXPECT_GT(written, 20);
  const auto refused = log.append(denial("/more"));
  EXPECT_EQ(refused.error().code, EDQUOT);
  EXPECT_EQ(refused.error().object, "r");
  EXPECT_FALSE(log.append(denial("/more"))) << "a refused record is not counted as written";
  EXPECT_TRUE(log.append({.run = "r", .action = "run.end", .outcome = "limit audit", .charge = Charge::supervisor}));
  EXPECT_TRUE(log.append({.run = "other", .action = "fs.read", .decision = Decision::deny}));
  EXPECT_TRUE(log.append({.action = "run.start"}));
  int more = 0;
  while (log.append({.run = "r", .action = "x", .charge = Charge::supervisor}))
    ASSERT_LT(++more, 100) << "no end of the reserve";
  ASSERT_TRUE(log.end_run("r"));
  EXPECT_TRUE(log.append(denial("/again"))) << "the name of a run that is over can be used again";
}

// How many denials are counted is the agent's doing: neither the end of its run nor the number of those whose count
// finds no room is lost by that.
TEST_F(LogLimits, counts_leave_the_supervisor_its_reserve_and_are_counted_where_there_is_no_room) {
  Log log = open({.run_budget = 20'000, .run_reserve = 2'000});
  uint64_t tried = 0;
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 30; ++i, ++tried) ASSERT_TRUE(log.append(denial("/" + std::to_string(i) + "/of/many")));
  for (int i = 0; log.append(denial("/once/" + std::to_string(i))); ++i, ++tried) ASSERT_LT(i, 1000);
  log.write_counts("r");
  EXPECT_GT(log.uncounted(), 0u);
  EXPECT_TRUE(log.append({.run = "r", .action = "run.end", .charge = Charge::supervisor}));
  const uint64_t uncounted = log.uncounted();
  ASSERT_TRUE(log.close());
  EXPECT_EQ(uncounted, log.uncounted()) << "nothing is counted twice";
  uint64_t told = 0, counts = 0;
  for (const auto& entry : entries({.decision = "deny"})) {
    const auto detail = nlohmann::json::parse(entry.detail.empty() ? "{}" : entry.detail);
    told += detail.value("repeated", uint64_t{1});
    counts += detail.contains("repeated");
  }
  EXPECT_GT(counts, 0u);
  EXPECT_EQ(told + uncounted, tried);
  EXPECT_EQ(entries({.action = "run.end"}).size(), 1u);
}

// In a user and mount namespace of its own, as a child: mounts vanish with it.
template <class F>
int with_tiny_tmpfs(const std::string& at, const char* options, F body) {
  return exit_code(in_child([&] {
    const auto map = [](unsigned id) { return "0 " + std::to_string(id) + " 1"; };
    const std::string uids = map(::getuid()), gids = map(::getgid());
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
    for (const auto& [path, text] : {std::pair{"uid_map", uids}, {"setgroups", std::string("deny")}, {"gid_map", gids}})
      if (!sys::write_all(sys::open(std::string("/proc/self/") + path, O_WRONLY)->get(), text)) return 77;
    ::mkdir(at.c_str(), 0700);
    if (::mount("tmpfs", at.c_str(), "tmpfs", 0, options) != 0) return 77;
    return body();
  }));
}

TEST_F(LogLimits, a_full_disk_is_an_error_and_nothing_half_written_stays) {
  const int code = with_tiny_tmpfs(dir_, "size=64k,mode=700", [&] {
    auto log = Log::open(dir_, {.seal_every = 16});
    if (!log) return 1;
    Result<Head> flushed;
    Head acknowledged;
    int i = 0;
    for (; i < 1000; ++i) {
      if (!log->append({.action = "a", .target = std::to_string(i) + std::string(100, 'x')})) return 2;
      flushed = log->flush(Durability::process);
      if (!flushed) break;
      acknowledged = *flushed;
    }
    if (flushed || flushed.error().code != ENOSPC) return 3;
    if (flushed.error().text().find("free space") == std::string::npos) return 4;
    const auto verdict = verify(dir_, {.anchor = acknowledged, .key = {}});
    if (!verdict || !verdict->sound() || verdict->torn || verdict->head != acknowledged) return 5;
    if (log->append({.action = "a"}) && log->flush(Durability::process)) return 6;
    // Space again: what waited is written.
    if (::mount("tmpfs", dir_.c_str(), "tmpfs", MS_REMOUNT, "size=128k,mode=700") != 0) return 77;
    if (!log->flush(Durability::process) || log->head().count <= acknowledged.count) return 7;
    if (!log->close()) return 8;
    const auto after = verify(dir_, {.anchor = log->head(), .key = {}});
    return after && after->sound() ? 0 : 9;
  });
  if (code == 77) ALOS_SKIP("no user namespace for this user");
  EXPECT_EQ(code, 0);
}

TEST_F(LogLimits, what_is_withdrawn_from_a_queue_is_not_written_later) {
  Log log = open();
  const auto append = [&](std::string_view target) {
    return log.append({.run = "r", .action = "a", .target = target});
  };
  std::vector<uint64_t> numbers;
  for (const char* target : {"0", "1", "2", "3", "4", "5"}) numbers.push_back(append(target).value());
  for (const size_t i : {0, 3, 5}) EXPECT_TRUE(log.withdraw(numbers[i]));
  EXPECT_FALSE(log.withdraw(numbers[3]));
  ASSERT_TRUE(append("6"));
  EXPECT_TRUE(log.withdraw(numbers[4]));
  ASSERT_TRUE(log.flush(Durability::process));
  EXPECT_FALSE(log.withdraw(numbers[1])) << "it is in the log";
  ASSERT_TRUE(log.close());
  std::string targets;
  for (const Entry& entry : entries({.run = "r"})) targets += entry.target;
  EXPECT_EQ(targets, "126");
  EXPECT_THAT(verdict(), IsSound());
}

TEST_F(LogLimits, a_full_disk_refuses_to_begin) {
  const int code = with_tiny_tmpfs(dir_, "size=4k,mode=700", [&] {
    auto fill = sys::open(dir_ + "/fill", O_WRONLY | O_CREAT, 0600);
    if (!sys::write_all(fill->get(), std::string(4096, 'x'))) return 1;
    auto log = Log::open(dir_, {});
    if (log) return 2;
    return log.error().code == ENOSPC && log.error().text().find("free space") != std::string::npos ? 0 : 3;
  });
  if (code == 77) ALOS_SKIP("no user namespace for this user");
  EXPECT_EQ(code, 0);
}

TEST_F(LogLimits, a_directory_that_cannot_be_written_refuses_to_begin) {
  const int code = with_tiny_tmpfs(dir_, "ro,mode=700", [&] {
    auto log = Log::open(dir_, {});
    if (log) return 1;
    return log.error().code == EROFS && log.error().text().find(dir_) != std::string::npos ? 0 : 2;
  });
  if (code == 77) ALOS_SKIP("no user namespace for this user");
  EXPECT_EQ(code, 0);
}

TEST_F(LogLimits, a_directory_or_key_that_others_could_change_or_read_refuses_to_begin) {
  open().append({.action = "a"}).value();
  ASSERT_EQ(::chmod(dir_.c_str(), 0770), 0);
  EXPECT_EQ(Log::open(dir_).error().code, EPERM);
  ASSERT_EQ(::chmod(dir_.c_str(), 0700), 0);
  ASSERT_EQ(::chmod((dir_ + "/seal.key").c_str(), 0640), 0);
  EXPECT_EQ(Log::open(dir_).error().code, EPERM);
  ASSERT_EQ(::unlink((dir_ + "/seal.key").c_str()), 0);
  EXPECT_EQ(Log::open(dir_).error().code, ENOENT) << "a new key would make every seal so far foreign";
}

}  // namespace
}  // namespace alos::audit
