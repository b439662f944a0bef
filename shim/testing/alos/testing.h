#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

// Boxes for tests, outside of any box: what does an agent do, and what is it kept from? Runs the real `alos run` (the
// one that ALOS_PROGRAM names, or else on PATH), with state of its own that is gone afterwards, as are the changes.
//
//   alos::kit::Box box("coding", {.workspace = directory});
//   const auto ran = box.run({"alos-call", "fs.read", directory + "/.env"});
//   EXPECT_EQ(ran.denied.at(0).rule, "secrets");
namespace alos::kit {

struct Denial {
  std::string request, rule, source, reason;
};

struct Result {
  int code = -1;  // as of `alos run`
  std::string out, err;
  std::vector<std::string> events;  // the lines of --events, JSON
  // By the broker; what the kernel refuses in the box is the program's own error. Of one request that is denied again
  // and again the first 16, then each whose number is a power of two.
  std::vector<Denial> denied;
  // Why alos did not run the program, was not waited for, or does not know what was denied; empty: none of these.
  std::string error;
};

struct Settings {
  std::string workspace{};  // a directory; an empty one of the box's own
  std::map<std::string, std::string> vars{};
  bool virtual_clock = false;          // alos-run(1), CLOCK
  std::vector<std::string> degrade{};  // beside what this machine cannot hold
  std::chrono::seconds timeout{60};    // of each run, real; it is ended then
  std::string script{};                // answers in place of commands (alos-run(1), SCRIPT): a file, or its text
};

// A policy and a workspace to run in. Runs of one Box see each other's changes; its end drops them. One thread.
class Box {
 public:
  // `policy`: a name, a path with a '/', or the text of one (more than one line).
  explicit Box(std::string policy, Settings settings = {});
  ~Box();
  Box(const Box&) = delete;
  Box& operator=(const Box&) = delete;

  // `flags`: further ones of `alos run`, as {"--fail-on", "deny"}.
  Result run(const std::vector<std::string>& argv, const std::string& input = "",
             const std::vector<std::string>& flags = {});
  // What is pending in the layer: kind ("A", "M", "D") and path; "error" and why where that is not known.
  std::vector<std::pair<std::string, std::string>> written();
  void undo();
  const std::string& workspace() const { return workspace_; }

 private:
  Result call(std::vector<std::string> argv, const std::string& input);
  std::string policy_, base_, workspace_;
  Settings settings_;
};

}  // namespace alos::kit
