#include "supervisor/host/slow_launch.h"

#include <fmt/format.h>
#include <sys/types.h>

#include <string_view>

#include "base/paths.h"
#include "base/sys.h"

namespace alos::host {
namespace {

std::string_view words_for(char state) {
  switch (state) {
    case 'D':
      return "waits in the kernel, where nothing can interrupt it";
    case 'T':
    case 't':
      return "is stopped";
    case 'R':
      return "is at work";
    case 'Z':
    case 'X':
      return "has ended";
    default:
      return "waits";
  }
}

// "12 (name) S ...": the name may hold anything, parentheses included.
std::string told(std::string_view stat) {
  const size_t open = stat.find(" ("), close = stat.rfind(") ");
  if (open == stat.npos || close == stat.npos || close < open || close + 2 >= stat.size()) return {};
  return fmt::format("{} (process {}) {}", printable(stat.substr(open + 2, close - open - 2)), stat.substr(0, open),
                     words_for(stat[close + 2]));
}

}  // namespace

std::string children_at_work() {
  const auto list = sys::read_file("/proc/thread-self/children", 4096);
  if (!list) return {};
  std::string out;
  std::string_view rest = *list;
  for (size_t end; (end = rest.find(' ')) != rest.npos; rest.remove_prefix(end + 1)) {
    const auto stat = sys::read_file(fmt::format("/proc/{}/stat", rest.substr(0, end)), 4096);
    const std::string one = stat ? told(*stat) : std::string();
    if (!one.empty()) out += (out.empty() ? "" : "; ") + one;
  }
  return out;
}

}  // namespace alos::host
