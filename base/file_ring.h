#pragma once

#include <linux/io_uring.h>

#include <array>

#include "base/result.h"
#include "base/unique_fd.h"

// The io_uring on which the broker carries out what agents ask of files. Made by the front, which hands it to the
// launcher and to the broker by fork and exec alone: the kernel refuses to send one (SCM_RIGHTS: EINVAL). The launcher
// has an agent's credentials registered on it (a personality), the broker submits.
namespace alos {

// What can be done on it, whoever holds it: everything else is answered EACCES (io_uring_register(2),
// IORING_REGISTER_RESTRICTIONS). Nothing that asks no rights of Landlock, as stat, chmod and extended attributes do,
// and nothing that leaves the file system.
inline constexpr std::array<unsigned char, 10> kFileRingOperations{
    IORING_OP_NOP,           // the end of a chain, and a ring that is tried
    IORING_OP_OPENAT2,       // every look at a path: under a root, without links
    IORING_OP_READ,          // of what was opened; a file system can let it wait, so not by read(2)
    IORING_OP_WRITE,         //
    IORING_OP_FSYNC,         // before a new file takes an old one's place
    IORING_OP_CLOSE,         // writes back on some file systems, and can wait
    IORING_OP_MKDIRAT,       //
    IORING_OP_UNLINKAT,      //
    IORING_OP_RENAMEAT,      //
    IORING_OP_ASYNC_CANCEL,  // of an agent that ended
};
// A chain, work that is known to wait, and no completion for what only matters when it fails.
inline constexpr unsigned char kFileRingFlags = IOSQE_IO_LINK | IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS;
// Personalities come and go with agents; where and how many workers are there is set by the broker.
inline constexpr std::array<unsigned char, 4> kFileRingRegistrations{
    IORING_REGISTER_PERSONALITY, IORING_UNREGISTER_PERSONALITY, IORING_REGISTER_IOWQ_AFF,
    IORING_REGISTER_IOWQ_MAX_WORKERS};

inline constexpr unsigned kFileRingEntries = 256;

// `params` are what the kernel filled in, and what another program maps it by. Whoever maps it with liburing 2.3's
// io_uring_queue_mmap() fills sq.array[i] = i afterwards: only io_uring_queue_init() does that, and without it every
// submission is the first entry again.
struct NewFileRing {
  UniqueFd fd;  // close-on-exec
  io_uring_params params{};
};

// Restricted and enabled. Not for one submitter alone (IORING_SETUP_SINGLE_ISSUER): nobody else could register
// personalities then (EEXIST). Errors: ENOSYS, and EPERM from a filter or kernel.io_uring_disabled, with what to do.
Result<NewFileRing> create_file_ring();

// The caller's credentials, its Landlock domain included, for whoever submits with the number that is returned. At most
// 65,535 are there at a time. System calls only.
int register_personality(int ring);

}  // namespace alos
