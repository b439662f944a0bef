#pragma once

#include <string>
#include <string_view>

namespace alos::policy {

// Why a program may not run with more than its caller has: it runs what the caller feeds it, so the caller would have
// all of it. Empty: nothing is known against it. Goes by the last component of
// `program`, versions and variants left out (python3.11, node-22, vim.tiny): of a link it says nothing of what that
// leads to, so it is asked for both. That is when a policy is loaded, and for the link as it then is when a run is
// composed.
std::string not_elevated(std::string_view program);

// Why a path may not be given to such a run, whoever may use it: what is there depends on who looks, and that would be
// the run, with more files than the caller. Empty: nothing is known against it. `path` is canonical.
std::string not_handed_over(std::string_view path);

// Every box has a file of alos's there, over whatever of the host is mounted around it; not so a run that was given
// the host's. `path` is canonical.
bool is_made_for_boxes(std::string_view path);

// Of a file that is not the same to a run as to its caller.
inline constexpr std::string_view kOwnTmp = "a run with more rights has its own /tmp, and not its caller's";
inline constexpr std::string_view kAmongPrograms =
    "it lies among programs, whose links the run itself needs: of what it is handed it follows none";
// What would let the run have its file.
inline constexpr std::string_view kHandOwnFile =
    "name, by its own path, a file in a place that the caller writes, or give it by standard input";
inline constexpr std::string_view kHidden =
    "the run has the host's there, by its rule, and its caller what is its own box's";

}  // namespace alos::policy
