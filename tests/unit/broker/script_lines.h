#pragma once

#include <initializer_list>
#include <string_view>

#include "syscall-broker/script.h"

// Lines of scripts as tests write them; how they end is for the caller to say.
namespace alos::broker::test {

// "**" as the last word: whatever further words there are.
inline ScriptLine line_of_command(std::initializer_list<const char*> argv) {
  ScriptLine out;
  out.call = kScriptedRun;
  for (const char* word : argv) {
    if (word == std::string_view("**"))
      out.any_rest = true;
    else
      out.argv.push_back(*WordPattern::parse(word));
  }
  return out;
}

inline ScriptLine line_of_file(const char* call, const char* path, int error) {
  ScriptLine out;
  out.call = call;
  out.path = *policy::Pattern::parse(path);
  out.fails = error;
  return out;
}

}  // namespace alos::broker::test
