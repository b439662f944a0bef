#include "supervisor/host/ids.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/sys.h"

namespace alos::host {
namespace {

Result<UniqueFd> open_file(const std::string& state, uid_t id) {
  TRY(sys::make_dirs(state + "/ids", 0700));
  return sys::open(state + "/ids/" + std::to_string(id - kFirstPoolId), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
}

// Reserved: free again once what it was reserved for is gone.
Result<bool> is_reserved(const UniqueFd& file) {
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail_errno("lseek", "ids");
  const std::string owner = TRY(sys::read_file(file.get(), 8192));
  return !owner.empty() && ::access(owner.c_str(), F_OK) == 0;
}

}  // namespace

Result<PoolId> take_id(const std::string& state) {
  for (uid_t id = kFirstPoolId + 1; id < kFirstPoolId + kPoolIds; ++id) {
    UniqueFd file = TRY(open_file(state, id));
    // Looked at before it is locked, or this search would be in the way of the run that the id is reserved for.
    if (TRY(is_reserved(file)) || !sys::lock(file.get())) continue;
    if (TRY(is_reserved(file))) continue;
    return PoolId{id, std::move(file)};
  }
  return fail("ids", state, EAGAIN, "every id of the pool is in use; 'alos gc' frees those of old layers");
}

Result<PoolId> take_same_id(const std::string& state, uid_t id) {
  if (id <= kFirstPoolId || id >= kFirstPoolId + kPoolIds) return fail("ids", std::to_string(id), ERANGE);
  UniqueFd file = TRY(open_file(state, id));
  if (!sys::lock(file.get())) return fail("ids", std::to_string(id), EBUSY, "another box runs under this id");
  return PoolId{id, std::move(file)};
}

Result<void> reserve_id(const PoolId& id, const std::string& owner) {
  if (::ftruncate(id.lock.get(), 0) != 0 || ::lseek(id.lock.get(), 0, SEEK_SET) != 0)
    return fail_errno("ftruncate", owner);
  return sys::write_all(id.lock.get(), owner);
}

}  // namespace alos::host
