#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "shim/call/primitives.h"

namespace alos::call {

// What the words of a command line ask for.
struct Command {
  const Entry* entry = nullptr;
  wire::Request request;
  std::string attached;  // content that no frame holds, taken out of `request`
  bool raw = false;
  std::vector<std::string> then;  // command that gets the descriptor

  const google::protobuf::Message& call() const;
};

// Required arguments in the order of their numbers, others as --name value; what repeats, or the command for the
// descriptor, stands after "--". Reads what --content-from names. Errors: {"usage" or the system call, what, ...}, for
// people.
Result<Command> parse(const Entry& entry, const std::vector<std::string>& words);

}  // namespace alos::call
