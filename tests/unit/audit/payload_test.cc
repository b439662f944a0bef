#include "supervisor/audit/payload.h"

#include <gtest/gtest.h>

namespace alos::audit {
namespace {

TEST(Payload, the_same_bytes_are_recognised_only_with_the_same_key) {
  const Key one{1}, other{2};
  EXPECT_EQ(describe(one, "1234", Preview::none).hash, describe(one, "1234", Preview::none).hash);
  EXPECT_NE(describe(one, "1234", Preview::none).hash, describe(other, "1234", Preview::none).hash);
  EXPECT_NE(describe(one, "1234", Preview::none).hash, digest("1234"));
  EXPECT_EQ(describe(one, "1234", Preview::none).preview, "");
  EXPECT_EQ(describe(one, "1234", Preview::none).size, 4u);
}

TEST(Payload, a_preview_is_short_and_shows_what_would_deceive) {
  const std::string preview = describe(Key{}, "red \x1b[31m" + std::string(4000, '.'), Preview::redacted).preview;
  EXPECT_TRUE(preview.starts_with("red \\x1b[31m..."));
  EXPECT_LE(preview.size(), 2 * kPreviewBytes);
}

TEST(Redact, takes_out_what_looks_like_a_secret) {
  EXPECT_EQ(redact("password=hunter2 next"), "password=[redacted] next");
  EXPECT_EQ(redact(R"({"api_key": "abc", "n": 1})"), R"({"api_key": "[redacted]", "n": 1})");
  EXPECT_EQ(redact("Authorization: Bearer abc.def"), "Authorization: Bearer [redacted]");
  EXPECT_EQ(redact("key AKIA0123456789ABCDEF0 end"), "key [redacted] end");
  EXPECT_EQ(redact("a -----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbg"), "a [redacted]");
}

TEST(Redact, leaves_ordinary_text) {
  for (const char* text :
       {"make -j2 all", "/srv/app/src/main.cc:12: error", "git commit -m 'fix: two words'", "x=1 y=2"})
    EXPECT_EQ(redact(text), text);
}

}  // namespace
}  // namespace alos::audit
