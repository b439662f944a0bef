#include "base/accounts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace alos {
namespace {

TEST(Accounts, are_the_lines_that_are_accounts) {
  char name[] = "/tmp/alos-accounts-XXXXXX";
  const int fd = ::mkstemp(name);
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(name) << "root:x:0:0:root:/root:/bin/bash\n# a comment\n\n+::::::\nme:x:1000:1000:Me,,,:/home/me:\n"
                         "short:x:1\nword:x:ten:1::/home/word:/bin/sh\nhuge:x:4294967296:1::/h:/bin/sh\n"
                         "last:x:65534:1::/nonexistent:/bin/sh";
  const auto all = accounts(name);
  std::filesystem::remove(name);
  ASSERT_TRUE(all) << all.error().text();
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ((*all)[0].name, "root");
  EXPECT_EQ((*all)[0].home, "/root");
  EXPECT_EQ((*all)[1].uid, 1000u);
  EXPECT_EQ((*all)[1].home, "/home/me");
  EXPECT_EQ((*all)[2].name, "last");
}

TEST(Accounts, cannot_be_told_without_the_file) {
  EXPECT_EQ(accounts("/nonexistent/passwd").error().code, ENOENT);
  EXPECT_EQ(accounts("/dev/null").error().code, EINVAL);
}

}  // namespace
}  // namespace alos
