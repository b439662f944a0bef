// Names, links and modes as an agent leaves them in its layer, judged for apply: never a crash, and never "harmless"
// for a link whose text leads out.

#include <filesystem>

#include "fuzz.h"
#include "supervisor/workspace/denies.h"
#include "supervisor/workspace/hazards.h"

namespace {

using namespace alos;

// Whether `target`, seen from the directory of `path`, ever stands above the workspace: by walking, not by normalising.
bool climbs(std::string_view path, std::string_view target) {
  if (target.starts_with('/')) return true;
  long depth = 0;
  for (const char c : path) depth += c == '/';
  for (size_t at = 0; at <= target.size();) {
    const size_t end = std::min(target.find('/', at), target.size());
    const std::string_view part = target.substr(at, end - at);
    if (part == "..")
      depth -= 1;
    else if (!part.empty() && part != ".")
      depth += 1;
    if (depth < 0) return true;
    at = end + 1;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4 || size > 8192) return 0;
  const auto lines = fuzz::lines(fuzz::text_of(data + 3, size - 3), 3);
  const std::string_view path = lines[0];
  if (path.empty() || !workspace::is_plain(path)) return 0;
  const std::string_view target = lines.size() > 1 ? lines[1] : "";
  workspace::Subject subject{.path = path, .before = {}, .after = {}, .link_target = target, .repositories = {}};
  constexpr workspace::Type kTypes[] = {workspace::Type::absent, workspace::Type::file, workspace::Type::directory,
                                        workspace::Type::link};
  subject.before.type = kTypes[data[0] % 4];
  subject.after.type = kTypes[data[1] % 4];
  subject.after.mode = static_cast<mode_t>(data[2] | (data[0] & 0xf0) << 4);
  if (data[0] & 8) subject.repositories.push_back({""});
  const auto flags = workspace::hazards(subject);
  for (const workspace::Flag& flag : flags) fuzz::must(!flag.reason.empty(), "a flag has words");
  fuzz::must(workspace::leads_out(path, target) == climbs(path, target), "what climbs out by its text is seen");
  if (subject.after.type == workspace::Type::link && climbs(path, target)) {
    bool held = false;
    for (const workspace::Flag& flag : flags) held = held || flag.hazard == workspace::Hazard::link_out;
    fuzz::must(held, "a link that leads out is flagged");
  }
  return 0;
}
