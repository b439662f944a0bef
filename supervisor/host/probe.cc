#include "supervisor/host/probe.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/sys.h"
#include "supervisor/host/probe_parts.h"

namespace alos::host {
namespace parts {

Fact fact_of(const Outcome& outcome, std::string remedy) {
  if (outcome.worked()) return {.state = State::yes};
  return {.state = State::no,
          .detail = std::string(outcome.call) + ": " + strerrorname_np(outcome.error),
          .remedy = std::move(remedy)};
}

Result<Fact> tried(int flags, const std::function<Outcome()>& what, std::string remedy) {
  return fact_of(TRY(try_in_child(flags, what)), std::move(remedy));
}

Result<Fact> tried_in_box(const Facts& facts, int flags, const std::function<Outcome()>& what, std::string remedy) {
  if (!facts.user_namespace.there()) return Fact{.state = State::unknown, .detail = kUntried, .remedy = {}};
  return tried(CLONE_NEWUSER | flags, what, std::move(remedy));
}

std::string setting(const std::string& path) {
  auto text = sys::read_file(path, 4096);
  if (!text) return {};
  while (text->ends_with('\n')) text->pop_back();
  return std::move(*text);
}

}  // namespace parts

namespace {

std::string existing_ancestor(std::string path) {
  while (path.size() > 1 && ::access(path.c_str(), F_OK) != 0) path.resize(std::max<size_t>(path.rfind('/'), 1));
  return path;
}

}  // namespace

Result<Facts> probe(const std::string& directory) {
  Facts facts;
  utsname name{};
  if (::uname(&name) != 0) return fail_errno("uname", "");
  facts.kernel = name.release;
  facts.uid = ::geteuid();
  facts.directory = existing_ancestor(directory);
  TRY(parts::namespaces(facts));
  TRY(parts::mounts(facts));
  TRY(parts::kernel(facts));
  TRY(parts::settings(facts));
  TRY(parts::cgroups(facts));
  return facts;
}

}  // namespace alos::host
