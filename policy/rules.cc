#include "policy/rules.h"

#include <array>
#include <utility>

#include "policy/box_plan.h"

namespace alos::policy {

std::string Source::text() const {
  if (line == 0) return file;
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

std::string_view name(Effect effect) {
  switch (effect) {
    case Effect::deny:
      return "deny";
    case Effect::ask:
      return "ask";
    case Effect::allow:
      return "allow";
  }
  return "?";
}

std::string_view name(WorkspaceMode mode) {
  switch (mode) {
    case WorkspaceMode::none:
      return "none";
    case WorkspaceMode::layer:
      return "layer";
    case WorkspaceMode::direct:
      return "direct";
    case WorkspaceMode::copy:
      return "copy";
  }
  return "?";
}

std::string Rights::text() const {
  constexpr std::array<std::pair<Right, const char*>, 10> kWords{{{Right::read, "read"},
                                                                  {Right::list, "list"},
                                                                  {Right::stat, "stat"},
                                                                  {Right::write, "write"},
                                                                  {Right::append, "append"},
                                                                  {Right::create, "create"},
                                                                  {Right::remove, "remove"},
                                                                  {Right::rename, "rename"},
                                                                  {Right::chmod, "chmod"},
                                                                  {Right::execute, "execute"}}};
  std::string letters;
  Rights rest = *this;
  for (const auto& [set, letter] : {std::pair{kRead, 'r'}, std::pair{kWrite, 'w'}, std::pair{kExecute, 'x'}}) {
    if (!rest.has(set)) continue;
    letters += letter;
    rest = rest - set;
  }
  for (const auto& [right, word] : kWords)
    if (rest.has(right)) letters += (letters.empty() ? "" : "+") + std::string(word);
  return letters.empty() ? "none" : letters;
}

}  // namespace alos::policy
