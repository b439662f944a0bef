#pragma once

#include <string>

#include "policy/decide.h"

namespace alos::policy {

// What would have to change for a denied request to be allowed, in one sentence, with the rule to write where there is
// one; where no policy can allow it, why. What is proposed loads. `decision` is decide()'s.
std::string remedy(const CompiledPolicy& compiled, const Request& request, const Decision& decision);
// The same of what a deny has by a pattern that matches a directory above it, and not itself.
std::string remedy_below(const std::string& pattern);

// Of an allowed run that gets no more than its caller's rights: why the rules for its program do not give it more, a
// sentence each. Empty where there are none.
std::vector<std::string> why_not_elevated(const CompiledPolicy& compiled, const Request& request,
                                          const Decision& decision);

// The letter of the language that a right belongs to.
std::string_view letter(Right right);
// For people to put into a file: YAML's single quotes, within which only a quote is special.
std::string yaml_quoted(std::string_view text);

}  // namespace alos::policy
