#include "syscall-broker/file_ring.h"

#include <sched.h>

#include <cassert>
#include <cstring>

namespace alos::broker {
namespace {

// Making, opening to create, renaming and removing always go to a worker thread of the kernel. One that is born on
// another processor costs each such request 60 us more, so they are told to stay on the one that submits (before the
// first is born; kernel 5.14).
void keep_workers_near(io_uring& ring) {
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(static_cast<size_t>(::sched_getcpu()), &here);
  (void)::io_uring_register_iowq_aff(&ring, sizeof here, &here);
}

// The ring outlives a broker: the next one begins where the kernel is, not at zero, and hears nothing of what was asked
// for before. A process's requests have completed when it has ended (io_uring_files_cancel()), so that is all there
// now.
void begin_anew(io_uring& ring) {
  const unsigned head = __atomic_load_n(ring.sq.khead, __ATOMIC_ACQUIRE);
  __atomic_store_n(ring.sq.ktail, head, __ATOMIC_RELEASE);  // what was prepared and not submitted
  ring.sq.sqe_head = ring.sq.sqe_tail = head;
  for (;;) {
    ::io_uring_cq_advance(&ring, ::io_uring_cq_ready(&ring));
    if (!::io_uring_cq_has_overflow(&ring) || ::io_uring_get_events(&ring) < 0) return;
  }
}

}  // namespace

Result<FileRing> FileRing::map(UniqueFd ring, const io_uring_params& params) {
  FileRing out;
  io_uring_params copy = params;
  if (const int rc = ::io_uring_queue_mmap(ring.get(), &copy, &out.ring_); rc != 0)
    return fail("io_uring_queue_mmap", "file ring", -rc);
  // Which liburing does only for a ring that it has created itself: slot i of the queue is entry i.
  for (unsigned i = 0; i < out.ring_.sq.ring_entries; ++i) out.ring_.sq.array[i] = i;
  begin_anew(out.ring_);
  out.fd_ = std::move(ring);
  keep_workers_near(out.ring_);
  return out;
}

FileRing::FileRing(FileRing&& other) noexcept
    : ring_(other.ring_), fd_(std::move(other.fd_)), outstanding_(other.outstanding_) {
  assert(outstanding_ == 0);  // operations know their ring by its address
}

FileRing::~FileRing() {
  if (!fd_) return;
  fd_.release();  // closed with the mapping
  ::io_uring_queue_exit(&ring_);
}

void FileRing::Operation::await_suspend(std::coroutine_handle<> waiting) noexcept {
  waiting_ = waiting;
  ring_.begin(*this);
}

void FileRing::begin(Operation& operation) {
  io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
  while (!entry) {
    // Full of what was begun in this turn; a submission that fails for want of memory leaves it there.
    (void)::io_uring_submit(&ring_);
    entry = ::io_uring_get_sqe(&ring_);
  }
  *entry = operation.entry_;
  ::io_uring_sqe_set_data(entry, &operation);
  ++outstanding_;
}

FileRing::Operation FileRing::openat2(Personality who, int dir, const char* path, const open_how& how) {
  Operation out(*this);
  ::io_uring_prep_openat2(&out.entry_, dir, path, const_cast<open_how*>(&how));
  out.entry_.personality = who;
  return out;
}

FileRing::Operation FileRing::mkdirat(Personality who, int dir, const char* path, mode_t mode) {
  Operation out(*this);
  ::io_uring_prep_mkdirat(&out.entry_, dir, path, mode);
  out.entry_.personality = who;
  return out;
}

FileRing::Operation FileRing::unlinkat(Personality who, int dir, const char* path, int flags) {
  Operation out(*this);
  ::io_uring_prep_unlinkat(&out.entry_, dir, path, flags);
  out.entry_.personality = who;
  return out;
}

FileRing::Operation FileRing::renameat2(Personality who, int from_dir, const char* from, int to_dir, const char* to,
                                        unsigned flags) {
  Operation out(*this);
  ::io_uring_prep_renameat(&out.entry_, from_dir, from, to_dir, to, flags);
  out.entry_.personality = who;
  return out;
}

FileRing::Operation FileRing::read(int fd, std::span<char> into, uint64_t offset) {
  Operation out(*this);
  ::io_uring_prep_read(&out.entry_, fd, into.data(), static_cast<unsigned>(into.size()), offset);
  return out;
}

FileRing::Operation FileRing::write(int fd, std::string_view from, uint64_t offset) {
  Operation out(*this);
  ::io_uring_prep_write(&out.entry_, fd, from.data(), static_cast<unsigned>(from.size()), offset);
  return out;
}

FileRing::Operation FileRing::fsync(int fd) {
  Operation out(*this);
  ::io_uring_prep_fsync(&out.entry_, fd, 0);
  return out;
}

bool FileRing::drain() {
  bool any = false;
  io_uring_cqe* answer = nullptr;
  while (::io_uring_peek_cqe(&ring_, &answer) == 0) {
    auto* operation = static_cast<Operation*>(::io_uring_cqe_get_data(answer));
    operation->result_ = answer->res;
    ::io_uring_cqe_seen(&ring_, answer);
    --outstanding_;
    any = true;
    operation->waiting_.resume();  // may begin more, and may free itself with the operation
  }
  return any;
}

bool FileRing::run() {
  for (;;) {
    if (::io_uring_sq_ready(&ring_) != 0 && ::io_uring_submit(&ring_) < 0) {
      drain();
      return false;
    }
    if (!drain() && ::io_uring_sq_ready(&ring_) == 0) return true;
  }
}

}  // namespace alos::broker
