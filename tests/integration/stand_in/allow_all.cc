// In the place of alos-broker: the whole broker, but whatever the policy says of files and commands, it allows. What is
// reached through it alone stays so, or nothing of that would be asked for there.

#include "base/archive.h"
#include "policy/archive.h"
#include "syscall-broker/serve.h"

namespace {

using namespace alos;

Result<policy::Policy> allow_all(std::string_view rules) {
  auto out = TRY(decode<policy::Policy>(rules, "policy"));
  std::erase_if(out.files, [](const policy::FileRule& rule) { return !rule.brokered; });
  for (policy::FileRule& rule : out.files) {
    rule.effect = policy::Effect::allow;
    rule.rights = policy::kAll;
    rule.except.clear();
  }
  policy::FileRule all;
  all.name = "all";
  all.effect = policy::Effect::allow;
  all.rights = policy::kAll;
  all.source = {"allow_all", 1, 1};
  for (const std::string path : {"/", "/**"}) all.paths.push_back({*policy::Pattern::parse(path), path, all.source});
  out.files.push_back(std::move(all));
  out.commands.clear();
  out.no_commands = false;
  return out;
}

}  // namespace

int main() {
  return broker::serve(allow_all);
}
