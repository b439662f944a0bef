#include "syscall-broker/record_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/digest.h"

namespace alos::broker {
namespace {

using testing::HasSubstr;

std::string text(std::mt19937& random, size_t longest) {
  return std::string(std::uniform_int_distribution<size_t>(0, longest)(random), 'x');
}

TEST(RecordParts, hold_every_record_once_in_order_and_fit) {
  std::mt19937 random(20'261'129);
  for (int round = 0; round < 200; ++round) {
    const size_t longest = size_t{1} << std::uniform_int_distribution<int>(2, 17)(random);
    std::vector<Record> records;
    for (uint64_t number = 1; number <= 40; ++number) {
      Journal::Entry entry;
      const std::string action = text(random, 30), target = text(random, longest), rule = text(random, longest),
                        reason = text(random, longest), layer = text(random, longest);
      entry.action = action;
      entry.target = target;
      entry.rule = rule;
      entry.reason = reason;
      entry.layer = layer;
      for (int i = std::uniform_int_distribution<int>(0, 8)(random); i > 0; --i)
        entry.details.emplace_back(text(random, 20), text(random, longest));
      records.push_back(record_of(entry));
      records.back().number = number;
    }
    uint64_t number = 0;
    for (const Records& part : parts_of(std::move(records))) {
      EXPECT_FALSE(part.records.empty());
      EXPECT_LE(message(part).size(), kPart);
      for (const Record& record : part.records) EXPECT_EQ(record.number, ++number);
    }
    EXPECT_EQ(number, 40u);
  }
  EXPECT_TRUE(parts_of({}).empty());
}

TEST(RecordParts, a_record_that_is_too_long_says_what_was_cut) {
  const std::string word(100'000, 'x');
  Journal::Entry entry;
  entry.action = "fs.rename";
  entry.target = entry.rule = entry.source = entry.reason = entry.layer = entry.outcome = word;
  for (int i = 0; i < 10'000; ++i) entry.details.emplace_back("to", word);
  const Record out = record_of(entry);
  EXPECT_LE(message(Records{{out}}).size(), kPart);
  EXPECT_EQ(out.action, "fs.rename");
  EXPECT_THAT(out.target, HasSubstr("...[cut, 100000 bytes in all, blake2b-256 " + hex(digest(word)) + "]"));
  EXPECT_EQ(out.details.front().name, "to");
  EXPECT_EQ(out.details.back().name, "cut");
  EXPECT_EQ(out.details.back().value, "10000 details in all");
}

}  // namespace
}  // namespace alos::broker
