#pragma once

#include <string>

#include "base/result.h"
#include "supervisor/audit/record.h"

namespace alos::host {

// Records what a person does with alos beside runs (apply, undo, gc), synced and sealed. As root it is written by a
// child under the id that owns the log, so that every file of it stays that id's. A caller that acts records its intent
// first and does not act when that fails.
Result<void> record_action(const std::string& state, const audit::Record& record);

}  // namespace alos::host
