#pragma once

#include <functional>
#include <string>

#include "supervisor/workspace/denies.h"
#include "supervisor/workspace/layer.h"
#include "supervisor/workspace/secrets.h"
#include "supervisor/workspace/tree.h"

namespace alos::workspace {

// Called before each change on disk with a word for it; a test ends the process there, a program shows progress.
using Step = std::function<void(std::string_view what)>;

// Copies from the host's tree into the layer: first into its staging directory, from there in one rename, so that half
// a copy never shows. Owners follow the kernel's copy-up of an id-mapped lower: the host owner of the workspace becomes
// the layer's owner, others stay, so that an agent reads nothing more than before. Without setuid, setgid and
// attributes.
class Copier {
 public:
  // All arguments must outlive it.
  static Result<Copier> create(const Layer& layer, Tree& host, const Matcher& denied, const Step& step);
  // Mode copy: of what `secrets` holds, an empty node is made, a file without any permission.
  static Result<Copier> create(const Layer& layer, Tree& host, const Secrets& secrets, const Step& step);

  // What is at `from` on the host, whole, as `to` in `target`, where nothing may be. Errors: EACCES for a path that
  // `denied` names, EINVAL for a special file, ENOSPC.
  // What is copied is what was looked at: ESTALE where the host's directory around it is not `around`, or anything is
  // replaced meanwhile.
  Result<void> copy(const Node& around, const std::string& from, Tree& target, const std::string& to) const;
  // An empty directory in scratch() with owner and mode of `node`; opaque in mode layer.
  Result<std::string> directory_like(const Node& node) const;
  int scratch() const { return scratch_.get(); }

 private:
  struct Pair {
    std::string from, to;
    Node around, node;
  };
  Copier(const Layer& layer, Tree& host, const Matcher* denied, const Secrets* secrets, const Step& step)
      : layer_(layer), host_(host), denied_(denied), secrets_(secrets), step_(step) {}
  Result<void> begin();
  Result<void> copy_placeholder(Tree& scratch, const Pair& pair) const;
  Result<void> copy_tree(const Node& around, const std::string& from, const std::string& to) const;
  Result<void> copy_node(Tree& scratch, const Pair& pair) const;
  Result<void> copy_file(int parent, const std::string& base, const Pair& pair) const;
  Result<void> copy_link(int parent, const std::string& base, const Pair& pair) const;
  Result<void> make_directory(int parent, const std::string& base, const Node& node) const;
  Result<void> own(int fd, const Node& node) const;
  Owner owner_for(const Node& node) const;

  const Layer& layer_;
  Tree& host_;
  const Matcher* denied_;
  const Secrets* secrets_;
  const Step& step_;
  UniqueFd scratch_;
  Owner host_owner_;
};

// Mode copy: fills copy/ from the host and stamps the record, which it saves. Special files are left out, and
// so is the content of what the record's denies forbid to read.
Result<void> fill_copy(Layer& layer, const Step& step);

}  // namespace alos::workspace
