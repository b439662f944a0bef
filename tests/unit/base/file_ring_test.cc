// The ring that front, launcher and broker share, as each of them has it.

#include "base/file_ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <liburing.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/sys.h"
#include "tests/skip.h"

namespace alos {
namespace {

// As the broker maps it.
class Mapped {
 public:
  explicit Mapped(NewFileRing& ring) {
    if (::io_uring_queue_mmap(ring.fd.get(), &ring.params, &ring_) != 0) std::abort();
    for (unsigned i = 0; i < ring.params.sq_entries; ++i) ring_.sq.array[i] = i;
  }
  io_uring_sqe* next() { return ::io_uring_get_sqe(&ring_); }
  int result() {
    ::io_uring_submit(&ring_);
    io_uring_cqe* done = nullptr;
    if (::io_uring_wait_cqe(&ring_, &done) != 0) return -1000;
    const int out = done->res;
    ::io_uring_cqe_seen(&ring_, done);
    return out;
  }
  int open(const char* path, unsigned short personality = 0, unsigned char flags = 0) {
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC;
    io_uring_sqe* entry = next();
    ::io_uring_prep_openat2(entry, AT_FDCWD, path, &how);
    entry->personality = personality;
    entry->flags = flags;
    const int fd = result();
    if (fd >= 0) ::close(fd);
    return fd >= 0 ? 0 : fd;
  }

 private:
  io_uring ring_{};
};

class FileRingTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = create_file_ring();
    if (!made && (made.error().code == ENOSYS || made.error().code == EPERM)) ALOS_SKIP(made.error().text());
    ASSERT_TRUE(made) << made.error().text();
    ring_ = std::move(*made);
    mapped_.emplace(ring_);
  }
  NewFileRing ring_;
  std::optional<Mapped> mapped_;
};

TEST_F(FileRingTest, opens_files) {
  EXPECT_EQ(mapped_->open("/"), 0);
  EXPECT_EQ(mapped_->open("/no/such/file"), -ENOENT);
}

TEST_F(FileRingTest, refuses_every_operation_that_is_not_listed) {
  for (int operation = 0; operation < IORING_OP_LAST; ++operation) {
    if (std::ranges::find(kFileRingOperations, operation) != kFileRingOperations.end()) continue;
    io_uring_sqe* entry = mapped_->next();
    *entry = {};
    entry->opcode = static_cast<unsigned char>(operation);
    entry->fd = -1;
    EXPECT_EQ(mapped_->result(), -EACCES) << "operation " << operation;
  }
}

TEST_F(FileRingTest, refuses_every_flag_that_is_not_listed) {
  EXPECT_EQ(mapped_->open("/", 0, IOSQE_ASYNC), 0);
  for (const unsigned char flag : {IOSQE_FIXED_FILE, IOSQE_IO_DRAIN, IOSQE_IO_HARDLINK})
    EXPECT_EQ(mapped_->open("/", 0, flag), -EACCES) << "flag " << int{flag};
}

TEST_F(FileRingTest, cannot_be_given_buffers_files_or_other_restrictions) {
  for (const unsigned what : {IORING_REGISTER_BUFFERS, IORING_REGISTER_FILES, IORING_REGISTER_RESTRICTIONS,
                              IORING_REGISTER_PROBE, IORING_REGISTER_RING_FDS}) {
    EXPECT_EQ(::syscall(SYS_io_uring_register, ring_.fd.get(), what, nullptr, 0), -1) << what;
    EXPECT_EQ(errno, EACCES) << what;
  }
}

TEST_F(FileRingTest, an_unknown_personality_is_an_error_and_never_the_callers_own) {
  EXPECT_EQ(mapped_->open("/", 1), -EINVAL);
  const int own = register_personality(ring_.fd.get());
  ASSERT_GT(own, 0);
  EXPECT_EQ(mapped_->open("/", static_cast<unsigned short>(own)), 0);
}

TEST_F(FileRingTest, another_process_registers_what_this_one_submits_with) {
  if (::geteuid() != 0) ALOS_SKIP("needs root");
  auto answer = sys::pipe();
  ASSERT_TRUE(answer);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool left = ::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0;
    const int personality = left ? register_personality(ring_.fd.get()) : -1;
    ::_exit(::write(answer->b.get(), &personality, sizeof personality) == sizeof personality ? 0 : 1);
  }
  int personality = -1;
  ASSERT_EQ(::read(answer->a.get(), &personality, sizeof personality), static_cast<ssize_t>(sizeof personality));
  ::waitpid(child, nullptr, 0);
  ASSERT_GT(personality, 0);
  EXPECT_EQ(mapped_->open("/etc/shadow"), 0) << "so that the next refusal means something";
  EXPECT_EQ(mapped_->open("/etc/shadow", static_cast<unsigned short>(personality)), -EACCES);
}

}  // namespace
}  // namespace alos
