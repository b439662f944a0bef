#pragma once

namespace alos::cli {

// `alos run ...`: argv[0] is "run". Returns an exit code of run only when nothing was started.
int run_command(int argc, char** argv);

}  // namespace alos::cli
