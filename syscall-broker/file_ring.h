#pragma once

#include <liburing.h>
#include <linux/openat2.h>
#include <sys/types.h>

#include <coroutine>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace alos::broker {

// The ring on which every file operation of an agent is carried out, under the personality that a child of the launcher
// registered on it: the kernel judges each by the agent's own uid, gid and Landlock domain (io_uring_enter(2),
// personality). The ring is restricted to what is below; it is not single-issuer, because another process registers.
//
// Operations are awaited by coroutines and answer what the kernel answers: a descriptor or a count, or -errno. What a
// path argument points to must live until then. Two personalities never mix: each operation names its own.
class FileRing {
 public:
  // Of the process that submits; the ring was created, restricted and enabled before (base/file_ring.h).
  // Errors: {"io_uring_queue_mmap", ...}.
  static Result<FileRing> map(UniqueFd ring, const io_uring_params& params);
  FileRing(FileRing&& other) noexcept;
  FileRing& operator=(FileRing&&) = delete;
  ~FileRing();

  class Operation {
   public:
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) noexcept;
    int await_resume() noexcept { return result_; }

   private:
    friend class FileRing;
    explicit Operation(FileRing& ring) : ring_(ring) {}
    FileRing& ring_;
    io_uring_sqe entry_{};
    std::coroutine_handle<> waiting_{};
    int result_ = 0;
  };

  using Personality = uint16_t;  // never 0: that would be the submitter's own, which reaches nothing

  Operation openat2(Personality who, int dir, const char* path, const open_how& how);
  Operation mkdirat(Personality who, int dir, const char* path, mode_t mode);
  Operation unlinkat(Personality who, int dir, const char* path, int flags);
  Operation renameat2(Personality who, int from_dir, const char* from, int to_dir, const char* to, unsigned flags);
  // On descriptors that are open: nothing is judged again.
  Operation read(int fd, std::span<char> into, uint64_t offset);
  Operation write(int fd, std::string_view from, uint64_t offset);  // offset -1: the descriptor's own (O_APPEND)
  Operation fsync(int fd);

  // Submits what was begun and resumes whoever is answered, until nothing moves. To be called at the end of a turn.
  // False: the kernel takes no more for now (memory), what was begun waits; call it again soon.
  bool run();
  int fd() const { return ring_.ring_fd; }
  size_t outstanding() const { return outstanding_; }

 private:
  FileRing() = default;
  void begin(Operation& operation);
  bool drain();

  io_uring ring_{};
  UniqueFd fd_;
  size_t outstanding_ = 0;
};

}  // namespace alos::broker
