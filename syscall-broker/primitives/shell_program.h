#pragma once

#include <string>

#include "syscall-broker/call.h"
#include "syscall-broker/task.h"

// Which program a call of shell.run means. What it looks at it looks at as the agent.
namespace alos::broker {

// Where it is run, and relative names begin: absolute and canonical.
std::string cwd_of(const Call& call);

// Sets Call::program. Looked for as a shell would, by PATH or by its path; what is not found may be where the script
// has it. A name that a deny takes is passed over in PATH; by its path it is found, and `taken` says so. Errors:
// ENOENT, EACCES, those of find().
Task<Attempt<bool>> find_program(Call& call);

// Of Call::words, after that. A deny of the rule's own name for the program, or of a link that leads on from it, takes
// it as one of the caller's.
Task<Attempt<bool>> judge_by_rule(Call& call);

}  // namespace alos::broker
