#pragma once

#include <array>
#include <string>

#include "policy/pattern.h"

namespace alos::policy {

// Kernel file systems that every box has of its own: the host's lead out of it.
inline constexpr std::array kKernelPlaces{"/proc", "/sys", "/dev"};

// Host places whose change changes what the system itself runs: no policy lets a box write them directly.
bool is_system_place(const Pattern& pattern, std::string& which);

}  // namespace alos::policy
