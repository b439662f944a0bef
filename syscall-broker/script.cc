#include "syscall-broker/script.h"

namespace alos::broker {
namespace {

std::string_view base_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

bool fits_program(const WordPattern& pattern, const Script::Program& program) {
  if (pattern.text().find('/') != std::string::npos)
    return pattern.matches(program.path) || pattern.matches(program.file);
  return pattern.matches(base_of(program.word)) || pattern.matches(base_of(program.file));
}

bool fits(const ScriptLine& line, const Script::Program& program, std::span<const std::string> arguments) {
  if (line.argv.empty()) return line.any_rest;
  const auto patterns = std::span(line.argv).subspan(1);
  if (line.any_rest ? arguments.size() < patterns.size() : arguments.size() != patterns.size()) return false;
  for (size_t i = 0; i < patterns.size(); ++i)
    if (!patterns[i].matches(arguments[i])) return false;
  return fits_program(line.argv.front(), program);
}

}  // namespace

Script::Script(std::vector<ScriptLine> lines) : lines_(std::move(lines)), used_(lines_.size()) {}

std::optional<size_t> Script::line_for(const Program& program, std::span<const std::string> arguments) const {
  for (size_t i = 0; i < lines_.size(); ++i)
    if (lines_[i].call == kScriptedRun && is_left(i) && fits(lines_[i], program, arguments)) return i;
  return std::nullopt;
}

std::optional<size_t> Script::line_for(std::string_view call, std::string_view reached) const {
  for (size_t i = 0; i < lines_.size(); ++i)
    if (lines_[i].call == call && lines_[i].path && is_left(i) && lines_[i].path->matches(reached)) return i;
  return std::nullopt;
}

const ScriptLine& Script::use(size_t line) {
  // Of one without an end nobody asks how often.
  if (lines_[line].times != 0) ++used_[line];
  return lines_[line];
}

std::string Script::place_of(std::string_view asked) const {
  for (const ScriptLine& line : lines_) {
    if (line.argv.empty()) continue;
    std::string place = line.argv.front().literal().value_or("");
    if (place.starts_with('/') && asked == (asked.starts_with('/') ? place : base_of(place))) return place;
  }
  return "";
}

}  // namespace alos::broker
