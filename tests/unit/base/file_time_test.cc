#include "base/file_time.h"

#include <gtest/gtest.h>

namespace alos {
namespace {

TEST(FileTime, is_nanoseconds_and_back) {
  for (const int64_t ns : {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{1'500'000'000}, int64_t{-1'500'000'000},
                           int64_t{-1'000'000'000}, INT64_MAX, INT64_MIN}) {
    const timespec at = timespec_of(ns);
    EXPECT_GE(at.tv_nsec, 0) << ns << ": utimensat(2) takes no other";
    EXPECT_LT(at.tv_nsec, 1'000'000'000) << ns;
    if (ns != INT64_MIN) {  // its second alone is less than there is
      EXPECT_EQ(ns_of(at), ns);
    }
  }
}

TEST(FileTime, beyond_what_there_is_of_it_is_the_last) {
  EXPECT_EQ(ns_of({.tv_sec = INT64_MAX, .tv_nsec = 999'999'999}), INT64_MAX);
  EXPECT_EQ(ns_of({.tv_sec = INT64_MAX / 1'000'000'000, .tv_nsec = 999'999'999}), INT64_MAX);
  EXPECT_EQ(ns_of({.tv_sec = INT64_MIN, .tv_nsec = 0}), INT64_MIN);
  EXPECT_EQ(ns_of({.tv_sec = 9'000'000'000, .tv_nsec = 5}), 9'000'000'000'000'000'005);
}

}  // namespace
}  // namespace alos
