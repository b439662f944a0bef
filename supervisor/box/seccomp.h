#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "base/result.h"

// The system call filters of a box, exported as classic BPF for seccomp(2). They are built once per policy, when it is
// compiled, and stored with it: the launcher only loads bytes. Which calls stand where: seccomp_groups.h; which
// arguments decide: seccomp_arguments.h.
namespace alos::seccomp {

// Internet sockets, where refused, do not exist at all (EAFNOSUPPORT); Unix sockets always do. Boxes may share an empty
// network namespace only under `refused`: Landlock judges neither UDP nor, before ABI 4, TCP.
enum class Internet : uint8_t { refused, allowed };

// `refused`: no memory that is writable and executable, nor made executable later: EPERM. The same as PR_SET_MDWE, for
// kernels before 6.3. No wall (a file mapped twice gets round it): it makes injected code harder to run, and programs
// with a JIT do not run under it.
enum class WriteExecute : uint8_t { refused, allowed };

// Setuid cannot be set in any box. Setgid cannot where a box writes the host's trees at once (EPERM): a program with
// it, left where others may run it, outlives the box. It is `allowed` where nothing leaves but by apply, which drops
// it: directories that hand their group on have it as well (chmod 2775), a filter cannot tell them from files, and
// where a project has them, cp -a, chmod -R and the like set it again.
enum class SetGroup : uint8_t { refused, allowed };

struct FilterOptions {
  Internet internet = Internet::refused;
  WriteExecute write_execute = WriteExecute::allowed;
  SetGroup set_group = SetGroup::refused;
};

// `fast` is what is loaded: libseccomp's binary tree for calls with arguments that matter, a search over ranges of
// numbers for the rest. `plain` decides the same, is libseccomp's chain of comparisons throughout, and stands for the
// tests that compare the two.
enum class Layout : uint8_t { fast, plain };

using Program = std::vector<sock_filter>;

// The strict filter. What a call meets:
//   listed in a group                  allowed, but for what its arguments rule out
//   knowingly refused                  the errno of its row, mostly EPERM
//   newer than the newest known        ENOSYS, so that programs take the road for older kernels
//   32-bit or x32 entry                the process is killed (SIGSYS)
// There is no option for namespaces, mounts, tracing or io_uring: no policy can want them. no_new_privs must be set by
// whoever loads the program; SECCOMP_FILTER_FLAG_LOG and _SPEC_ALLOW belong nowhere near it.
// Errors: a call name that nobody knows, or libseccomp's refusal, with the rule.
Result<Program> export_filter(const FilterOptions& options, Layout layout = Layout::fast);

// Loaded beside the strict filter, with SECCOMP_FILTER_FLAG_NEW_LISTENER, where renaming a directory of the lower layer
// answers EXDEV: rename, renameat and renameat2 go to the listener, everything else passes. A signal whose handler does
// not restart calls can make one of these fail with EINTR before init has taken it up, and then nothing has happened. A
// renameat2 whose flags have any of the bits 63..32 set passes as well: the kernel never looks at them (the argument is
// an unsigned int), and the in-box rename helper marks its own calls so. It is a convenience and no boundary: of
// several filters the most restrictive answer wins (KILL > TRAP > ERRNO > USER_NOTIF > TRACE > LOG > ALLOW,
// seccomp(2)), so nothing that the strict filter refuses is opened by this one.
Result<Program> export_rename_notify_filter(Layout layout = Layout::fast);

}  // namespace alos::seccomp
