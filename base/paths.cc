#include "base/paths.h"

#include <fmt/format.h>
#include <limits.h>
#include <unistd.h>

#include <cstdlib>

#include "base/sys.h"

namespace alos {
namespace {

// Characters that change how others are shown or show nothing: Unicode Bidi_Control, zero-width and tags.
bool deceives(char32_t c) {
  return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x061c || (c >= 0x115f && c <= 0x1160) || c == 0x180e ||
         (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0x3164 ||
         c == 0xffa0 || c == 0x2800 || c == 0x034f || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
         (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xe0000 && c <= 0xe0fff);
}

std::string environment(const char* name) {
  const char* value = ::secure_getenv(name);
  return value ? value : "";
}

}  // namespace

size_t decode_utf8(std::string_view s, char32_t& out) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return out = lead, 1;
  const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || s.size() < size) return 0;
  out = lead & (0x7f >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
    out = out << 6 | (at(i) & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (out < kLeast[size] || out > 0x10ffff || (out >= 0xd800 && out < 0xe000)) return 0;
  return size;
}

bool is_canonical_path(std::string_view path) {
  auto canonical = canonical_path(path);
  return canonical && *canonical == path;
}

Result<std::string> canonical_path(std::string_view path) {
  if (!path.starts_with('/') || path.find('\0') != path.npos) return fail("path", printable(path), EINVAL);
  std::string out;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.size() > NAME_MAX) return fail("path", printable(path), ENAMETOOLONG);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      out.resize(out.empty() ? 0 : out.rfind('/'));
      continue;
    }
    out.append("/").append(part);
  }
  if (out.size() >= PATH_MAX) return fail("path", printable(path), ENAMETOOLONG);
  return out.empty() ? "/" : out;
}

bool lies_below(std::string_view path, std::string_view dir) {
  if (dir == "/") return true;
  return path.starts_with(dir) && (path.size() == dir.size() || path[dir.size()] == '/');
}

std::string printable(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    char32_t c = 0;
    const size_t size = decode_utf8(text.substr(at), c);
    if (size == 0 || c < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
    else if (deceives(c))
      out += fmt::format("\\u{{{:x}}}", static_cast<uint32_t>(c));
    else
      out += text.substr(at, size);
    at += size == 0 ? 1 : size;
  }
  return out;
}

Result<Directories> directories(uid_t uid) {
  if (const std::string root = environment("ALOS_STATE_DIR"); !root.empty()) {
    const std::string at = TRY(canonical_path(root));
    return Directories{at + "/state", at + "/run", at + "/cache"};
  }
  if (uid == 0) return Directories{"/var/lib/alos", "/run/alos", "/var/cache/alos"};
  const std::string home = environment("HOME");
  const auto base = [&](const char* name, const char* otherwise) {
    const std::string value = environment(name);
    return value.starts_with('/') ? value : home + otherwise;
  };
  if (!home.starts_with('/'))
    return fail("environment", "HOME", 0, "HOME is not an absolute path; set it, or ALOS_STATE_DIR");
  const std::string state = base("XDG_STATE_HOME", "/.local/state") + "/alos";
  const std::string runtime = environment("XDG_RUNTIME_DIR");
  return Directories{state, runtime.starts_with('/') ? runtime + "/alos" : state + "/run",
                     base("XDG_CACHE_HOME", "/.cache") + "/alos"};
}

Result<std::string> program_directory() {
  const std::string self = TRY(sys::readlinkat(AT_FDCWD, "/proc/self/exe"));
  return self.substr(0, self.rfind('/'));
}

Result<std::string> profile_directory() {
  const std::string programs = TRY(program_directory());
  for (const char* place : {"/../../share/alos/profiles", "/profiles"})
    if (::access((programs + place).c_str(), X_OK) == 0) return canonical_path(programs + place);
  return fail("profiles", programs, ENOENT,
              "the installation is incomplete: no profiles directory beside the programs");
}

}  // namespace alos
