#include "syscall-broker/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "syscall-broker/primitive_table.h"

namespace alos::broker {
namespace {

using testing::HasSubstr;

std::string read_frame(uint64_t id = 7) {
  wire::Request request;
  request.set_id(id);
  request.mutable_fs_read()->set_path("/w/a");
  return request.SerializeAsString();
}

std::string why(const std::string& frame) {
  wire::Request out;
  const auto done = decode(frame, out);
  return done ? "" : done.error().object;
}

TEST(Frame, a_request_is_read) {
  wire::Request out;
  ASSERT_TRUE(decode(read_frame(), out));
  EXPECT_EQ(out.id(), 7U);
  EXPECT_EQ(out.fs_read().path(), "/w/a");
}

TEST(Frame, every_call_of_the_description_is_known) {
  for (const PrimitiveRow& row : primitives()) {
    // Field `call`, an empty message.
    const uint64_t key = static_cast<uint64_t>(row.call) << 3 | 2;
    std::string frame{"\x08\x01", 2};
    for (uint64_t rest = key; rest != 0 || frame.size() == 2; rest >>= 7)
      frame += static_cast<char>((rest & 0x7f) | (rest >= 0x80 ? 0x80 : 0));
    frame += '\0';
    wire::Request out;
    EXPECT_TRUE(decode(frame, out)) << row.name;
    EXPECT_EQ(out.call_case(), row.call);
  }
}

TEST(Frame, what_is_not_in_the_description_is_refused) {
  EXPECT_THAT(why(read_frame() + std::string("\xa0\x06\x01", 3)), HasSubstr("field 100 is unknown"));
  wire::Request request;
  request.set_id(1);
  std::string frame = request.SerializeAsString() + std::string("\x82\x01\x05\xa2\x06\x02zz", 8);
  EXPECT_THAT(why(frame), HasSubstr("unknown")) << "within a call, too";
}

TEST(Frame, wrong_types_are_refused) {
  EXPECT_THAT(why(std::string("\x0a\x01x", 3)), HasSubstr("field 1 has the wrong type"));
  EXPECT_THAT(why(std::string("\x08\x01\x80\x01\x01", 5)), HasSubstr("field 16 has the wrong type"));
  EXPECT_THAT(why(std::string("\x0d\x01\x01\x01\x01", 5)), HasSubstr("wrong type")) << "fixed32";
  EXPECT_THAT(why(std::string("\x0b\x0c", 2)), HasSubstr("wrong type")) << "groups";
}

TEST(Frame, nothing_is_said_twice) {
  EXPECT_THAT(why(read_frame() + read_frame()), HasSubstr("twice"));
  wire::Request other;
  other.mutable_clock_now();
  EXPECT_THAT(why(read_frame() + other.SerializeAsString()), HasSubstr("beside another call"));
}

TEST(Frame, every_cut_is_noticed) {
  const std::string whole = read_frame();
  for (size_t n = 0; n < whole.size(); ++n) {
    wire::Request out;
    EXPECT_FALSE(decode(whole.substr(0, n), out)) << n;
  }
}

TEST(Frame, sizes_are_bounded) {
  EXPECT_NE(why(std::string(kMaxFrame + 1, '\x08')), "");
  wire::Request request;
  request.set_id(1);
  for (int i = 0; i < 5000; ++i) request.mutable_shell_run()->add_argv("");
  EXPECT_THAT(why(request.SerializeAsString()), HasSubstr("too many values"));
  EXPECT_THAT(why(std::string("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11)), HasSubstr("ends in a value"));
}

TEST(Frame, an_id_and_a_call_are_needed) {
  EXPECT_THAT(why(read_frame(0)), HasSubstr("id is 0"));
  EXPECT_THAT(why(std::string("\x08\x01", 2)), HasSubstr("asks for nothing"));
  EXPECT_THAT(why(""), HasSubstr("asks for nothing"));
}

TEST(Frame, text_is_utf8) {
  wire::Request request;
  request.set_id(1);
  request.mutable_clock_sleep()->set_key("k");
  std::string frame = request.SerializeAsString();
  frame[frame.size() - 1] = '\xff';
  EXPECT_THAT(why(frame), HasSubstr("UTF-8"));
}

TEST(Frame, random_changes_are_refused_or_read_alike_by_protobuf) {
  std::mt19937 random(5);
  wire::Request request;
  request.set_id(300);
  request.mutable_shell_run()->add_argv("/bin/true");
  request.mutable_shell_run()->add_env()->set_name("A");
  request.mutable_shell_run()->set_timeout_ms(5);
  const std::string whole = request.SerializeAsString();
  int taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string frame = whole;
    for (int n = 0; n < 1 + static_cast<int>(random() % 3); ++n)
      frame[random() % frame.size()] = static_cast<char>(random());
    wire::Request out, theirs;
    if (!decode(frame, out)) continue;
    ++taken;
    ASSERT_TRUE(theirs.ParseFromString(frame));
    EXPECT_EQ(out.SerializeAsString(), theirs.SerializeAsString());
  }
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace alos::broker
