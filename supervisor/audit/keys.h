#pragma once

#include "base/digest.h"
#include "base/result.h"

namespace alos::audit {

struct Keys {
  Key payload;      // <dir>/key: keys the hashes of payloads
  SigningKey seal;  // <dir>/seal.key and seal.pub: signs where the log stands
};

using SealKey = std::array<uint8_t, 32>;

// Reads the keys of the log in `dir`; makes them when the log is new (`make`), synced. To be called under the log's
// lock. Errors: a key that others could read or that belongs to someone else (EPERM); one that is gone while the log is
// there (ENOENT): new keys would make every seal so far foreign.
enum class IfMissing : uint8_t { make, refuse };
Result<Keys> load_keys(int dir, IfMissing if_missing);

// The public half alone, for verify. Errors: ENOENT, EINVAL.
Result<SealKey> load_seal_key(int dir);

}  // namespace alos::audit
