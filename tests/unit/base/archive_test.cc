#include "base/archive.h"

#include <gtest/gtest.h>

#include <array>

namespace alos {
namespace {

struct Inner {
  std::string name;
  std::optional<uint64_t> limit;
  bool operator==(const Inner&) const = default;
};
template <class A>
void fields(A& a, Inner& i) {
  a(i.name, i.limit);
}

struct Outer {
  int number = 0;
  bool flag = false;
  std::array<uint8_t, 4> bytes{};
  std::vector<Inner> inner;
  std::map<std::string, std::string> words;
  bool operator==(const Outer&) const = default;
};
template <class A>
void fields(A& a, Outer& o) {
  a(o.number, o.flag, o.bytes, o.inner, o.words);
}

const Outer kSample{7, true, {1, 2, 3, 4}, {{"a", 5}, {std::string("b\0c", 3), {}}}, {{"k", "v"}, {"", ""}}};

TEST(Archive, gives_back_what_was_put_in) {
  EXPECT_EQ(decode<Outer>(encode(kSample), "sample").value(), kSample);
}

TEST(Archive, refuses_every_truncation_and_anything_behind_the_end) {
  const std::string whole = encode(kSample);
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(decode<Outer>(std::string_view(whole).substr(0, size), "x").error().code, EBADMSG) << size;
  EXPECT_FALSE(decode<Outer>(whole + "x", "x"));
}

TEST(Archive, a_length_that_lies_is_refused_before_it_is_allocated) {
  EXPECT_FALSE(decode<std::vector<std::string>>(std::string("\xff\xff\xff\xff", 4), "x"));
  EXPECT_FALSE(decode<std::string>(std::string("\xff\xff\xff\x7fzzz", 7), "x"));
}

}  // namespace
}  // namespace alos
