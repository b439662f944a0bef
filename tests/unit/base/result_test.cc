#include "base/result.h"

#include <gtest/gtest.h>

namespace alos {
namespace {

Result<int> half(int n) {
  if (n % 2) return fail("half", std::to_string(n), EDOM, "give an even number");
  return n / 2;
}

Result<int> quarter(int n) {
  return TRY(half(TRY(half(n))));
}

TEST(Result, try_gives_the_value_or_returns_the_first_error) {
  EXPECT_EQ(quarter(12).value(), 3);
  EXPECT_EQ(quarter(6).error().object, "3");
}

TEST(Result, an_error_says_operation_object_cause_and_what_to_do) {
  EXPECT_EQ(half(3).error().text(), "half 3: Numerical argument out of domain (EDOM); give an even number");
  EXPECT_EQ((Error{"parse", "x.yaml", 0, ""}.text()), "parse x.yaml");
}

}  // namespace
}  // namespace alos
