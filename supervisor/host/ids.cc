#include "supervisor/host/ids.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/sys.h"

namespace alos::host {
namespace {

Result<UniqueFd> open_file(const std::string& state, uid_t id) {
  TRY(sys::make_dirs(state + "/ids", 0700));
  return sys::open(state + "/ids/" + std::to_string(id - kFirstPoolId), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
}

// What lasts and belongs to the id, as far as it is still there: with the last of it the id is free again.
Result<std::set<std::string>> owners(const UniqueFd& file) {
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail_errno("lseek", "ids");
  const std::string text = TRY(sys::read_file(file.get(), 1 << 20));
  std::set<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\0', at), text.size());
    const std::string path = text.substr(at, end - at);
    if (::access(path.c_str(), F_OK) == 0) out.insert(path);
    at = end + 1;
  }
  return out;
}

Result<bool> is_reserved(const UniqueFd& file) {
  return !TRY(owners(file)).empty();
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
  if (!sys::lock_soon(file.get())) return fail("ids", std::to_string(id), EBUSY, "another box runs under this id");
  return PoolId{id, std::move(file)};
}

Result<void> reserve_id(const PoolId& id, const std::string& owner) {
  std::set<std::string> all = TRY(owners(id.lock));
  all.insert(owner);
  std::string text;
  for (const std::string& path : all) text.append(path).append(1, '\0');
  if (::pwrite(id.lock.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ::ftruncate(id.lock.get(), static_cast<off_t>(text.size())) != 0)
    return fail_errno("write", owner);
  return {};
}

}  // namespace alos::host
