#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "supervisor/workspace/apply.h"
#include "supervisor/workspace/layer.h"

namespace alos::workspace {

// What is at a path, for comparing whole trees.
struct Seen {
  char type = '?';
  unsigned mode = 0;
  std::string content;  // or the target of a link
  bool operator==(const Seen&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Seen& seen);
using Snapshot = std::map<std::string, Seen>;

// A host tree, a state directory and a real overlay, inside a process of its own: a private mount namespace, and for
// Form::user an ordinary user's own user namespace, as a rootless run has them.
class World {
 public:
  World(std::string root, Form form, Mode mode);

  // Agent's side: runs `act` with the merged tree as working directory.
  void agent(const std::function<void()>& act, const std::vector<LayerDeny>& denies = {});
  // Like agent(), and gives back what the merged tree looked like at the end.
  Snapshot agent_sees(const std::function<void()>& act);

  Layer open(Access access);
  std::map<std::string, Change> changes(const Matcher& denied = {});
  ApplyReport apply(const std::vector<std::string>& paths = {}, const Matcher& denied = {}, const Step& step = {});
  ApplyReport apply(const ApplyOptions& options);
  // Names every change there is.
  ApplyReport apply_all();
  void undo(const std::vector<std::string>& paths = {});

  Snapshot host_tree() const;
  std::string host(const std::string& path) const { return root_ + "/host" + (path.empty() ? "" : "/" + path); }
  std::string upper(const std::string& path) const;
  std::string workspace() const { return host(""); }
  std::string state() const { return root_ + "/state"; }
  Request request() const;

  Owner owner;

 private:
  std::string root_;
  Form form_;
  Mode mode_;
};

Snapshot snapshot(const std::string& root);
void write(const std::string& path, const std::string& text, unsigned mode = 0644);
void make_link(const std::string& target, const std::string& path);
std::string read(const std::string& path);
bool exists(const std::string& path);  // a dangling link exists
void pause_a_tick();                   // so that what follows gets a later time stamp

// "held: is newly executable"; "nothing": the report has no such path.
std::string outcome(const ApplyReport& report, const std::string& path);
// On the host: src/b.txt, which is private, src/deep/c.txt, a.txt and a link to it.
void make_tree(World& world);

enum class Kernel : uint8_t { user_overlay, root_overlay, plain_copy };
std::string kernel_name(const testing::TestParamInfo<Kernel>& info);

// Runs `body` in a child with a World; its failures are the test's.
class WorldTest : public testing::TestWithParam<Kernel> {
 protected:
  void run(const std::function<void(World&)>& body);
  void SetUp() override;
  void TearDown() override;
  std::string root_;
};

}  // namespace alos::workspace
