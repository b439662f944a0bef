#pragma once

#include "base/result.h"

// File contents, holes respected: a sparse file of 8 TiB costs what its data costs.
namespace alos::workspace {

// Both open for reading. Compares sizes first.
Result<bool> same_content(int a, int b);
// From a file open for reading to an empty one open for writing; holes stay holes, blocks are shared where the file
// system can (FICLONE). Errors: ENOSPC, EFBIG, EDQUOT and the like; what was written so far stays in `to`.
Result<void> copy_content(int from, int to);

}  // namespace alos::workspace
