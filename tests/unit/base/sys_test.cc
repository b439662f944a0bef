#include "base/sys.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>

namespace alos::sys {
namespace {

class Sys : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-sys-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override {
    auto fd = open(dir_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd && remove_below(fd->get()));
    ::rmdir(dir_.c_str());
  }
  size_t open_descriptors() {
    auto fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    return list(fd->get())->size();
  }
  std::string dir_;
};

TEST_F(Sys, descriptors_are_closed_on_exec) {
  auto fd = open(dir_, O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(fd);
  EXPECT_TRUE(::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC);
  auto copy = dup(fd->get());
  EXPECT_TRUE(::fcntl(copy->get(), F_GETFD) & FD_CLOEXEC);
}

TEST_F(Sys, files_are_replaced_whole) {
  const std::string path = dir_ + "/f";
  ASSERT_TRUE(replace_file(path, "one", 0600));
  ASSERT_TRUE(replace_file(path, "two", 0600, true));
  EXPECT_EQ(read_file(path, 10).value(), "two");
  EXPECT_EQ(read_file(path, 2).error().code, EFBIG);
  EXPECT_EQ(replace_file(dir_ + "/no/f", "x", 0600).error().code, ENOENT);
  EXPECT_EQ(list(open(dir_, O_RDONLY)->get())->size(), 1u) << "a temporary file was left";
}

TEST_F(Sys, a_regular_file_is_read_and_nothing_else_is_waited_for) {
  const std::string file = dir_ + "/f", link = dir_ + "/link", fifo = dir_ + "/fifo";
  ASSERT_TRUE(replace_file(file, "text", 0600));
  ASSERT_EQ(::symlink("f", link.c_str()), 0);
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(read_regular(file, 4).value(), "text");
  EXPECT_EQ(read_regular(link, 4).value(), "text");
  EXPECT_EQ(read_regular(link, 4, RESOLVE_NO_SYMLINKS).error().code, ELOOP);
  EXPECT_EQ(read_regular(file, 4, RESOLVE_NO_SYMLINKS).value(), "text");
  for (const std::string& path : {fifo, dir_, std::string("/dev/zero")}) {
    const auto refused = read_regular(path, 1000);
    ASSERT_FALSE(refused) << path;
    EXPECT_EQ(refused.error().text(), "open " + path + ": Invalid argument (EINVAL); it is no regular file");
  }
  EXPECT_EQ(read_regular(file, 3).error().text(), "read " + file + ": File too large (EFBIG)");
  EXPECT_EQ(read_regular(dir_ + "/no", 3).error().code, ENOENT);
}

// Opening can do something: a watchdog is started by it, a tape rewound.
TEST_F(Sys, what_is_no_regular_file_is_refused_without_being_opened) {
  const std::string fifo = dir_ + "/pipe", device = dir_ + "/device", file = dir_ + "/file";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  ASSERT_TRUE(replace_file(file, "text", 0600));
  std::vector<std::string> others = {fifo};
  if (::mknod(device.c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0) others.push_back(device);  // root's alone to make
  const UniqueFd opened(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  char event[4096];
  for (const std::string& path : others) {
    ASSERT_GE(::inotify_add_watch(opened.get(), path.c_str(), IN_OPEN), 0);
    EXPECT_EQ(read_regular(path, 1000).error().code, EINVAL) << path;
    EXPECT_EQ(::read(opened.get(), event, sizeof event), -1) << path << " was opened";
  }
  ASSERT_GE(::inotify_add_watch(opened.get(), file.c_str(), IN_OPEN), 0);
  EXPECT_EQ(read_regular(file, 1000).value(), "text");
  EXPECT_GT(::read(opened.get(), event, sizeof event), 0) << "the watch would have told";
}

TEST_F(Sys, openat2_does_not_leave_its_root) {
  auto root = open(dir_, O_PATH | O_DIRECTORY);
  EXPECT_EQ(openat2(root->get(), "../etc", O_PATH, RESOLVE_BENEATH).error().code, EXDEV);
}

TEST_F(Sys, everything_below_is_removed_and_links_are_not_followed) {
  ASSERT_TRUE(make_dirs(dir_ + "/a/b/c", 0700));
  ASSERT_TRUE(make_dirs(dir_ + "/kept", 0700));
  ASSERT_TRUE(replace_file(dir_ + "/kept/file", "x", 0600));
  ASSERT_EQ(::symlink((dir_ + "/kept").c_str(), (dir_ + "/a/link").c_str()), 0);
  ASSERT_EQ(::chmod((dir_ + "/a/b").c_str(), 0), 0);
  ASSERT_TRUE(remove_below(open(dir_ + "/a", O_RDONLY | O_DIRECTORY)->get()));
  EXPECT_TRUE(list(open(dir_ + "/a", O_RDONLY)->get())->empty());
  EXPECT_EQ(::access((dir_ + "/kept/file").c_str(), F_OK), 0);
}

TEST_F(Sys, a_tree_deeper_than_there_are_descriptors_is_removed) {
  UniqueFd at = *open(dir_, O_RDONLY | O_DIRECTORY);
  for (int level = 0; level < 5000; ++level) {
    ASSERT_TRUE(mkdirat(at.get(), "deep", 0700));
    ASSERT_TRUE(mkdirat(at.get(), "beside", 0700));
    at = *openat(at.get(), "deep", O_RDONLY | O_DIRECTORY);
  }
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{32, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto removed = remove_below(open(dir_, O_RDONLY | O_DIRECTORY)->get());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(removed) << removed.error().text();
  EXPECT_TRUE(list(open(dir_, O_RDONLY)->get())->empty());
}

TEST_F(Sys, messages_carry_descriptors_and_a_truncated_one_leaks_none) {
  auto pair = socketpair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair);
  const std::array<std::byte, 4> data{};
  const std::array<int, 2> fds{0, 1};
  ASSERT_TRUE(send_message(pair->a.get(), data, fds));
  std::array<std::byte, 4> room;
  auto got = receive_message(pair->b.get(), room, 2);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->fds.size(), 2u);
  EXPECT_TRUE(::fcntl(got->fds[0].get(), F_GETFD) & FD_CLOEXEC);
  got->fds.clear();
  const size_t before = open_descriptors();
  ASSERT_TRUE(send_message(pair->a.get(), data, fds));
  EXPECT_EQ(receive_message(pair->b.get(), std::span(room).first(2), 1).error().code, EMSGSIZE);
  EXPECT_EQ(open_descriptors(), before);
  pair->a.reset();
  EXPECT_EQ(receive_message(pair->b.get(), room, 0)->size, 0u);
}

TEST_F(Sys, the_last_words_of_who_left_something_unread_are_heard) {
  auto pair = socketpair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair);
  const std::array<std::byte, 3> words{};
  ASSERT_TRUE(send_message(pair->a.get(), words));
  ASSERT_TRUE(send_message(pair->b.get(), words));
  pair->a.reset();
  std::array<std::byte, 8> room{};
  const auto got = receive_message(pair->b.get(), room, 0);
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->size, 3U);
  EXPECT_EQ(receive_message(pair->b.get(), room, 0)->size, 0U) << "and then the end";
}

TEST_F(Sys, a_sealed_memfd_cannot_change) {
  auto fd = memfd("m", "text", true);
  ASSERT_TRUE(fd);
  EXPECT_EQ(::write(fd->get(), "x", 1), -1);
  EXPECT_EQ(::ftruncate(fd->get(), 0), -1);
  EXPECT_EQ(read_file(fd->get(), 100).value(), "text");
}

TEST_F(Sys, a_lock_belongs_to_the_description_and_asking_for_it_takes_nothing) {
  const std::string path = dir_ + "/lock";
  auto holder = open(path, O_RDWR | O_CREAT, 0600);
  auto other = open(path, O_RDWR);
  auto onlooker = open(path, O_RDONLY);
  ASSERT_TRUE(holder && other && onlooker);
  EXPECT_EQ(is_locked(onlooker->get()).value(), false);
  ASSERT_TRUE(lock(holder->get())) << "the question before did not take it";
  EXPECT_EQ(is_locked(onlooker->get()).value(), true);
  EXPECT_EQ(lock(other->get()).error().code, EAGAIN);
  auto second = dup(holder->get());
  holder->reset();
  EXPECT_EQ(is_locked(onlooker->get()).value(), true) << "another descriptor keeps it";
  second->reset();
  EXPECT_EQ(is_locked(onlooker->get()).value(), false);
  EXPECT_TRUE(lock(other->get()));
}

}  // namespace
}  // namespace alos::sys
