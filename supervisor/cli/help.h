#pragma once

#include <CLI/CLI.hpp>
#include <string_view>

// How every program of alos shows what it takes: GNU's layout, which people know and from which the man pages are made.
namespace alos::cli {

// For `app` and the subcommands that are added to it from now on. `rest` is what stands in the usage after the options
// and is not the parser's to know: "-- CMD [ARG]...".
void use_house_help(CLI::App& app, std::string_view rest = {});

}  // namespace alos::cli
