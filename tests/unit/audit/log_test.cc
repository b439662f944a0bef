#include "supervisor/audit/log.h"

#include "scratch.h"

namespace alos::audit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LogTest : public Scratch {};

std::vector<std::string> actions(const std::vector<Entry>& entries) {
  std::vector<std::string> out;
  for (const Entry& entry : entries) out.push_back(entry.action);
  return out;
}

TEST_F(LogTest, keeps_what_was_appended_in_order_chained_and_sealed) {
  Log log = open();
  const uint64_t intent = log.append({.run = "fix",
                                      .action = "fs.write",
                                      .target = "/w/a",
                                      .decision = Decision::allow,
                                      .rule = "sources",
                                      .source = "coding.yaml:3:5"})
                              .value();
  Record outcome{.run = "fix", .action = "fs.write", .target = "/w/a", .outcome = "ok"};
  const std::string parent = log.id(intent);
  outcome.parent = parent;
  outcome.detail.add("bytes", uint64_t{12}).add("content", log.payload("hello\n", Preview::redacted));
  ASSERT_TRUE(log.append(outcome));
  const Head head = log.close().value();

  const auto got = entries();
  ASSERT_THAT(actions(got), ElementsAre("audit.segment", "fs.write", "fs.write", "audit.seal"));
  EXPECT_EQ(got[1].rule, "sources");
  EXPECT_EQ(got[1].source, "coding.yaml:3:5");
  EXPECT_EQ(got[1].decision, "allow");
  EXPECT_EQ(got[2].parent, got[1].id);
  EXPECT_THAT(got[2].detail, HasSubstr(R"("preview":"hello\\x0a")"));
  EXPECT_EQ(head.count, 4u);
  EXPECT_EQ(log.last_seal(), head);
  const Verdict sound = verdict({.anchor = head, .key = {}});
  EXPECT_THAT(sound, IsSound());
  EXPECT_EQ(sound.head, head);
  EXPECT_EQ(sound.seals, 1u);
}

TEST_F(LogTest, goes_on_where_it_ended) {
  {
    open().append({.action = "run.start"}).value();
  }
  {
    open().append({.action = "run.end"}).value();
  }
  EXPECT_THAT(actions(entries()), ElementsAre("audit.segment", "run.start", "audit.seal", "run.end", "audit.seal"));
  EXPECT_THAT(verdict(), IsSound());
}

TEST_F(LogTest, nothing_is_written_before_a_flush_and_all_after) {
  Log log = open();
  ASSERT_TRUE(log.append({.action = "a"}));
  EXPECT_EQ(actions(entries()), std::vector<std::string>{"audit.segment"});
  const Head head = log.flush(Durability::power).value();
  EXPECT_EQ(head.count, 2u);
  EXPECT_EQ(head, log.head());
  EXPECT_THAT(actions(entries()), ElementsAre("audit.segment", "a"));
  EXPECT_EQ(log.flush(Durability::process).value(), head) << "an empty flush writes nothing";
}

TEST_F(LogTest, a_full_queue_writes_itself) {
  Log log = open({.queue_bytes = 1000});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(log.append({.action = "a", .target = std::to_string(i)}));
  EXPECT_GT(entries().size(), 90u);
}

TEST_F(LogTest, seals_at_every_nth_record_and_when_told_and_not_twice) {
  Log log = open({.seal_every = 8});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(log.append({.action = "a"}));
  ASSERT_TRUE(log.seal());
  ASSERT_TRUE(log.seal());
  std::vector<uint64_t> seals;
  for (const Entry& entry : entries({.action = "audit.seal"})) seals.push_back(entry.seq);
  EXPECT_THAT(seals, ElementsAre(8, 16, 24)) << "24 is a seal by place; nothing was left to seal";
  EXPECT_THAT(verdict(), IsSound());
}

TEST_F(LogTest, seals_after_a_time) {
  Log log = open({.seal_interval = std::chrono::seconds(0)});
  ASSERT_TRUE(log.append({.action = "a"}));
  ASSERT_TRUE(log.flush(Durability::process));
  EXPECT_THAT(actions(entries()), ElementsAre("audit.segment", "a", "audit.seal"));
  ASSERT_TRUE(log.flush(Durability::process));
  EXPECT_EQ(entries().size(), 3u) << "nothing new to seal";
}

TEST_F(LogTest, the_log_decides_where_seals_stand_not_who_opens_it_next) {
  {
    open({.seal_every = 8}).append({.action = "a"}).value();
  }
  Log log = open({.seal_every = 5});
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(log.append({.action = "a"}));
  ASSERT_TRUE(log.close());
  EXPECT_THAT(verdict(), IsSound());
}

TEST_F(LogTest, rotates_without_breaking_the_chain_at_any_length) {
  for (uint64_t seal_every : {4u, 5u, 7u, 1024u}) {
    Log log = open({.seal_every = seal_every, .rotate_bytes = 3000});
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(log.append({.action = "a", .target = std::string(static_cast<size_t>(i) % 37, 'x')}));
      if (i % 3 == 0) {
        ASSERT_TRUE(log.flush(Durability::process));
      }
    }
    const Head head = log.close().value();
    const Verdict got = verdict({.anchor = head, .key = {}});
    EXPECT_THAT(got, IsSound());
    EXPECT_EQ(got.head, head);
    EXPECT_GT(got.files, 20u);
    EXPECT_EQ(entries({.action = "a"}).size(), 300u);
    ASSERT_TRUE(sys::remove_below(sys::open(dir_, O_RDONLY | O_DIRECTORY)->get()));
  }
}

TEST_F(LogTest, a_senseless_size_does_not_rotate_without_end) {
  Log log = open({.rotate_bytes = 1});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(log.append({.action = "a"}));
  ASSERT_TRUE(log.close(Durability::power));
  EXPECT_EQ(entries({.action = "a"}).size(), 10u);
  EXPECT_THAT(verdict(), IsSound());
}

TEST_F(LogTest, eight_processes_keep_one_chain) {
  constexpr int kProcesses = 8, kEach = 400;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p)
    children.push_back(in_child([&] {
      auto log = Log::open(dir_, {.seal_every = 64, .rotate_bytes = 100'000});
      if (!log) return 1;
      for (int i = 0; i < kEach; ++i) {
        if (!log->append({.run = std::to_string(p), .action = "a", .target = std::to_string(i)})) return 2;
        if (i % 7 == 0 && !log->flush(Durability::process)) return 3;
      }
      return log->close() ? 0 : 4;
    }));
  for (const pid_t child : children) {
    EXPECT_EQ(exit_code(child), 0);
  }
  EXPECT_THAT(verdict(), IsSound());
  for (int p = 0; p < kProcesses; ++p) {
    const auto mine = entries({.run = std::to_string(p)});
    ASSERT_EQ(mine.size(), static_cast<size_t>(kEach));
    for (int i = 0; i < kEach; ++i) ASSERT_EQ(mine[static_cast<size_t>(i)].target, std::to_string(i));
  }
}

TEST_F(LogTest, only_the_owner_can_read_it) {
  open().append({.action = "a"}).value();
  struct stat st;
  for (const char* name : {"", "/key", "/seal.key", "/000001.log"}) {
    ASSERT_EQ(::stat((dir_ + name).c_str(), &st), 0) << name;
    EXPECT_EQ(st.st_mode & 077, 0u) << name;
  }
}

TEST_F(LogTest, refuses_what_is_no_record) {
  Log log = open();
  EXPECT_EQ(log.append({.target = "x"}).error().code, EINVAL);
  EXPECT_EQ(log.append({.action = "audit.seal"}).error().code, EINVAL);
  Record huge{.action = "a"};
  for (int i = 0; i < 100; ++i) huge.detail.add("d", std::string(kMaxText, 'x'));
  EXPECT_EQ(log.append(huge).error().code, EMSGSIZE);
  ASSERT_TRUE(log.close());
  EXPECT_EQ(entries().size(), 2u);
  EXPECT_EQ(log.append({.action = "late"}).error().code, EBADF);
}

}  // namespace
}  // namespace alos::audit
