#pragma once

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "supervisor/box/launch_times.h"
#include "supervisor/box/step.h"

namespace alos::box {

// Sends the first failure up and ends the child.
class Reporter {
 public:
  Reporter(int fd, Fault fault, int64_t* times) : fd_(fd), fault_(fault), times_(times) {}

  // Every call that a step makes passes through here; `rc` below 0 is a failure with errno.
  long must(Step step, const char* object, long rc) const {
    if (fault_.delays(step)) {
      const timespec half{.tv_sec = 0, .tv_nsec = 500'000'000};
      ::nanosleep(&half, nullptr);
    }
    if (fault_.hits(step)) {
      errno = fault_.error;
      rc = -1;
    }
    if (rc < 0) fail(step, object);
    mark_step(times_, step);
    return rc;
  }

  [[noreturn]] void fail(Step step, const char* object) const {
    StepReport report;
    report.step = step;
    report.error = errno;
    std::strncpy(report.object.data(), object, report.object.size() - 1);
    tell(report);
    ::_exit(127);
  }

  // One descriptor to the launcher, with what it is. It is closed here.
  void hand_over(Step step, StepReport::Kind what, int fd) const {
    StepReport message;
    message.kind = what;
    iovec part{.iov_base = &message, .iov_len = sizeof message};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    must(step, "sendmsg", ::sendmsg(fd_, &header, MSG_NOSIGNAL));
    ::close(fd);
  }

  void tell(const StepReport& report) const { ::send(fd_, &report, sizeof report, MSG_NOSIGNAL); }

  int fd() const { return fd_; }

 private:
  int fd_;
  mutable Fault fault_;
  int64_t* times_;
};

}  // namespace alos::box
