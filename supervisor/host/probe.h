#pragma once

#include <string>

#include "base/result.h"
#include "supervisor/host/facts.h"

namespace alos::host {

// Tries each thing that boxes need, as this uid, and leaves nothing behind. About 50 ms. Facts of the file system are
// of the one that holds `directory` (the state directory; its nearest ancestor that is there is used). One thread only:
// children are forked and go on running code of this program. Errors: fork, pipe: nothing can be said at all.
Result<Facts> probe(const std::string& directory);

}  // namespace alos::host
