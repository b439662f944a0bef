#include "policy/policy.h"

#include <algorithm>

#include "policy/units.h"

namespace alos::policy {

bool FileRule::matches(std::string_view path) const {
  const auto hits = [path](const PathPattern& p) { return p.pattern.matches(path); };
  return std::ranges::any_of(paths, hits) && std::ranges::none_of(except, hits);
}

std::vector<LimitField> limit_fields() {
  return {{"memory", &Limits::memory, parse_size},      {"processes", &Limits::processes, parse_count},
          {"cpus", &Limits::cpus_milli, parse_cores},   {"cpu-time", &Limits::cpu_time_ms, parse_duration},
          {"wall", &Limits::wall_ms, parse_duration},   {"disk", &Limits::disk, parse_size},
          {"disk-by", &Limits::disk_by, parse_disk_by}, {"open-files", &Limits::open_files, parse_count}};
}

}  // namespace alos::policy
