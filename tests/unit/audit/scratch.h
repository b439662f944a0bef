#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/sys.h"
#include "supervisor/audit/log.h"
#include "supervisor/audit/reader.h"
#include "supervisor/audit/verify.h"

namespace alos::audit {

// A log in a directory of the test's own.
class Scratch : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-audit-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    base_ = name;
    dir_ = base_ + "/audit";
  }
  void TearDown() override {
    auto fd = sys::open(base_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd && sys::remove_below(fd->get()));
    ::rmdir(base_.c_str());
  }

  Log open(const Options& options = {}) {
    auto log = Log::open(dir_, options);
    if (!log) ADD_FAILURE() << log.error().text(), std::abort();
    return std::move(*log);
  }
  std::string file(unsigned number = 1) const { return dir_ + "/" + segment_name(number); }
  std::string content(unsigned number = 1) const { return sys::read_file(file(number), 1 << 30).value(); }
  std::vector<Entry> entries(Filter filter = {}) const {
    std::vector<Entry> out;
    auto reader = Reader::open(dir_, std::move(filter), Extent::as_opened);
    if (!reader) return out;
    for (;;) {
      auto next = reader->next();
      if (!next || !*next) return out;
      out.push_back(std::move(**next));
    }
  }
  Verdict verdict(const VerifyOptions& options = {}) const {
    auto verdict = verify(dir_, options);
    if (!verdict) ADD_FAILURE() << verdict.error().text(), std::abort();
    return std::move(*verdict);
  }

  std::string base_, dir_;
};

MATCHER(IsSound, "is sound") {
  for (const Finding& finding : arg.findings) *result_listener << "\n  " << finding.text();
  return arg.sound();
}

// What a child process does; its exit code is what it returns.
template <class F>
pid_t in_child(F body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  return pid;
}
inline int exit_code(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace alos::audit
