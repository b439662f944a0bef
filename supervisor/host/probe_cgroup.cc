#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "base/digest.h"
#include "base/sys.h"
#include "supervisor/box/cgroup.h"
#include "supervisor/host/probe_parts.h"

namespace alos::host::parts {
namespace {

// The group that a box would get, made and removed again.
class TrialGroup {
 public:
  explicit TrialGroup(const std::string& parent) : path_(parent + "/alos-probe-" + random_hex(4)) {
    error_ = ::mkdir(path_.c_str(), 0755) == 0 ? 0 : errno;
  }
  TrialGroup(const TrialGroup&) = delete;
  TrialGroup& operator=(const TrialGroup&) = delete;
  ~TrialGroup() {
    if (error_ == 0) ::rmdir(path_.c_str());
  }
  int error() const { return error_; }
  bool takes(const std::string& file) const { return ::access((path_ + "/" + file).c_str(), W_OK) == 0; }
  bool shows(const std::string& file) const { return ::access((path_ + "/" + file).c_str(), R_OK) == 0; }

 private:
  std::string path_;
  int error_;
};

bool write_word(const std::string& file, const std::string& word) {
  const auto fd = sys::open(file, O_WRONLY);
  if (!fd) return errno = fd.error().code, false;
  return ::write(fd->get(), word.data(), word.size()) == static_cast<ssize_t>(word.size());
}

bool has_word(std::string_view list, std::string_view word) {
  for (size_t at = list.find(word); at != list.npos; at = list.find(word, at + 1)) {
    const bool begins = at == 0 || list[at - 1] == ' ';
    const bool ends = at + word.size() == list.size() || list[at + word.size()] == ' ';
    if (begins && ends) return true;
  }
  return false;
}

Controller refused(const std::string& directory, int error) {
  return {.form = Controller::Form::none,
          .directory = {},
          .reason = "no group can be made in " + directory + " (" + strerrorname_np(error) + ")"};
}

Controller try_v1(const std::string& directory, const std::string& file) {
  const TrialGroup group(directory);
  if (group.error() != 0) return refused(directory, group.error());
  if (!group.takes(file))
    return {.form = Controller::Form::none, .directory = {}, .reason = directory + " has no " + file};
  return {.form = Controller::Form::v1, .directory = directory, .reason = {}};
}

// Hands the controller down as a launch would, and takes that back (cgroups(7), "no internal processes": EBUSY where
// this process itself is in the group).
Controller try_v2(const std::string& directory, const std::string& controller, const std::string& file) {
  const std::string control = directory + "/cgroup.subtree_control";
  const bool already = has_word(setting(control), controller);
  if (!already && !write_word(control, "+" + controller)) {
    const bool busy = errno == EBUSY;
    return {.form = Controller::Form::none,
            .directory = {},
            .reason = busy ? directory + " holds processes of its own, so it cannot hand " + controller + " down"
                           : directory + " may not hand " + controller + " down (" + strerrorname_np(errno) + ")"};
  }
  Controller out;
  {
    const TrialGroup group(directory);
    if (group.error() != 0)
      out = refused(directory, group.error());
    else if (group.takes(file))
      out = {.form = Controller::Form::v2, .directory = directory, .reason = {}};
    else
      out.reason = directory + " has no " + file;
  }
  if (!already) write_word(control, "-" + controller);
  return out;
}

struct Wanted {
  const std::optional<box::Hierarchy>& where;
  const char* controller;
  const char* v1_file;
  const char* v2_file;
};

Controller try_controller(const Wanted& wanted) {
  if (!wanted.where)
    return {.form = Controller::Form::none,
            .directory = {},
            .reason = std::string("no cgroup with the ") + wanted.controller + " controller that this user may write"};
  return wanted.where->v2 ? try_v2(wanted.where->directory, wanted.controller, wanted.v2_file)
                          : try_v1(wanted.where->directory, wanted.v1_file);
}

// What every v2 group has without a controller: cpu.stat, cgroup.freeze (5.2).
Controller try_unified(const std::optional<box::Hierarchy>& unified, const std::string& file) {
  if (!unified)
    return {.form = Controller::Form::none, .directory = {}, .reason = "no cgroup v2 that this user may write"};
  const TrialGroup group(unified->directory);
  if (group.error() != 0) return refused(unified->directory, group.error());
  if (!group.shows(file))
    return {.form = Controller::Form::none, .directory = {}, .reason = unified->directory + " has no " + file};
  return {.form = Controller::Form::v2, .directory = unified->directory, .reason = {}};
}

Cgroups::Form form_of(const std::string& mountinfo) {
  const bool v1 = mountinfo.find(" - cgroup ") != mountinfo.npos;
  const bool v2 = mountinfo.find(" - cgroup2 ") != mountinfo.npos;
  return v1 && v2 ? Cgroups::Form::hybrid : v1 ? Cgroups::Form::v1 : v2 ? Cgroups::Form::v2 : Cgroups::Form::none;
}

}  // namespace

Result<void> cgroups(Facts& facts) {
  facts.cgroups.form = form_of(TRY(sys::read_file("/proc/self/mountinfo", 4 << 20)));
  const box::CgroupView view = TRY(box::view_cgroups());
  facts.cgroups.memory = try_controller({view.memory, "memory", "memory.limit_in_bytes", "memory.max"});
  facts.cgroups.pids = try_controller({view.pids, "pids", "pids.max", "pids.max"});
  facts.cgroups.cpu = try_controller({view.cpu, "cpu", "cpu.cfs_quota_us", "cpu.max"});
  facts.cgroups.usage =
      view.cpuacct ? try_v1(view.cpuacct->directory, "cpuacct.usage") : try_unified(view.unified, "cpu.stat");
  facts.cgroups.freezer =
      view.freezer ? try_v1(view.freezer->directory, "freezer.state") : try_unified(view.unified, "cgroup.freeze");
  return {};
}

}  // namespace alos::host::parts
