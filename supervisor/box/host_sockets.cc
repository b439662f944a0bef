#include "supervisor/box/host_sockets.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/sys.h"

namespace alos::box {
namespace {

// Some hundred bytes a socket, and a machine with a hundred thousand of them.
constexpr size_t kLimit = 32 << 20;

// "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x.sock" (net/unix/af_unix.c, unix_seq_show): columns
// of fixed width up to the inode.
constexpr std::string_view kHeading = "Num       RefCount Protocol Flags    Type St Inode Path";
constexpr size_t kColon = 16, kInode = 53;

// A name may hold line feeds: what does not begin like an entry belongs to the name before.
bool begins_entry(std::string_view line) {
  if (line.size() <= kInode || line[kColon] != ':') return false;
  for (const size_t blank : {17, 26, 35, 44, 49, 52})
    if (line[blank] != ' ') return false;
  return true;
}

std::string_view name_in(std::string_view line) {
  const size_t inode = line.find_first_not_of(' ', kInode);
  const size_t blank = inode == line.npos ? line.npos : line.find(' ', inode);
  return blank == line.npos ? std::string_view() : line.substr(blank + 1);
}

// A directory's own name. Nothing: it is not there, or not to be reached from here, and then not from the box.
Result<std::optional<std::string>> real_name(const std::string& directory) {
  const auto fd = sys::open(directory, O_PATH | O_DIRECTORY);
  if (!fd) {
    const int code = fd.error().code;
    if (code == EMFILE || code == ENFILE || code == ENOMEM) return std::unexpected(fd.error());
    return std::nullopt;
  }
  std::string name = TRY(sys::readlinkat(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd->get())));
  return name.starts_with('/') ? std::optional(std::move(name)) : std::nullopt;
}

}  // namespace

Result<std::vector<std::string>> absolute_names(std::string_view text) {
  const auto take_line = [&] {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    return line;
  };
  if (take_line() != kHeading) return fail("read", "/proc/net/unix", EBADMSG, "this kernel writes it in another way");
  std::vector<std::string> out;
  bool first = true, wanted = false;
  for (; !text.empty(); first = false) {
    const std::string_view line = take_line();
    if (begins_entry(line)) {
      const std::string_view name = name_in(line);
      wanted = name.starts_with('/');
      if (wanted) out.emplace_back(name);
    } else if (first) {
      return fail("read", "/proc/net/unix", EBADMSG, "this kernel writes it in another way");
    } else if (wanted) {
      out.back().append("\n").append(line);
    }
  }
  // Every connection of a service carries its name.
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<std::vector<std::string>> named_sockets() {
  auto text = sys::read_file("/proc/self/net/unix", kLimit);
  if (!text)
    return fail("read", "/proc/net/unix", text.error().code,
                "without it the host's sockets in what is mounted cannot be told, and the box could speak to them");
  std::vector<std::string> out;
  std::map<std::string, std::optional<std::string>> directories;  // most sockets share a few
  for (const std::string& name : TRY(absolute_names(*text))) {
    const size_t slash = name.rfind('/');
    const std::string directory = slash == 0 ? "/" : name.substr(0, slash);
    auto at = directories.find(directory);
    if (at == directories.end()) at = directories.emplace(directory, TRY(real_name(directory))).first;
    if (at->second) out.push_back((*at->second == "/" ? "" : *at->second) + name.substr(slash));
  }
  return out;
}

}  // namespace alos::box
