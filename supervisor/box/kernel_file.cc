#include "supervisor/box/kernel_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/sys.h"

namespace alos::box {

Result<void> write_value(const std::string& path, std::string_view value) {
  const UniqueFd fd = TRY(sys::open(path, O_WRONLY));
  if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
    return fail_errno("write", path);
  return {};
}

}  // namespace alos::box
