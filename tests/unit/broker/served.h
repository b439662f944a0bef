#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "alos/broker.pb.h"
#include "base/unique_fd.h"
#include "policy/policy.h"
#include "syscall-broker/broker.h"

// A broker on a thread of its own, over a directory that stands for an agent's box, and clients of it. The thread is in
// a Landlock domain that allows nothing, as a broker is; what it opens, it opens under the agent's personality, which
// may use what the test says and belongs to a uid of its own where the test is root.
namespace alos::broker::test {

policy::FileRule rule(policy::Effect effect, policy::Rights rights, const std::vector<std::string>& paths,
                      const std::string& name);
policy::Policy rules(std::vector<policy::FileRule> files);

// What the broker wrote into its journal.
struct Recorded {
  std::string action, target, rule, outcome;
  uint64_t parent;  // place among them, from 1
  std::string reason;
  std::vector<std::pair<std::string, std::string>> details;
  policy::Effect decision;
  bool waited_for;         // the call went on only after it was written
  std::string scripted{};  // the detail of that name
};

class Client {
 public:
  explicit Client(const std::string& path);
  wire::Reply call(wire::Request request, const UniqueFd* attached = nullptr);  // the last reply; outputs gathered
  void send(const wire::Request& request, const UniqueFd* attached = nullptr);
  void send_bytes(std::string_view frame, std::span<const int> fds = {});
  // Nothing at the end of the connection.
  std::optional<wire::Reply> receive();
  std::string gathered;  // of Output frames of the last call
  UniqueFd descriptor;   // that came with the last reply
  int socket() const { return socket_.get(); }
  void close() { socket_.reset(); }
  uint64_t next_id = 1;

 private:
  UniqueFd socket_;
};

// A ring without personalities.
FileRing file_ring(unsigned entries);

struct Setting {
  policy::Policy policy;
  // What Landlock lets the agent do below a path of the box; nothing said: everything everywhere.
  std::map<std::string, uint64_t> landlock{};
  bool no_personality = false;  // requests go out as the broker's own: a mistake that must not open anything
  int fail_journal = 0;         // errno of every record of a change
  bool brokered = false;        // there is a tree that primitives alone reach: what is written to ".brokered/..."
  bool forgets = false;         // what is recorded is not kept
  bool no_landlock = false;     // the kernel has none
  bool silent = false;          // nobody is ever told that something is recorded
  size_t together = 1;          // the first who wait for a record are told when they are so many
  std::vector<ScriptLine> script{};
  uint64_t slept_ms = 0;      // before the broker began
  int64_t ran_ns = 0;         // the run, before that
  bool no_threads = false;    // the broker gets none
  bool virtual_time = false;  // stands, and moves on when nothing but time is waited for
};

class Served {
 public:
  explicit Served(Setting setting);
  ~Served();
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  const std::string& root() const { return root_; }
  void write(const std::string& path, const std::string& content, mode_t mode = 0644) const;  // below the root
  std::string read(const std::string& path) const;
  bool exists(const std::string& path) const;
  void make_directory(const std::string& path, mode_t mode = 0755) const;
  std::string socket_path() const { return root_ + ".socket"; }
  uid_t agent() const { return agent_; }

  std::unique_ptr<Client> connect() const { return std::make_unique<Client>(socket_path()); }
  std::vector<Recorded> journal() const;
  // Boxes for commands that the broker has asked for; none is given.
  int boxes_asked_for() const { return boxes_asked_for_; }

 private:
  class Notes;
  void serve(UniqueFd ring, io_uring_params params, Personalities who, UniqueFd listener, UniqueFd stop);
  void give(const std::string& path) const;

  Setting setting_;
  std::string root_;
  uid_t agent_ = 0;
  std::unique_ptr<Notes> notes_;
  std::atomic<int> boxes_asked_for_ = 0;
  UniqueFd stop_;
  std::thread thread_;
};

// Requests.
wire::Request read_request(const std::string& path);
wire::Request write_request(const std::string& path, const std::string& content);
wire::Request rename_request(const std::string& from, const std::string& to);

}  // namespace alos::broker::test
