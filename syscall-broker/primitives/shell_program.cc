#include "syscall-broker/primitives/shell_program.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/paths.h"
#include "syscall-broker/primitives/files.h"

namespace alos::broker {
namespace {

using policy::Right;

std::string_view value_of(const std::vector<std::string>& env, std::string_view name) {
  for (const std::string_view line : env)
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=')
      return line.substr(name.size() + 1);
  return "";
}

bool is_absent(const Answer& answer) {
  return answer.reply.failed().code() == ENOENT || answer.reply.failed().code() == ENOTDIR;
}

// Where a program may be by what it is called.
std::vector<std::string> places_of(const Call& call) {
  const std::string& program = call.request().shell_run().argv(0);
  if (program.starts_with('/')) return {program};
  if (program.find('/') != program.npos) return {cwd_of(call) + "/" + program};
  std::vector<std::string> out;
  const std::string_view list = value_of(call.agent().facts().env, "PATH");
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(':', at), list.size());
    if (list.substr(at).starts_with('/')) out.push_back(std::string(list.substr(at, end - at)) + "/" + program);
    at = end + 1;
  }
  return out;
}

// Its box shows what a deny takes from it as a file without any rights.
bool is_taken(const Call& call, const std::string& path, const std::string& file) {
  const auto executed = policy::Request::file(Right::execute, path, file);
  if (!executed) return false;
  const policy::Decision decision = policy::decide(call.agent().policy(), *executed);
  return decision.effect == policy::Effect::deny && decision.rule;
}

// The file that would be executed, if one can be or a deny takes it: then that is why, and not what the box makes of
// it.
Task<Attempt<Call::Program>> look_for(Call& call, const std::string& path) {
  ALOS_ATTEMPT(asked, path_argument(path));
  auto search = co_await find(
      call, asked,
      {.rights = Right::execute, .absent = Right::execute, .brokered = false, .each_link = true, .masks = true});
  ALOS_ATTEMPT(found, std::move(search));
  if (!found.there()) co_return give_up("execve", found.place.path, ENOENT);
  Call::Program out;
  out.path = asked;
  out.file = found.place.path;
  found.names.push_back(std::move(asked));
  for (std::string& name : found.names)
    if (is_taken(call, name, out.file)) out.taken = std::move(name);
  if (!out.taken.empty()) co_return out;
  ALOS_ATTEMPT(view, call.agent().view());
  if (view->is_mask(found.st)) co_return std::unexpected(masked(Right::execute, out.path, out.file));
  if (!S_ISREG(found.st.st_mode) || (found.st.st_mode & 0111) == 0)
    co_return give_up("execve", found.place.path, EACCES, "it is no program");
  co_return out;
}

// A place that the script names. Whatever keeps its caller from looking there keeps it from being taken for true.
Task<Attempt<bool>> take_to_be(Call& call, const std::string& place) {
  auto search = co_await look_for(call, place);
  if (!search && !is_absent(search.error())) co_return std::unexpected(std::move(search).error());
  call.program = search ? std::move(*search) : Call::Program{.path = place, .file = place, .taken = {}};
  call.program.there = false;
  co_return true;
}

}  // namespace

std::string cwd_of(const Call& call) {
  const std::string& wanted = call.request().shell_run().cwd();
  const std::string& workspace = call.agent().facts().workspace;
  const std::string at = wanted.empty()            ? (workspace.empty() ? policy::kBoxHome : workspace)
                         : wanted.starts_with('/') ? wanted
                                                   : "/" + wanted;
  return canonical_path(at).value_or("/");
}

Task<Attempt<bool>> find_program(Call& call) {
  const std::string& program = call.request().shell_run().argv(0);
  const bool by_path = program.find('/') != program.npos;
  ALOS_ATTEMPT(view, call.agent().view());  // or why there is none, which is no absence
  const std::vector<std::string> places = places_of(call);
  Attempt<bool> found = give_up("execve", printable(program), ENOENT, "it is not in this agent's PATH");
  std::vector<std::string> closed;     // something is there, and not for this caller
  std::optional<Call::Program> taken;  // by a rule, which says so where nothing else is found
  for (const std::string& place : places) {
    auto search = co_await look_for(call, place);
    if (search) {
      if (!by_path && !search->taken.empty()) {
        if (!taken) taken = std::move(*search);
        continue;
      }
      call.program = std::move(*search);
      co_return true;
    }
    std::string path = canonical_path(place).value_or(place);
    if (by_path && !is_absent(search.error()) && is_taken(call, path, path)) {
      call.program.path = call.program.file = call.program.taken = path;  // whether it is there is not told
      co_return true;
    }
    if (!is_absent(search.error())) closed.push_back(path);
    if (!by_path) continue;
    auto denial = co_await call.covered(Right::execute, path, Call::Side::from, search.error());
    found = std::unexpected(denial ? std::move(*denial) : std::move(search).error());
  }
  if (taken) {
    call.program = std::move(*taken);
    co_return true;
  }
  const std::string asked = by_path ? canonical_path(places.front()).value_or("") : program;
  const std::string place = call.agent().script().place_of(asked);
  if (!place.empty() && std::ranges::find(closed, place) == closed.end()) {
    auto scripted = co_await take_to_be(call, place);
    if (scripted) co_return true;
  }
  co_return found;
}

Task<Attempt<bool>> judge_by_rule(Call& call) {
  ALOS_ATTEMPT(asked, policy::Request::command(call.words));
  const policy::Decision decision = policy::decide(call.agent().policy(), asked);
  if (!decision.elevated || !call.program.taken.empty()) co_return true;
  const std::string& name = decision.command->usage.program();
  auto search = co_await look_for(call, name);
  if (search && search->file == call.program.file)
    call.program.taken = std::move(search->taken);
  else if (is_taken(call, name, call.program.file))
    call.program.taken = name;
  co_return true;
}

}  // namespace alos::broker
