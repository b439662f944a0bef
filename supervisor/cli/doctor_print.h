#pragma once

#include <cstdio>

#include "supervisor/cli/doctor_report.h"

namespace alos::cli {

enum class Style : uint8_t { plain, colour };
// For a person: what is missing stands out, with what to do about it; what is there is a line; the last line says what
// `alos run` needs here.
void print_report(std::FILE* out, const Report& report, Style style);

// {"v":1,"kernel":..,"features":[..],"limits":[..],"degrade":[..],"runs":bool}
std::string json_of(const Report& report);

}  // namespace alos::cli
