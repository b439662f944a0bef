#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "tests/skip.h"

// Runs the real programs, as root and as an ordinary user. Every test has its own state directory, workspace and user;
// nothing of the machine's own alos is touched, and everything is removed at the end.
namespace alos::test {

enum class Mode { root, rootless };
std::string name(Mode mode);
inline void PrintTo(Mode mode, std::ostream* out) {
  *out << name(mode);
}
// Names the cases of a suite that runs in both.
struct NameOfMode {
  template <class Info>
  std::string operator()(const Info& info) const {
    return name(info.param);
  }
};

struct Outcome {
  int code = -1;  // exit code, or 128 + signal
  std::string out, err;
  std::vector<nlohmann::json> events;
  const nlohmann::json& end() const;  // the last event; null object when there is none
};

struct Options {
  std::string input{};
  std::map<std::string, std::string> env{};
  std::string cwd{};  // default: the workspace
  std::chrono::seconds timeout{60};
};

class World {
 public:
  explicit World(Mode mode);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Why this mode cannot be had here; empty if it can.
  static std::string unavailable(Mode mode);

  Mode mode() const { return mode_; }
  const std::string& root() const { return root_; }            // a directory of the test's user, for anything
  const std::string& workspace() const { return workspace_; }  // exists, empty, belongs to the test's user
  std::string state() const { return root_ + "/alos/state"; }
  std::string runtime() const { return root_ + "/alos/run"; }
  static std::string programs();  // where the built programs are

  // Any command as the test's user; "alos" is found first on PATH.
  Outcome call(std::vector<std::string> argv, const Options& options = {}) const;
  // alos run with whatever limits cannot be held here given up, events collected.
  Outcome run(const std::string& policy, std::vector<std::string> command, const Options& options = {},
              std::vector<std::string> flags = {}) const;
  Outcome shell(const std::string& policy, const std::string& script, const Options& options = {},
                std::vector<std::string> flags = {}) const;

  // Writes a file of the test's user, with parents; relative paths lie in the workspace.
  void write(const std::string& path, const std::string& content, mode_t file_mode = 0644) const;
  std::string read(const std::string& path) const;  // relative paths lie in the workspace; "" if there is none
  bool exists(const std::string& path) const;
  // A policy file, for run(): its path.
  std::string policy(const std::string& name, const std::string& yaml) const;

  // Starts `argv` and leaves it running; end it by the pidfd.
  struct Running {
    pid_t pid = -1;
    UniqueFd pidfd;
    UniqueFd output;  // both streams
  };
  Running start(std::vector<std::string> argv, const Options& options = {}) const;
  std::vector<std::string> run_arguments(const std::string& policy, const std::vector<std::string>& flags) const;

  // What a finished run may not leave: processes of its boxes, mounts, cgroups, run directories. Empty if nothing.
  std::string leftovers() const;

 private:
  std::string at(const std::string& path) const;
  void own(const std::string& path) const;
  struct Command;
  Command command(const std::vector<std::string>& argv, const Options& options) const;

  Mode mode_;
  uid_t uid_ = 0;
  std::string root_, workspace_;
  mutable int serial_ = 0;
};

// A world of the mode that the suite is instantiated with.
class InBothModes : public testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    if (const std::string why = World::unavailable(GetParam()); !why.empty()) ALOS_SKIP(why);
    world_.emplace(GetParam());
  }
  World& world() { return *world_; }
  std::optional<World> world_;
};

// What the file of a registered run holds, called so.
nlohmann::json info_of(const std::string& run);

// Reads its output until that was said; false when it ended without.
bool wait_for(const World::Running& running, const std::string& words);

// Counts of the gate are divided by it; tests/vm/run says how much less an emulated machine does.
long part();

}  // namespace alos::test
