#include "supervisor/host/missing.h"

#include <fmt/format.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <cerrno>

#include "base/find_program.h"
#include "base/paths.h"
#include "base/sys.h"

namespace alos::host {
namespace {

std::string parent(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

// What `real` needs, as a policy's path, as far as its place tells. A shim (pyenv) starts something that lies beside
// it, rustup's proxies what lies in ~/.rustup, and a program in bin/ has its libraries next to that.
std::string needs(const std::string& real) {
  const std::string directory = parent(real);
  if (const size_t shims = real.find("/shims/"); shims != real.npos) return printable(real.substr(0, shims)) + "/**";
  if (directory.ends_with("/.cargo/bin"))
    return fmt::format("[{0}/.cargo/**, {0}/.rustup/**]", printable(parent(parent(directory))));
  return printable(directory.ends_with("/bin") && directory.size() > 4 ? parent(directory) : directory) + "/**";
}

std::string absent(const std::string& program, const Outside& outside) {
  std::string text = fmt::format("'{}' is not in this box", printable(program));
  if (outside.path.empty())
    return text + (program.find('/') == program.npos ? "; nor is it on PATH outside"
                                                     : "; nor is an executable file there outside");
  text += fmt::format("; outside it is {}", printable(outside.path));
  if (outside.real != outside.path) text += fmt::format(", which is {}", printable(outside.real));
  return text +
         fmt::format("\n      a policy would need, below files:   tools: {{allow: rx, path: {}}}", needs(outside.real));
}

}  // namespace

Outside find_outside(const std::string& program, const std::string& path) {
  char found[PATH_MAX];
  if (!find_program(program, path, found)) return {};
  return {found, sys::real_path(found)};
}

std::string why_not_started(const std::string& program, int error, const Outside& outside) {
  if (error == ENOENT) return absent(program, outside);
  if (error == ELIBACC)
    return fmt::format(
        "'{}' is in this box, and what runs it is not: the interpreter of its first line, or its loader (ENOENT)\n"
        "      see it with: head -1 FILE, or: file FILE",
        printable(program));
  return fmt::format("'{}' cannot be executed in this box: {} ({})", printable(program), strerrordesc_np(error),
                     strerrorname_np(error));
}

}  // namespace alos::host
