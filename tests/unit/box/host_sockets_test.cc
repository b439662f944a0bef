#include "supervisor/box/host_sockets.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"

namespace alos::box {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kHeading = "Num       RefCount Protocol Flags    Type St Inode Path\n";

TEST(AbsoluteNames, are_taken_once_and_whole) {
  const auto names = absolute_names(std::string(kHeading) +
                                    "0000000000000000: 00000003 00000000 00000000 0001 03 1828435\n"
                                    "00000000ac4dde15: 00000003 00000000 00000000 0001 03  1143 /run/twice\n"
                                    "00000000ac4dde16: 00000003 00000000 00000000 0001 03 99999999 /run/twice\n"
                                    "(____ptrval____): 00000002 00000000 00010000 0001 01    12 @/abstract\n"
                                    "0000000000000000: 00000002 00000000 00010000 0001 01    13 relative/name\n"
                                    "continued\n"
                                    "0000000000000000: 00000002 00000000 00010000 0005 01    14 /a b \n"
                                    "0000000000000000: 00000002 00000000 00010000 0002 01    15 /line\n\nfeeds: 1\n");
  ASSERT_TRUE(names) << names.error().text();
  EXPECT_THAT(*names, ElementsAre("/a b ", "/line\n\nfeeds: 1", "/run/twice"));
  EXPECT_THAT(*absolute_names(kHeading), IsEmpty());
}

TEST(AbsoluteNames, in_an_unknown_form_are_an_error) {
  for (const std::string text : {"", "Num\n", "0000000000000000: 00000002 00000000 00010000 0001 01 12 /x\n"})
    EXPECT_EQ(absolute_names(text).error().code, EBADMSG) << text;
  EXPECT_EQ(absolute_names(std::string(kHeading) + "12 /x\n").error().code, EBADMSG);
}

TEST(NamedSockets, are_found_under_their_real_names) {
  char made[] = "/dev/shm/alos-sockets-XXXXXX";
  ASSERT_NE(::mkdtemp(made), nullptr);
  const std::string top = made;
  ASSERT_EQ(::mkdir((top + "/real").c_str(), 0700), 0);
  ASSERT_EQ(::symlink("real", (top + "/link").c_str()), 0);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string name = top + "/link/./s";
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const auto names = named_sockets();
  for (const char* left : {"/real/s", "/link"}) ::unlink((top + left).c_str());
  for (const char* left : {"/real", ""}) ::rmdir((top + left).c_str());
  ASSERT_TRUE(names) << names.error().text();
  EXPECT_THAT(*names, Contains(top + "/real/s"));
}

}  // namespace
}  // namespace alos::box
