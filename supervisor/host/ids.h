#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace alos::host {

// Host ids for boxes started by root: each box has its own, so that agents are strangers to each other and to every
// user. The range lies where nothing else allocates (systemd's UIDS-GIDS: 1879048192 to 2147352575 is unused).
inline constexpr uid_t kFirstPoolId = 1'879'048'192;
inline constexpr uid_t kPoolIds = 65'536;
// The supervisor's own when there is no account "alos".
inline constexpr uid_t kSupervisorId = kFirstPoolId;

struct PoolId {
  uid_t id = 0;
  UniqueFd lock;  // held while a box uses the id
};

// An id that no running box, no layer and no home uses. `<state>/ids/N` is locked while in use, and not empty when it
// belongs to something that lasts (layers, homes): their paths, each ended by a NUL, which free the id when all are
// gone.
Result<PoolId> take_id(const std::string& state);
// The same id again, for a layer whose files already belong to it. EBUSY when a box uses it.
Result<PoolId> take_same_id(const std::string& state, uid_t id);
// Reserves a taken id for what lasts, for as long as the path exists; what it was reserved for already keeps it.
Result<void> reserve_id(const PoolId& id, const std::string& owner);

}  // namespace alos::host
