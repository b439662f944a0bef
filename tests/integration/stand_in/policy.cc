// In the place of alos-policy: compiles by the real one (alos-policy-itself, beside this one), then adds what is
// brokered, a deny in it, and before the policy's own commands one of more rights, all below ALOS_OUTSIDE.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/child.h"
#include "base/paths.h"
#include "base/sys.h"
#include "policy/usage.h"
#include "supervisor/box/spec.h"

namespace {

using namespace alos;
using policy::Right;

Result<void> add_to(const std::string& path, const std::string& outside) {
  auto compiled = TRY(decode<box::Compiled>(TRY(sys::read_file(path, 16 << 20)), path));
  const policy::Rights read = policy::Rights(Right::read) | Right::list;
  const policy::Rights write = read | Right::write | Right::create | Right::remove;
  compiled.plan.brokered = {{.path = outside + "/open", .tree = true, .rights = write, .rule = "open", .source = {}},
                            {.path = outside + "/read", .tree = true, .rights = read, .rule = "read", .source = {}}};
  policy::BoxMask secrets;
  secrets.pattern = outside + "/**/.env";
  secrets.denied = read;
  compiled.plan.brokered_masks.push_back(std::move(secrets));
  const char* const command = ::getenv("ALOS_COMMAND");  // the only one that the launcher is to take
  compiled.plan.commands.insert(compiled.plan.commands.begin(),
                                {.rule = "key",
                                 .usage = "/bin/sh (-c " + policy::Usage::escape(command ? command : "-") + ")",
                                 .program = sys::real_path("/bin/sh"),
                                 .mounts = {{.path = outside + "/key", .rights = read, .rule = "key", .source = {}}},
                                 .masks = {},
                                 .source = {}});
  const UniqueFd file = TRY(sys::open(path, O_WRONLY | O_TRUNC));
  return sys::write_all(file.get(), encode(compiled));
}

}  // namespace

int main(int argc, char** argv) {
  const char* outside = ::getenv("ALOS_OUTSIDE");
  const auto directory = program_directory();
  if (argc < 4 || !outside || !directory) return 3;
  std::vector<std::string> words(argv, argv + argc);
  words[0] = *directory + "/alos-policy-itself";
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execv(words[0].c_str(), sys::pointers_to(words).data());
    ::_exit(127);
  }
  const auto status = sys::wait_for(pid);
  if (!status || *status != 0) return 1;
  if (const auto added = add_to(argv[3], outside); !added) {
    fmt::print(stderr, "{}\n", added.error().text());
    return 1;
  }
  return 0;
}
