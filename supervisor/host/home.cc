#include "supervisor/host/home.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/paths.h"
#include "base/sys.h"

namespace alos::host {

std::string home_name(std::string_view policy) {
  std::string out;
  for (const char c : policy)
    if (c == '/' || c == '%')
      out += c == '/' ? "%2F" : "%25";
    else
      out += c;
  return out;
}

Result<UniqueFd> lock_home(const std::string& directory, const std::string& name, const std::string& run) {
  const std::string path = directory + "/." + name + ".lock";
  UniqueFd fd = TRY(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (auto locked = sys::lock_soon(fd.get()); !locked) {
    if (locked.error().code != EAGAIN) return std::unexpected(std::move(locked).error());
    const std::string who = sys::read_file(fd.get(), 256).value_or("");
    return fail("home", printable(name), EBUSY,
                (who.empty() ? "another run" : "run " + printable(who)) +
                    " uses it, and it is of one run at a time; wait for its end, or keep another name");
  }
  if (::ftruncate(fd.get(), 0) != 0) return fail_errno("ftruncate", path);
  TRY(sys::write_all(fd.get(), run));
  return fd;
}

}  // namespace alos::host
