#include "supervisor/host/registry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "base/sys.h"

namespace alos::host {
namespace {

using nlohmann::json;

constexpr size_t kInfoLimit = 4 << 20;
constexpr int kOnlyLook = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

bool held(const UniqueFd& directory) {
  auto lock = sys::openat(directory.get(), "lock", kOnlyLook);
  return lock && sys::is_locked(lock->get()).value_or(true);
}

Result<RunInfo> read_info(const UniqueFd& directory, const std::string& id) {
  const UniqueFd file = TRY(sys::openat(directory.get(), "run.json", kOnlyLook));
  RunInfo info = TRY(parse_info(TRY(sys::read_file(file.get(), kInfoLimit)), id));
  info.id = id;
  info.alive = true;
  return info;
}

}  // namespace

std::string here() {
  struct stat st{};
  const bool known = ::stat("/proc/self/ns/pid", &st) == 0;
  std::string boot = sys::read_file("/proc/sys/kernel/random/boot_id", 64).value_or("");
  while (boot.ends_with('\n')) boot.pop_back();
  return known ? boot + ":" + std::to_string(st.st_ino) : boot;
}

std::vector<std::string> shown_command(const std::vector<std::string>& argv) {
  std::vector<std::string> out;
  size_t left = kShownBytes, cut = 0;
  for (const std::string& word : argv) {
    const size_t shown = std::min(word.size(), left);
    if (left > 0) out.push_back(word.substr(0, shown));
    cut += word.size() - shown;
    left -= std::min(left, word.size() + 1);  // an empty word takes room as well
  }
  if (cut > 0) out.back() += "...[cut, " + std::to_string(cut) + " bytes]";
  return out;
}

Result<RunInfo> parse_info(const std::string& text, const std::string& object) {
  const json data = json::parse(text, nullptr, false);
  if (!data.is_object()) return fail("read", object, EBADMSG);
  RunInfo info;
  try {
    data.at("id").get_to(info.id);
    data.at("name").get_to(info.name);
    data.at("policy").get_to(info.policy);
    data.at("policy_hash").get_to(info.policy_hash);
    data.at("about").get_to(info.about);
    data.at("workspace").get_to(info.workspace);
    data.at("workspace_mode").get_to(info.workspace_mode);
    data.at("argv").get_to(info.argv);
    data.at("started_ns").get_to(info.started_ns);
    data.at("supervisor").get_to(info.supervisor);
    data.at("box").get_to(info.box);
    data.at("wall_ms").get_to(info.wall_ms);
    data.at("degraded").get_to(info.degraded);
    info.where = data.value("where", "");
  } catch (const json::exception& e) {
    return fail("read", object, EBADMSG, e.what());
  }
  return info;
}

Result<UniqueFd> register_run(const std::string& directory) {
  TRY(sys::make_dirs(directory, 0700));
  const UniqueFd made = TRY(sys::open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  UniqueFd lock = TRY(sys::openat(made.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  TRY(sys::lock(lock.get()));
  return lock;
}

std::string text_of(const RunInfo& info) {
  const json data{{"v", 1},
                  {"id", info.id},
                  {"name", info.name},
                  {"policy", info.policy},
                  {"policy_hash", info.policy_hash},
                  {"about", info.about},
                  {"workspace", info.workspace},
                  {"workspace_mode", info.workspace_mode},
                  {"argv", info.argv},
                  {"started_ns", info.started_ns},
                  {"supervisor", info.supervisor},
                  {"box", info.box},
                  {"wall_ms", info.wall_ms},
                  {"degraded", info.degraded},
                  {"where", info.where}};
  return data.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<void> write_info(const std::string& directory, const RunInfo& info) {
  return sys::replace_file(directory + "/run.json", text_of(info), 0600);
}

Result<std::vector<RunInfo>> list_runs(const std::string& runtime) {
  auto root = sys::open(runtime + "/runs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!root && root.error().code == ENOENT) return std::vector<RunInfo>{};
  if (!root) return std::unexpected(root.error());
  std::vector<RunInfo> out;
  for (const sys::Entry& entry : TRY(sys::list(root->get()))) {
    if (!entry.name.starts_with("run_")) continue;
    const auto directory = sys::openat(root->get(), entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) continue;
    if (!held(*directory)) {
      // Between its making and its locking a directory is as young as this: the next look removes it.
      const auto st = sys::fstat(directory->get());
      if (st && ::time(nullptr) - st->st_mtime > 2) unregister_run(runtime + "/runs/" + entry.name);
      continue;
    }
    // Without: registered, not yet started.
    if (auto info = read_info(*directory, entry.name)) out.push_back(std::move(*info));
  }
  return out;
}

Result<RunInfo> find_run(const std::string& runtime, const std::string& name) {
  const auto runs = TRY(list_runs(runtime));
  std::vector<const RunInfo*> found;
  const auto begins = [&](const RunInfo& run) {  // every id begins with nothing
    return !name.empty() && (run.id.starts_with(name) || run.id.starts_with("run_" + name));
  };
  for (const RunInfo& run : runs)
    if (run.id == name || run.name == name || begins(run)) found.push_back(&run);
  if (found.empty()) return fail("run", printable(name), ENOENT, "no such run; 'alos ps' lists what runs");
  if (found.size() > 1) {
    for (const RunInfo* run : found)
      if (run->id == name) return *run;
    return fail("run", printable(name), EEXIST, "several runs are called so; give the id that 'alos ps' shows");
  }
  return *found.front();
}

void unregister_run(const std::string& directory) {
  auto fd = sys::open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return;
  (void)sys::remove_below(fd->get());
  ::rmdir(directory.c_str());
}

}  // namespace alos::host
