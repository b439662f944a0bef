#pragma once

#include <string>

namespace alos::host {

// To the person, on standard error. A terminal or pipe that nobody reads does not keep a run from ending: what cannot
// be written within a second is not said; the events say the same.
void say(const std::string& words);

}  // namespace alos::host
