#include "base/file_ring.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/sys.h"

namespace alos {
namespace {

std::string what_to_do(int error) {
  if (error == ENOSYS) return "a kernel with CONFIG_IO_URING; a filter around this process may forbid it, too";
  const auto text = sys::read_file("/proc/sys/kernel/io_uring_disabled", 16);
  const std::string setting = text ? text->substr(0, text->find('\n')) : "";
  if (setting == "1" || setting == "2")
    return "kernel.io_uring_disabled is " + setting + ": sysctl -w kernel.io_uring_disabled=0";
  return error == EPERM ? "a filter around this process forbids it: a container's, say" : "";
}

long control(const UniqueFd& ring, unsigned what, const void* argument, unsigned count) {
  return ::syscall(SYS_io_uring_register, ring.get(), what, argument, count);
}

}  // namespace

Result<NewFileRing> create_file_ring() {
  NewFileRing out;
  out.params.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP;
  const long fd = ::syscall(SYS_io_uring_setup, kFileRingEntries, &out.params);
  if (fd < 0) {
    const int error = errno;  // what_to_do() looks at files
    return fail("io_uring_setup", "file ring", error, what_to_do(error));
  }
  out.fd = UniqueFd(static_cast<int>(fd));
  std::array<io_uring_restriction, kFileRingOperations.size() + kFileRingRegistrations.size() + 1> allowed{};
  auto next = allowed.begin();
  for (const unsigned char operation : kFileRingOperations) {
    next->opcode = IORING_RESTRICTION_SQE_OP;
    next++->sqe_op = operation;
  }
  for (const unsigned char registration : kFileRingRegistrations) {
    next->opcode = IORING_RESTRICTION_REGISTER_OP;
    next++->register_op = registration;
  }
  next->opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
  next->sqe_flags = kFileRingFlags;
  if (control(out.fd, IORING_REGISTER_RESTRICTIONS, allowed.data(), allowed.size()) != 0)
    return fail("io_uring_register", "restrictions of the file ring", errno, "kernel 5.17 or newer");
  if (control(out.fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) != 0)
    return fail_errno("io_uring_register", "enabling of the file ring");
  return out;
}

int register_personality(int ring) {
  return static_cast<int>(::syscall(SYS_io_uring_register, ring, IORING_REGISTER_PERSONALITY, nullptr, 0));
}

}  // namespace alos
