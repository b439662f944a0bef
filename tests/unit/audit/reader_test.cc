#include "supervisor/audit/reader.h"

#include "base/clock.h"
#include "scratch.h"

namespace alos::audit {
namespace {

class ReaderTest : public Scratch {};

TEST_F(ReaderTest, filters_add_up) {
  Log log = open();
  const int64_t before = wall_ns();
  for (const char* run : {"one", "two"})
    for (const char* action : {"fs.read", "fsx.read", "shell.run"})
      log.append({.run = run, .action = action, .decision = Decision::deny, .rule = "r"}).value();
  ASSERT_TRUE(log.close());
  EXPECT_EQ(entries({.run = "one"}).size(), 3u);
  EXPECT_EQ(entries({.action = "fs"}).size(), 2u) << "a kind is not a prefix";
  EXPECT_EQ(entries({.action = "fs.read"}).size(), 2u);
  EXPECT_EQ(entries({.run = "one", .action = "fs.read", .decision = "deny", .rule = "r"}).size(), 1u);
  EXPECT_EQ(entries({.decision = "allow"}).size(), 0u);
  EXPECT_EQ(entries({.since_ns = before, .until_ns = wall_ns()}).size(), 7u) << "six and the seal";
  EXPECT_EQ(entries({.since_ns = wall_ns() + 1'000'000'000}).size(), 0u);
}

TEST_F(ReaderTest, gives_texts_back_as_they_were) {
  const std::string odd = "a\n\"\\\u202e\xf0\x9f\x98\x80 z";
  open().append({.action = "a", .target = odd}).value();
  ASSERT_EQ(entries({.action = "a"}).size(), 1u);
  EXPECT_EQ(entries({.action = "a"})[0].target, odd);
}

TEST_F(ReaderTest, follows_a_log_that_grows_is_torn_mended_and_rotated) {
  Log log = open({.rotate_bytes = 2000});
  auto reader = Reader::open(dir_, {.action = "a"}, Extent::growing);
  ASSERT_TRUE(reader);
  ASSERT_FALSE(reader->next()->has_value());
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(log.append({.action = "a", .target = std::to_string(i)}));
    ASSERT_TRUE(log.flush(Durability::process));
    const auto entry = reader->next();
    ASSERT_TRUE(entry && *entry) << i;
    ASSERT_EQ((*entry)->target, std::to_string(i));
    ASSERT_FALSE(reader->next()->has_value());
    const auto now = list_segments(sys::open(dir_, O_RDONLY | O_DIRECTORY)->get()).value();
    auto last = sys::open(file(now.back()), O_WRONLY | O_APPEND);
    ASSERT_TRUE(sys::write_all(last->get(), "{\"v\":1,\"se"));
    ASSERT_FALSE(reader->next()->has_value()) << "a torn end is no record";
  }
}

TEST_F(ReaderTest, ends_where_the_log_did_when_it_was_opened) {
  Log log = open({.rotate_bytes = 2000});
  const auto record = [&] {
    ASSERT_TRUE(log.append({.action = "a"}));
    ASSERT_TRUE(log.flush(Durability::process));
  };
  for (int i = 0; i < 30; ++i) record();
  auto reader = Reader::open(dir_, {.action = "a"}, Extent::as_opened);
  ASSERT_TRUE(reader);
  int read = 0;
  for (auto entry = reader->next(); read < 100 && entry && *entry; entry = reader->next()) ++read, record();
  EXPECT_EQ(read, 30);
  EXPECT_FALSE(reader->next()->has_value()) << "nor later";
}

TEST_F(ReaderTest, a_damaged_line_is_named_and_the_rest_read) {
  {
    open().append({.action = "a"}).value();
  }
  std::string bytes = content();
  const size_t line = bytes.find('\n') + 1;
  bytes[line] = 'x';
  bytes.insert(line, std::string(kMaxLine + 5, 'y') + "\n");
  ASSERT_TRUE(sys::replace_file(file(), bytes, 0600));
  const auto got = entries();
  ASSERT_EQ(got.size(), 4u);
  EXPECT_TRUE(got[1].damaged && got[2].damaged);
  EXPECT_EQ(got[1].raw, "000001.log:2");
  EXPECT_EQ(got[2].raw, "000001.log:3");
  EXPECT_EQ(got[3].action, "audit.seal");
}

TEST_F(ReaderTest, no_log_is_an_error) {
  EXPECT_EQ(Reader::open(dir_, {}, Extent::as_opened).error().code, ENOENT);
}

}  // namespace
}  // namespace alos::audit
