#pragma once

#include "syscall-broker/change_lock.h"
#include "syscall-broker/host.h"
#include "syscall-broker/pipeline.h"
#include "syscall-broker/reactor.h"
#include "syscall-broker/worker.h"

namespace alos::broker {

// Each adds the primitives of one kind.
void add_file_primitives(Pipeline& pipeline, Worker& worker, ChangeLock& changes);
void add_clock_primitives(Pipeline& pipeline, const Reactor::Time& time, Host& host, const Agent::Facts& facts);
class ShellRuns;
void add_shell_primitives(Pipeline& pipeline, ShellRuns& runs, const Reactor::Time& time);
void add_policy_primitives(Pipeline& pipeline);

}  // namespace alos::broker
