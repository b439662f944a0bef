#include "supervisor/workspace/overlay.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>

#include "base/paths.h"
#include "base/sys.h"

namespace alos::workspace {
namespace {

std::string attribute(Form form, std::string_view what) {
  return std::string(form == Form::user ? "user.overlay." : "trusted.overlay.").append(what);
}

// Through an O_PATH descriptor: no permission on the file itself is needed to list its attributes, and nothing blocks.
std::string by_descriptor(const UniqueFd& fd) {
  return "/proc/self/fd/" + std::to_string(fd.get());
}

Result<std::string> value_of(const std::string& at, const std::string& key) {
  std::string value(65536, '\0');  // XATTR_SIZE_MAX
  const ssize_t n = ::getxattr(at.c_str(), key.c_str(), value.data(), value.size());
  if (n < 0) return fail_errno("getxattr", key);
  value.resize(static_cast<size_t>(n));
  return value;
}

Result<std::string> names_of(const std::string& at) {
  std::string names(65536, '\0');  // XATTR_LIST_MAX
  const ssize_t n = ::listxattr(at.c_str(), names.data(), names.size());
  if (n < 0 && errno == ENOTSUP) return std::string();
  if (n < 0) return fail_errno("listxattr", at);
  names.resize(static_cast<size_t>(n));
  return names;
}

Result<void> take(Marks& marks, std::string_view what, const std::string& at, Form form) {
  if (what == "origin") {
    marks.copied = true;
  } else if (what == "opaque") {
    const std::string value = TRY(value_of(at, attribute(form, what)));
    if (value != "y") marks.unknown = attribute(form, what) + "=" + printable(value);
    marks.opaque = value == "y";
  } else if (what == "redirect") {
    marks.redirect = TRY(value_of(at, attribute(form, what)));
    if (marks.redirect.empty()) marks.unknown = attribute(form, what) + " without a value";
  } else if (what != "impure" && what != "uuid" && !what.starts_with("overlay.")) {
    marks.unknown = attribute(form, printable(what));
  }
  return {};
}

Result<void> clear(int dir, const std::string& key) {
  if (::fremovexattr(dir, key.c_str()) != 0 && errno != ENODATA) return fail_errno("fremovexattr", key);
  return {};
}

}  // namespace

Result<Marks> read_marks(Tree& upper, std::string_view path, Form form) {
  const int parent = TRY(upper.dir(parent_of(path)));
  const std::string base(path.empty() ? "." : base_of(path));
  const UniqueFd fd = TRY(sys::openat(parent, base, O_PATH | O_NOFOLLOW));
  const std::string at = by_descriptor(fd);
  const std::string names = TRY(names_of(at));
  const std::string family = attribute(form, "");
  Marks marks;
  for (size_t i = 0; i < names.size();) {
    const std::string_view key(names.c_str() + i);
    if (key.starts_with(family)) TRY(take(marks, key.substr(family.size()), at, form));
    i += key.size() + 1;
  }
  return marks;
}

Result<void> can_read_marks(int dir, Form form) {
  if (form == Form::user) return {};
  const UniqueFd probe = TRY(sys::openat(dir, ".", O_TMPFILE | O_RDWR, 0600));
  if (::fsetxattr(probe.get(), "trusted.overlay.probe", "y", 1, 0) == 0) return {};
  return fail("layer", "", errno, "it was written by an overlay of root's; run this as root");
}

Result<void> set_opaque(int dir, Form form) {
  const std::string key = attribute(form, "opaque");
  if (::fsetxattr(dir, key.c_str(), "y", 1, 0) != 0) return fail_errno("fsetxattr", key);
  return {};
}

Result<void> clear_opaque(int dir, Form form) {
  return clear(dir, attribute(form, "opaque"));
}
Result<void> clear_redirect(int dir, Form form) {
  return clear(dir, attribute(form, "redirect"));
}

Result<void> forget_origin(Tree& upper, std::string_view path, Form form) {
  const UniqueFd fd =
      TRY(sys::openat(TRY(upper.dir(parent_of(path))), std::string(base_of(path)), O_PATH | O_NOFOLLOW));
  const std::string at = by_descriptor(fd), key = attribute(form, "origin");
  if (::getxattr(at.c_str(), key.c_str(), nullptr, 0) <= 0) return {};  // a link carries none of user.*
  // A value of no bytes is the kernel's own way to say it (ovl_get_fh).
  if (::setxattr(at.c_str(), key.c_str(), "", 0, XATTR_REPLACE) != 0) return fail_errno("setxattr", printable(path));
  return {};
}

Result<void> mark_copied(int dir, Form form) {
  const std::string key = attribute(form, "origin");
  if (::fsetxattr(dir, key.c_str(), "", 0, XATTR_CREATE) != 0 && errno != EEXIST) return fail_errno("fsetxattr", key);
  return {};
}

Result<void> make_whiteout(int dir, const std::string& name) {
  if (::mknodat(dir, name.c_str(), S_IFCHR, makedev(0, 0)) != 0) return fail_errno("mknodat", printable(name));
  return {};
}

}  // namespace alos::workspace
