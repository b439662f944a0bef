#pragma once

#include <functional>
#include <string_view>

#include "base/unique_fd.h"
#include "shim/call/arguments.h"

namespace alos::call {

// How a call ended, its content in place. `descriptor` is what fs.open gave.
struct Ended {
  wire::Reply reply;
  UniqueFd descriptor;
};
// Sends the one call and waits until it has ended. A connection that is lost, or a broker that breaks the protocol, is
// Unknown where the effect may have happened, else Failed.
Ended exchange(int socket, Command& command, const std::function<void(std::string_view data, bool error)>& on_output);

}  // namespace alos::call
