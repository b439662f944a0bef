#include "base/digest.h"

#include <gtest/gtest.h>

namespace alos {
namespace {

TEST(Digest, is_blake2b_256) {
  // b2sum -l 256 of nothing and of "abc"
  EXPECT_EQ(hex(digest("")), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(hex(digest("abc")), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST(Digest, parts_hash_as_the_whole_and_fields_do_not) {
  Hasher parts;
  parts.add("a");
  parts.add("bc");
  EXPECT_EQ(parts.finish(), digest("abc"));
  Hasher one, other;
  one.add_field("ab"), one.add_field("c");
  other.add_field("a"), other.add_field("bc");
  EXPECT_NE(one.finish(), other.finish());
}

TEST(Digest, a_key_changes_it) {
  Key key{};
  EXPECT_NE(keyed_digest(key, "abc"), digest("abc"));
  Key second{};
  second[31] = 1;
  EXPECT_NE(keyed_digest(key, "abc"), keyed_digest(second, "abc"));
}

TEST(Signature, holds_for_its_own_data_and_key_only) {
  const SigningKey key = make_signing_key();
  const Signature signature = sign(key, "head");
  EXPECT_TRUE(verify(key.verify, "head", signature));
  EXPECT_FALSE(verify(key.verify, "heads", signature));
  EXPECT_FALSE(verify(make_signing_key().verify, "head", signature));
}

TEST(Hex, goes_both_ways_and_refuses_anything_else) {
  std::array<uint8_t, 3> out;
  ASSERT_TRUE(unhex("00ff7a", out));
  EXPECT_EQ(hex(out), "00ff7a");
  for (const char* bad : {"", "00ff7", "00ff7a00", "00ff7g", "00ff7a ", "0x00ff"}) EXPECT_FALSE(unhex(bad, out)) << bad;
  EXPECT_EQ(random_hex(8).size(), 16u);
  EXPECT_NE(random_hex(8), random_hex(8));
}

}  // namespace
}  // namespace alos
