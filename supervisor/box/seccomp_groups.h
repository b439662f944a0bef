#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

// Every system call of x86_64 up to kernel 6.18, by name, in exactly one row. A call that is in no row, because it is
// newer, answers ENOSYS.
namespace alos::seccomp {

struct Group {
  std::string_view name;
  std::string_view purpose;
  std::string_view calls;  // names separated by blanks
};

struct Refusal {
  std::string_view calls;
  int answer;  // errno
  std::string_view reason;
};

// Allowed unless an argument rules a call out.
std::span<const Group> groups();
// Answered with an errno unless an argument rule lets a call through.
std::span<const Refusal> refusals();

// Errors: ENOENT for a name that neither libseccomp nor this table knows.
Result<int> call_number(std::string_view name);

// Calls `each(name)` for every name in a blank-separated list, until one fails.
template <class F>
Result<void> for_each_name(std::string_view names, F each) {
  while (!names.empty()) {
    const size_t end = names.find(' ');
    const std::string_view name = names.substr(0, end);
    names.remove_prefix(end == std::string_view::npos ? names.size() : end + 1);
    if (!name.empty()) TRY(each(name));
  }
  return {};
}

}  // namespace alos::seccomp
