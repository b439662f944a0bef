#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "supervisor/workspace/changes.h"
#include "supervisor/workspace/journal.h"
#include "supervisor/workspace/settle.h"
#include "supervisor/workspace/tree.h"

namespace alos::workspace {

// What is written beside its place and waits to be put there.
struct Staged {
  const Change* change = nullptr;
  std::string temporary;
  uint64_t inode = 0;
  UniqueFd file;  // empty for a link
};

// An fsync costs about 2 ms a file on a disk; a sync of the whole file system also writes what others left, so it pays
// only for thousands.
enum class Sync : uint8_t { each_file, file_system };

// The writes on the host's tree, one path at a time. An error leaves the host as it was at that path; {"conflict", ...,
// ESTALE} when the host no longer has what the scan saw. Who owns a directory can exchange what is in it at any moment:
// owner and mode are only given to what was made here or seen by the scan, by descriptor, and nothing is done where the
// workspace's owner could not have done it (Rights).
class Placer {
 public:
  Placer(const Layer& layer, const Rights& rights, Tree& host, Tree& content, Journal& journal, const Step& step)
      : layer_(layer), rights_(rights), host_(host), content_(content), journal_(journal), step_(step) {}

  // A new directory, or one in the place of a file; its mode is set later, by finish_directory().
  Result<void> directory(const Change& change);
  Result<void> finish_directory(const Change& change);
  // A file or link beside its place.
  Result<Staged> stage(const Change& change);
  // Content on disk; before any of them is committed.
  Result<void> sync(std::span<const Staged> staged, Sync how);
  // Puts it there.
  Result<void> commit(const Staged& staged);
  // Of a file, link, special file or empty directory.
  Result<void> remove(const Change& change);
  // Mode alone, of a file with one name.
  Result<void> change_mode(const Change& change);
  // Files that lost one of several names; the others have a new ctime by that.
  const std::vector<Node>& unlinked() const { return unlinked_; }

 private:
  // The directory that `change` is in, if it is the one that was made here, or one to write in.
  Result<int> parent(const Change& change);
  Result<void> make_directory(const Change& change, int parent, const std::string& name);
  Result<void> unlink(int parent, const std::string& name);
  Result<std::string> temporary(const Change& change);
  Result<Staged> stage_file(const Change& change, int parent, const std::string& temporary);
  Result<Staged> stage_link(const Change& change, int parent, const std::string& temporary);
  Result<void> dress(int fd, const Change& change, int parent);
  Result<void> put(const Change& change, int parent, int from, const std::string& temporary);
  Tree& tree(const Change& change) { return change.source.where == Place::Where::host ? host_ : content_; }
  void say(std::string_view what) const {
    if (step_) step_(what);
  }

  const Layer& layer_;
  const Rights& rights_;
  Tree& host_;
  Tree& content_;
  Journal& journal_;
  const Step& step_;
  std::map<std::string, Node, std::less<>> made_;  // directories
  std::vector<Node> unlinked_;
};

}  // namespace alos::workspace
