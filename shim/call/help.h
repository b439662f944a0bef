#pragma once

#include <string>

#include "shim/call/primitives.h"

// What is known from the description, for people.
namespace alos::call {

std::string overview();
std::string list();  // a line for each primitive
std::string help(const Entry& entry);
std::string reference();  // docs/primitives.md

}  // namespace alos::call
