#include "supervisor/box/host_mounts.h"

#include <array>

#include "base/paths.h"
#include "base/sys.h"

namespace alos::box {
namespace {

// A hundred thousand mounts and more.
constexpr size_t kLimit = 32 << 20;

struct Mount {
  std::string device;  // "98:0"
  std::string root;    // what of the file system is mounted
  std::string point;
};

// "\\040" for blanks and the like (seq_path() in the kernel).
std::string unescaped(std::string_view text) {
  const auto octal = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || !octal(i + 1) || !octal(i + 2) || !octal(i + 3)) {
      out += text[i];
      continue;
    }
    out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

// "36 35 98:0 /root /mount/point options..." (proc_pid_mountinfo(5))
Result<Mount> mount_in(std::string_view line) {
  std::array<std::string_view, 5> words;
  for (std::string_view& word : words) {
    const size_t blank = line.find(' ');
    if (blank == line.npos)
      return fail("read", "/proc/self/mountinfo", EBADMSG, "this kernel writes it in another way");
    word = line.substr(0, blank);
    line.remove_prefix(blank + 1);
  }
  return Mount{std::string(words[2]), unescaped(words[3]), unescaped(words[4])};
}

Result<std::vector<Mount>> mounts_in(std::string_view text) {
  std::vector<Mount> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    out.push_back(TRY(mount_in(text.substr(0, end))));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return out;
}

std::string below(const std::string& path, const std::string& top) {
  return path == top ? "" : path.substr(top == "/" ? 0 : top.size());
}
std::string joined(const std::string& top, const std::string& rest) {
  return top == "/" && !rest.empty() ? rest : top + rest;
}

// A part of a file system, and where it is seen.
struct Shown {
  std::string device, part, at;
};

// What is seen at a path and below it. Of several mounts at one point the last is on top.
void add_shown(std::vector<Shown>& out, const std::vector<Mount>& mounts, const std::string& path) {
  const Mount* around = nullptr;
  for (const Mount& mount : mounts) {
    if (lies_below(path, mount.point) && (!around || mount.point.size() >= around->point.size())) around = &mount;
    if (mount.point != path && lies_below(mount.point, path)) out.push_back({mount.device, mount.root, mount.point});
  }
  if (around) out.push_back({around->device, joined(around->root, below(path, around->point)), path});
}

// What is shown of the larger part at the smaller one's place is another name than the smaller one's own.
bool doubles(const Shown& larger, const Shown& smaller) {
  return larger.device == smaller.device && lies_below(smaller.part, larger.part) &&
         joined(larger.at, below(smaller.part, larger.part)) != smaller.at;
}

}  // namespace

Result<bool> shown_twice(const std::vector<std::string>& paths, std::string_view mountinfo) {
  const std::vector<Mount> mounts = TRY(mounts_in(mountinfo));
  std::vector<Shown> all;
  for (const std::string& path : paths) add_shown(all, mounts, path);
  for (const Shown& one : all)
    for (const Shown& other : all)
      if (doubles(one, other)) return true;
  return false;
}

Result<bool> shown_twice(const std::vector<std::string>& paths) {
  auto text = sys::read_file("/proc/self/mountinfo", kLimit);
  if (!text)
    return fail("read", "/proc/self/mountinfo", text.error().code,
                "without it the second names of what is denied cannot be told");
  return shown_twice(paths, *text);
}

}  // namespace alos::box
