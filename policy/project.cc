#include "policy/project.h"

#include <algorithm>

#include "base/paths.h"
#include "policy/schema.h"

namespace alos::policy {

ProjectFile read_project_file(const Node& document, const std::string& shown, Problems& problems) {
  constexpr std::string_view kMay[] = {"alos", "about", "files", "limits"};
  PolicyFile file = read_policy_file(document, shown, problems);
  for (const Node& key : document.keys)
    if (std::ranges::find(kMay, key.text) == std::end(kMay))
      problems.push_back({key.at, "the key '" + printable(key.text) + "' in a project's own file",
                          "alos, about, files and limits", "such a file only takes away: put it into the policy"});
  for (const UnexpandedRule& rule : file.rules)
    if (rule.rule.effect == Effect::allow)
      problems.push_back({rule.rule.source, "rule '" + rule.rule.name + "' allows, in a project's own file",
                          "deny: such a file only takes away", "put the allow into the policy"});
    else if (rule.rule.degrade)
      problems.push_back({rule.rule.source, "rule '" + rule.rule.name + "' has 'degrade' in a project's own file",
                          "no 'degrade'", "what may be left unenforced is for the policy to say"});
  return {std::move(file.rules), std::move(file.limits)};
}

}  // namespace alos::policy
