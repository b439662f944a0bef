#pragma once

#include <cstdlib>

#include "base/paths.h"
#include "base/print.h"

namespace alos::host {

// What a run that cannot start has to do with it, where it is itself inside of a box.
inline void say_if_inside_of_a_box() {
  if (const char* outer = ::secure_getenv("ALOS_RUN"))
    alos::print_error("alos: this is inside of the box of {}, and boxes make no boxes; start it outside\n",
                      printable(outer));
}

}  // namespace alos::host
