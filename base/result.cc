#include "base/result.h"

#include "base/paths.h"

namespace alos {

std::string Error::text() const {
  std::string out = operation;
  if (!object.empty()) out += " " + object;
  if (code != 0) {
    out += ": ";
    out += strerrordesc_np(code) ? strerrordesc_np(code) : "unknown error";
    out += " (";
    out += strerrorname_np(code) ? strerrorname_np(code) : std::to_string(code);
    out += ")";
  }
  if (!hint.empty()) out += (code != 0 || !object.empty() ? "; " : ": ") + hint;
  return printable_text(out);
}

}  // namespace alos
