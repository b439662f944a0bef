#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alos/broker.pb.h"
#include "policy/rules.h"

namespace alos::broker::test {

// What a tree of files is and what the file primitives do to it, written as plainly as can be: POSIX in memory, and the
// rules of model_rules(). Everything in it belongs to the agent.
class Model {
 public:
  struct Node {
    enum class Kind { file, directory, link, fifo } kind = Kind::file;
    mode_t mode = 0;
    std::string content;  // of a link: where it leads
    std::map<std::string, std::shared_ptr<Node>> names{};
    unsigned links = 1;
    uint64_t changes = 0;  // grows with everything that a version tells apart
    // As the broker last named it, and how often it had changed then.
    std::string version{};
    uint64_t version_of = 0;
  };
  using Ref = std::shared_ptr<Node>;

  Model();

  // The reply that the broker owes, and the effect on the tree. Left out: versions, times, the words of failures, and
  // of directories their size and links. `subject()` is what a version in the reply is of.
  wire::Reply apply(const wire::Request& request);
  const Ref& subject() const { return subject_; }

  // By others than the broker. The directory is there and what is made is not.
  Ref at(const std::string& path) const;  // no links
  void put(const std::string& path, Ref node);
  void remove(const std::string& path);

  // Every name in it, and everything that can be seen from outside: one line each.
  std::vector<std::string> paths() const;
  std::string text() const;

 private:
  struct Spot {  // where a path leads
    int error = 0;
    Ref directory;
    std::string name;  // "." for the root
    std::string path;
    Ref node;  // none: nothing is there
  };
  enum class Access { look, read, write };
  struct Wanted {
    policy::Rights rights, absent;
    bool follow = true;
    Access access = Access::look;
  };

  static std::string words_of(const std::string& path);
  Spot walk(const std::string& path, bool follow) const;
  bool find(const std::string& asked, const Wanted& wanted, Spot& out);
  bool demand(const std::string& path, policy::Rights rights);
  bool denied(policy::Right right, const std::string& asked, const std::string& reached);
  bool fails(const char* name);
  std::optional<std::string> argument(const std::string& bytes);
  bool suits(const Spot& spot, wire::WriteMode mode);
  bool has_content(const Spot& spot, bool one_name);
  bool is_version(const Spot& spot, const std::string& version) const;
  bool may_change(const Spot& spot);
  bool replace(const Spot& spot, std::string content, mode_t mode);

  void read(const wire::FsRead& wanted);
  void write(const wire::FsWrite& wanted);
  void append(const wire::FsAppend& wanted);
  void list(const wire::FsList& wanted);
  void stat(const wire::FsStat& wanted);
  void mkdir(const wire::FsMkdir& wanted);
  void unlink(const wire::FsRemove& wanted);
  void rename(const wire::FsRename& wanted);
  void copy(const wire::FsCopy& wanted);
  void open(const wire::FsOpen& wanted);

  Ref root_, subject_;
  wire::Reply reply_;
};

Model::Ref make_node(Model::Node::Kind kind, mode_t mode, std::string content = "");

}  // namespace alos::broker::test
