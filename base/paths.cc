#include "base/paths.h"

#include <fmt/format.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <span>

#include "base/sys.h"

namespace alos {
namespace {

struct Range {
  char32_t first, last;
};

// Show nothing, or change how others are shown: Unicode's Default_Ignorable_Code_Point, Bidi_Control, line separators,
// format controls, and the blanks that count as letters.
constexpr Range kDeceiving[] = {
    {0x80, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},     {0x115f, 0x1160},
    {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},
    {0x2800, 0x2800},   {0x3164, 0x3164},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb},   {0x13430, 0x1345f}, {0x16fe4, 0x16fe4}, {0x1bca0, 0x1bca3}, {0x1d159, 0x1d159},
    {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

// What one name can have and another that looks the same has not: spaces that are not the space, marks that combine
// with the letter before (which has a letter of its own for most), private use and no characters (one box for all).
constexpr Range kLookAlike[] = {
    {0xa0, 0xa0},     {0x300, 0x36f},   {0x1680, 0x1680}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
    {0x2000, 0x200a}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x20d0, 0x20ff}, {0x3000, 0x3000},
    {0xe000, 0xf8ff}, {0xfdd0, 0xfdef}, {0xfe20, 0xfe2f}, {0xfffe, 0xffff}, {0xf0000, 0x10ffff},
};

bool is_in(std::span<const Range> ranges, char32_t c) {
  return std::ranges::any_of(ranges, [c](const Range& range) { return range.first <= c && c <= range.last; });
}

enum class Shown { text, name };

bool is_spelled_out(Shown as, char32_t c) {
  return is_in(kDeceiving, c) ||
         (as == Shown::name && (is_in(kLookAlike, c) || (c >= 0x10000 && (c & 0xfffe) == 0xfffe)));
}

// A space that is not seen: at an end, or after another.
bool is_lost(std::string_view text, size_t at) {
  return text[at] == ' ' && (at == 0 || at + 1 == text.size() || text[at - 1] == ' ');
}

std::string show(std::string_view text, Shown as) {
  const auto plain = [](char c) { return c > ' ' && c < 0x7f && c != '\\'; };
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (plain(text[at])) {
      const size_t begin = at;
      while (at < text.size() && plain(text[at])) ++at;
      out += text.substr(begin, at - begin);
      continue;
    }
    char32_t c = 0;
    const size_t size = decode_utf8(text.substr(at), c);
    if (size == 0 || c < 0x20 || c == 0x7f || (as == Shown::name && is_lost(text, at)))
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
    else if (is_spelled_out(as, c))
      out += fmt::format("\\u{{{:x}}}", static_cast<uint32_t>(c));
    else if (as == Shown::name && c == '\\')
      out += "\\\\";
    else
      out += text.substr(at, size);
    at += size == 0 ? 1 : size;
  }
  return out;
}

std::string environment(const char* name) {
  const char* value = ::secure_getenv(name);
  return value ? value : "";
}

Result<Directories> named_directories(uid_t uid) {
  if (const std::string root = environment("ALOS_STATE_DIR"); !root.empty()) {
    if (!root.starts_with('/'))
      return fail("environment", "ALOS_STATE_DIR", 0, "'" + printable(root) + "' is not an absolute path");
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

}  // namespace

Result<void> must_be_own(const std::string& directory, uid_t uid) {
  struct stat st{};
  if (::lstat(directory.c_str(), &st) != 0) return {};
  if (S_ISLNK(st.st_mode) && (st.st_uid == uid || st.st_uid == 0) && ::stat(directory.c_str(), &st) != 0) return {};
  if (S_ISDIR(st.st_mode) && st.st_uid == uid && (st.st_mode & 022) == 0) return {};
  return fail("open", directory, EPERM,
              "what alos keeps must lie in a directory that belongs to you and nobody else can write to; remove it, or "
              "choose another place (ALOS_STATE_DIR)");
}

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

std::string printable(std::string_view name) {
  return show(name, Shown::name);
}

std::string printable_text(std::string_view text) {
  return show(text, Shown::text);
}

std::string printable_command(const std::vector<std::string>& argv) {
  std::string out;
  for (const std::string& word : argv) {
    const std::string shown = printable(word);
    const bool plain = !word.empty() && shown == word && word.find_first_of(" '\"$`;&|<>()*?!#~") == word.npos;
    if (!out.empty()) out += ' ';
    if (plain) {
      out += shown;
      continue;
    }
    out += '\'';
    for (const char c : shown) out.append(c == '\'' ? "\\'" : std::string(1, c));
    out += '\'';
  }
  return out;
}

Result<Directories> directories(uid_t uid) {
  Directories out = TRY(named_directories(uid));
  for (const std::string* directory : {&out.state, &out.runtime, &out.cache}) TRY(must_be_own(*directory, uid));
  return out;
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
