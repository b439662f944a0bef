#pragma once

#include <vector>

#include "syscall-broker/journal.h"
#include "syscall-broker/link.h"

namespace alos::broker {

// A message of records, encoded: below what the supervisor takes (kLongestMessage) and what a socket takes at once
// (net.core.wmem_default).
inline constexpr size_t kPart = 48 << 10;

// As much of an entry as a message holds, without its number: texts that are too long are cut until it fits, then
// details are left out, and both say so.
Record record_of(const Journal::Entry& entry);

// Messages of at most kPart that hold all of them, in their order.
std::vector<Records> parts_of(std::vector<Record> records);

}  // namespace alos::broker
