#include "supervisor/host/ids.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/sys.h"

namespace alos::host {
namespace {

Result<UniqueFd> lock_file(const std::string& state, uid_t id) {
  TRY(sys::make_dirs(state + "/ids", 0700));
  const std::string path = state + "/ids/" + std::to_string(id - kFirstPoolId);
  UniqueFd fd = TRY(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return fail_errno("flock", path);
  return fd;
}

}  // namespace

Result<PoolId> take_id(const std::string& state) {
  for (uid_t id = kFirstPoolId + 1; id < kFirstPoolId + kPoolIds; ++id) {
    auto fd = lock_file(state, id);
    if (!fd && fd.error().code == EWOULDBLOCK) continue;
    if (!fd) return std::unexpected(fd.error());
    // Reserved: free again once what it was reserved for is gone.
    const std::string owner = TRY(sys::read_file(fd->get(), 8192));
    if (!owner.empty() && ::access(owner.c_str(), F_OK) == 0) continue;
    return PoolId{id, std::move(*fd)};
  }
  return fail("ids", state, EAGAIN, "every id of the pool is in use; 'alos gc' frees those of old layers");
}

Result<PoolId> take_same_id(const std::string& state, uid_t id) {
  if (id <= kFirstPoolId || id >= kFirstPoolId + kPoolIds) return fail("ids", std::to_string(id), ERANGE);
  auto fd = lock_file(state, id);
  if (!fd) return fail("ids", std::to_string(id), EBUSY, "another box runs under this id");
  return PoolId{id, std::move(*fd)};
}

Result<void> reserve_id(const PoolId& id, const std::string& owner) {
  if (::ftruncate(id.lock.get(), 0) != 0 || ::lseek(id.lock.get(), 0, SEEK_SET) != 0)
    return fail_errno("ftruncate", owner);
  return sys::write_all(id.lock.get(), owner);
}

}  // namespace alos::host
