#include "base/mount.h"

#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace alos::sys {

Result<FilesystemContext> FilesystemContext::open(const std::string& type) {
  const long rc = ::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC);
  if (rc < 0) return fail_errno("fsopen", type);
  return FilesystemContext(type, UniqueFd(static_cast<int>(rc)));
}

Result<void> FilesystemContext::configure(unsigned command, const char* key, const char* value,
                                          const std::string& object) const {
  if (::syscall(SYS_fsconfig, fd_.get(), command, key, value, 0) == 0) return {};
  const int error = errno;
  // Messages are read from the context, one a call.
  std::array<char, 256> line;
  const ssize_t n = ::read(fd_.get(), line.data(), line.size());
  return fail("fsconfig", object, error, std::string_view(line.data(), n > 0 ? static_cast<size_t>(n) : 0));
}

Result<void> FilesystemContext::set(const std::string& key, const std::string& value) const {
  return configure(FSCONFIG_SET_STRING, key.c_str(), value.c_str(), type_ + " " + key + "=" + value);
}

Result<void> FilesystemContext::flag(const std::string& key) const {
  return configure(FSCONFIG_SET_FLAG, key.c_str(), nullptr, type_ + " " + key);
}

Result<UniqueFd> FilesystemContext::mount(uint64_t attributes) const {
  if (auto made = configure(FSCONFIG_CMD_CREATE, nullptr, nullptr, type_); !made) {
    made.error().operation = "fsconfig create";
    return std::unexpected(std::move(made).error());
  }
  const long rc = ::syscall(SYS_fsmount, fd_.get(), FSMOUNT_CLOEXEC, attributes);
  if (rc < 0) return fail_errno("fsmount", type_);
  return UniqueFd(static_cast<int>(rc));
}

}  // namespace alos::sys
