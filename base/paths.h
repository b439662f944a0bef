#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace alos {

// Lexical only: absolute, no empty, "." or ".." component, no trailing slash (but "/"), no NUL, below PATH_MAX, each
// component below NAME_MAX. Never touches the file system, so a link is not seen through.
bool is_canonical_path(std::string_view path);
// Makes an absolute path canonical; "/a/../b" becomes "/b" lexically. Errors: EINVAL (relative, NUL), ENAMETOOLONG.
Result<std::string> canonical_path(std::string_view path);
// `path` is `dir` or lies below it; both canonical. "/src2" does not lie below "/src".
bool lies_below(std::string_view path, std::string_view dir);

// Length of the well-formed UTF-8 sequence at the front of `text`, 0 if there is none (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF). `text` is not empty.
size_t decode_utf8(std::string_view text, char32_t& out);
// A name as a person sees it, one line of it: no two names are shown alike, and what would not be seen is. Control,
// bidirectional, invisible and combining characters, spaces other than U+0020, and what is not UTF-8 are \x.. or
// \u{..}, spaces at an end or after another \x20, a backslash \\. For everything that an agent named. Not for what was
// made printable already: its backslashes are doubled.
std::string printable(std::string_view name);
// Prose and content, in which spaces and backslashes are what they are: control characters, invalid UTF-8,
// bidirectional and invisible characters as above, everything else as it is. What this gave it leaves alone.
std::string printable_text(std::string_view text);
// The words of a command as printable() gives them, those in quotes that a shell would not take for one word as it is.
std::string printable_command(const std::vector<std::string>& argv);

// Where alos keeps what it keeps. As root: /var/lib/alos, /run/alos, /etc/alos; as a user the XDG directories
// ($XDG_STATE_HOME/alos, $XDG_RUNTIME_DIR/alos or below the state directory, $XDG_CACHE_HOME/alos). ALOS_STATE_DIR
// names another root for all three (tests, several installations side by side).
struct Directories {
  std::string state;    // layers, audit, homes: 0700
  std::string runtime;  // runs in progress: 0700
  std::string cache;    // compiled policies: 0700
};
// Errors: EPERM when one of them is not this user's own (must_be_own); they need not exist.
Result<Directories> directories(uid_t uid);
// What is kept in a directory is obeyed, and tidied up: runs, marks, layers. So it must belong to `uid` and be writable
// by nobody else, or somebody who was there first (in /tmp, in another's XDG_RUNTIME_DIR) would choose what is killed
// and removed. A link counts as what it leads to where `uid` or root made it. What is not there is nobody's.
Result<void> must_be_own(const std::string& directory, uid_t uid);
// The programs lie beside each other; the directory of the running one, from /proc/self/exe.
Result<std::string> program_directory();
// Where profiles that ship are: beside the programs (build tree) or, for programs in lib/alos,
// ../../share/alos/profiles (installed).
Result<std::string> profile_directory();

}  // namespace alos
