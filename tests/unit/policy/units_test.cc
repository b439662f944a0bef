#include "policy/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alos::policy {
namespace {

using testing::HasSubstr;

TEST(Units, sizes_are_bytes) {
  EXPECT_EQ(parse_size("512MiB").value(), 512ULL << 20);
  EXPECT_EQ(parse_size("4GiB").value(), 4ULL << 30);
  EXPECT_EQ(parse_size("1KiB").value(), 1024U);
  EXPECT_EQ(parse_size("2TiB").value(), 2ULL << 40);
}

TEST(Units, durations_are_milliseconds) {
  EXPECT_EQ(parse_duration("90s").value(), 90'000U);
  EXPECT_EQ(parse_duration("1h30m").value(), 5'400'000U);
  EXPECT_EQ(parse_duration("2d").value(), 172'800'000U);
  EXPECT_EQ(parse_duration("1s500ms").value(), 1500U);
}

TEST(Units, durations_read_back) {
  for (const uint64_t ms : {1ULL, 999ULL, 1500ULL, 90'000ULL, 86'400'000ULL, 90'061'001ULL})
    EXPECT_EQ(parse_duration(duration_text(ms)).value(), ms);
  EXPECT_EQ(duration_text(5'400'000), "1h30m");
  EXPECT_EQ(duration_text(0), "0ms");
}

TEST(Units, cores_are_thousandths) {
  EXPECT_EQ(parse_cores("2").value(), 2000U);
  EXPECT_EQ(parse_cores("0.5").value(), 500U);
  EXPECT_EQ(parse_cores("1.25").value(), 1250U);
  EXPECT_EQ(parse_cores("0.001").value(), 1U);
}

TEST(Units, counts_are_whole) {
  EXPECT_EQ(parse_count("512").value(), 512U);
}

using Parse = Result<uint64_t> (*)(std::string_view);
struct Refusal {
  Parse parse;
  const char* text;
  const char* hint;
};

class UnitsRefuse : public testing::TestWithParam<Refusal> {};

TEST_P(UnitsRefuse, and_say_what_to_write) {
  const auto out = GetParam().parse(GetParam().text);
  ASSERT_FALSE(out) << GetParam().text;
  EXPECT_THAT(out.error().hint, HasSubstr(GetParam().hint));
}

INSTANTIATE_TEST_SUITE_P(
    Values, UnitsRefuse,
    testing::Values(Refusal{parse_size, "4GB", "write 4GiB"}, Refusal{parse_size, "512KB", "write 512KiB"},
                    Refusal{parse_size, "4g", "write 4GiB"}, Refusal{parse_size, "4", "unit"},
                    Refusal{parse_size, "4 GiB", "stand together"}, Refusal{parse_size, "1.5GiB", "1536MiB"},
                    Refusal{parse_size, "0GiB", "ends every run"}, Refusal{parse_size, "-1GiB", "write a size"},
                    Refusal{parse_size, "99999999999999999999GiB", "too large"},
                    Refusal{parse_size, "9999999999TiB", "too large"}, Refusal{parse_size, "", "write a size"},
                    Refusal{parse_size, "04GiB", "leading zeros"}, Refusal{parse_duration, "90", "write 90s"},
                    Refusal{parse_duration, "10min", "not one of"}, Refusal{parse_duration, "8 h", "stand together"},
                    Refusal{parse_duration, "106752d", "too large"}, Refusal{parse_duration, "106751d24h", "too large"},
                    Refusal{parse_duration, "30m1h", "largest first"}, Refusal{parse_duration, "1h1h", "largest first"},
                    Refusal{parse_duration, "0s", "no time"}, Refusal{parse_duration, "h", "write a duration"},
                    Refusal{parse_duration, "1.5h", "not one of"},
                    Refusal{parse_duration, "999999999999999d", "too large"}, Refusal{parse_cores, "2cores", "no unit"},
                    Refusal{parse_cores, "0.5000", "three decimals"}, Refusal{parse_cores, "1.", "three decimals"},
                    Refusal{parse_cores, "0.0", "ends every run"}, Refusal{parse_cores, "50%", "no unit"},
                    Refusal{parse_count, "022", "leading zeros"}, Refusal{parse_count, "0", "from 1 up"},
                    Refusal{parse_count, "1e3", "no unit"}, Refusal{parse_count, "-1", "whole number"},
                    Refusal{parse_count, "0x10", "no unit"}));

}  // namespace
}  // namespace alos::policy
