#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace alos::sys {

// A file system that is set up and then mounted nowhere yet (fsopen(2) and its kin, kernel 5.2). Needs CAP_SYS_ADMIN in
// the user namespace of the caller's mounts. Errors name file system and option, and carry what the file system itself
// has to say.
class FilesystemContext {
 public:
  static Result<FilesystemContext> open(const std::string& type);
  Result<void> set(const std::string& key, const std::string& value) const;
  Result<void> flag(const std::string& key) const;
  // `attributes`: MOUNT_ATTR_*. The mount goes with the descriptor unless it is moved somewhere (move_mount(2)).
  Result<UniqueFd> mount(uint64_t attributes) const;

 private:
  FilesystemContext(std::string type, UniqueFd fd) : type_(std::move(type)), fd_(std::move(fd)) {}
  Result<void> configure(unsigned command, const char* key, const char* value, const std::string& object) const;

  std::string type_;
  UniqueFd fd_;
};

}  // namespace alos::sys
