#pragma once

#include <gtest/gtest.h>

#include <cstdlib>

// What a test needs is not here: prints why and skips; under ALOS_TESTS_MUST_RUN=1, which CI sets, that is a failure.
#define ALOS_SKIP(reason)                                                            \
  do {                                                                               \
    if (std::getenv("ALOS_TESTS_MUST_RUN")) FAIL() << "must run, but: " << (reason); \
    GTEST_SKIP() << (reason);                                                        \
  } while (false)
