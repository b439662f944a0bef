#pragma once

#include <functional>
#include <unordered_map>

#include "syscall-broker/host.h"
#include "syscall-broker/primitive.h"

namespace alos::broker {

class ShellRun;

// The commands that run, by the host's number for each.
class ShellRuns {
 public:
  static constexpr size_t kMost = 32;  // at a time, of one agent
  class Running {
   public:
    virtual void started(Attempt<void> how) = 0;
    virtual void ended(bool executed, int status) = 0;

   protected:
    ~Running() = default;
  };

  explicit ShellRuns(Host& host) : host_(host) {}
  Host& host() { return host_; }
  bool full() const { return running_.size() + scripted_ >= kMost; }
  uint32_t add(Running& running);
  void remove(uint32_t number) { running_.erase(number); }
  void started(uint32_t number, Attempt<void> how);
  void ended(uint32_t number, bool executed, int status);

  // Counts as one that runs, though the script answers it.
  class Scripted {
   public:
    explicit Scripted(ShellRuns& runs) : runs_(runs) { ++runs_.scripted_; }
    Scripted(const Scripted&) = delete;
    Scripted& operator=(const Scripted&) = delete;
    ~Scripted() { --runs_.scripted_; }

   private:
    ShellRuns& runs_;
  };

 private:
  Host& host_;
  std::unordered_map<uint32_t, Running*> running_;
  size_t scripted_ = 0;
  uint32_t last_ = 0;
};

}  // namespace alos::broker
