#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace alos {

// A line of passwd(5).
struct Account {
  std::string name;
  uid_t uid = 0;
  std::string home;
};

// Those of the file itself, in its order, lines that are none passed over: the library that knows of others (nss(5))
// may be asked only in programs that are linked dynamically. Errors: of reading it; EFBIG beyond 16 MiB.
Result<std::vector<Account>> accounts(const std::string& file = "/etc/passwd");

}  // namespace alos
