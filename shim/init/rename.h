#pragma once

#include "base/unique_fd.h"

namespace alos::init {

// Renaming a directory that overlayfs shows from the host's tree needs redirect_dir, which a rootless mount may not
// have and which would carry masked files to names that the next run's denies do not match: the kernel answers EXDEV,
// and programs that do not fall back to copying fail (git mv, cargo, npm). So in layered boxes rename calls are
// notified (seccomp_unotify(2)) to init, which carries those out that are about directories; all others are told to go
// on.
//
// The box gains nothing: init holds what its program was started with, same ids, same Landlock domain, same filter. A
// caller that confined itself further by a Landlock domain of its own does gain: its directories are renamed with the
// authority of the box and not of that domain (SECURITY.md). A seccomp filter of its own that refuses renames goes
// first and is obeyed (seccomp(2), precedence of actions). So this is a convenience and no boundary, and letting a call
// continue after looking at the caller's memory is harmless here, where it would not be if anything were decided by it:
// a program that swaps the path gets what its own call would have got.
class RenameHelper {
 public:
  explicit RenameHelper(int listener);
  int listener() const { return listener_; }
  // One notification. Work that can take long is done by a forked child, so that init goes on reaping.
  void serve();

 private:
  int listener_;
  UniqueFd turns_;  // locked by the worker whose turn it is
};

}  // namespace alos::init
