#pragma once

#include "supervisor/box/holder.h"

namespace alos::box {

// What the box's side of a launch handed out.
struct Handed {
  UniqueFd terminal;  // master of the box's pty, if it has one
  UniqueFd listener;  // where primitives are served
  UniqueFd tree;      // of the first box: all its mounts once more, detached
};

// A box from its clone on. It is a child of the supervisor's, who reaps it, also when it never came to run.
struct Starting {
  pid_t pid = 0;
  UniqueFd pidfd;
  UniqueFd control;  // supervisor's end of init's socket
  UniqueFd report;   // what the child says, until init runs
  Handed handed;
};

// The child waits until release().
Launched<Starting> clone_box(const Holder& holder, Layout& box, Trace& trace);
Launched<void> release(const Holder& holder, Starting& box, Trace& trace);
// The next word of the child's. True: init runs, or the box was ended from outside, which its pidfd says.
Launched<bool> hear(Starting& box);
// What a step said that failed.
LaunchError failure_of(StepReport& report);
// Ends one that failed.
void give_up(const Starting& box);

}  // namespace alos::box
