#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/rules.h"

namespace alos::policy {

// What may be given up, by a policy's `degrade` and by --degrade: layers, limits and the serving of primitives, which a
// machine can lack. `wall` and `open-files` need nothing of the machine.
inline constexpr std::array<std::string_view, 8> kDegradable = {"landlock",  "mdwe", "broker",   "memory",
                                                                "processes", "cpus", "cpu-time", "disk"};

// What a policy asks of a box, enforcer by enforcer, before anything of the host is looked at. The launcher carries it
// out: it resolves globs, opens what is mounted and masks what exists. Pure data; the launcher's only input besides the
// run's own arguments.

// A plain, permanent allow: a mount with a Landlock rule of the same rights.
struct BoxMount {
  std::string path;  // canonical; `*` in it is expanded on the host at launch, a `\` before it makes it literal
  bool glob = false;
  bool tree = false;      // the rule said "path/**": the directory with all below it, else the one node
  Rights rights;          // union of what the rules that name this path allow, what a plain deny takes away removed
  bool optional = false;  // absent on the host: skipped. Otherwise its absence refuses the launch.
  std::string rule;
  Source source;
};

// A deny below something that is mounted. What matches at launch is covered: by a mode-000 node where reading is
// denied, by a read-only or noexec mount of itself where only writing or executing is.
struct BoxMask {
  std::string pattern;              // policy pattern language, absolute
  std::vector<std::string> except;  // patterns that the same rule leaves alone
  Rights denied;
  bool pin_parents =
      false;  // written directly, or a copy that lasts: parents become mount points, so that they cannot be renamed
  std::string rule;
  std::string reason;
  Source source;
};

enum class WorkspaceMode : uint8_t { none, layer, direct, copy };
std::string_view name(WorkspaceMode mode);

// Who holds `disk` for a layer: an image of that size, whatever the agent does; or the launcher, by looking.
inline constexpr uint64_t kDiskByImage = 1, kDiskByWatching = 2;

struct Limits {
  std::optional<uint64_t> memory;       // bytes, the whole box
  std::optional<uint64_t> processes;    // threads counted, as the kernel does
  std::optional<uint64_t> cpus_milli;   // thousandths of a core
  std::optional<uint64_t> cpu_time_ms;  // CPU time of the whole box
  std::optional<uint64_t> wall_ms;      // from start to end, sleeping included
  std::optional<uint64_t> disk;         // bytes: layer and private temporary space together
  std::optional<uint64_t> disk_by;      // kDiskByImage, kDiskByWatching; the smaller is the stricter, as of every limit
  std::optional<uint64_t> open_files;   // per process
};

// An allow of `commands`: a run that gets more than the agent's own box (policy.md, "Commands").
struct BoxCommand {
  std::string rule;
  std::string usage;             // the usage line, variables replaced; usage.h reads and matches it
  std::string program;           // the file that is run, absolute, whatever argv[0] is spelled like
  std::vector<BoxMount> mounts;  // host paths beyond the agent's box, r or rw: the run is elevated
  std::vector<BoxMask> masks;    // what denies take away in those
  Source source;
};

// What `clock.sleep` may ask for; nothing set: the policy has no such rule, and sleeping is denied.
struct ClockLimits {
  std::optional<uint64_t> each_ms;   // one sleep
  std::optional<uint64_t> total_ms;  // all sleeps of a run together, by what was asked for
};

struct BoxPlan {
  std::string policy;  // name or file as shown to people
  std::string about;
  std::string hash;  // hex of the digest over every source and variable

  std::vector<BoxMount> mounts;
  std::vector<BoxMask> masks;
  // Reached by primitives alone (`audit: each`): absent from the box, part of the broker's view. Rights may be finer
  // than a mount can give; what is denied within them decide() says.
  std::vector<BoxMount> brokered;
  std::vector<BoxMask> brokered_masks;  // what denies and exceptions take out of that
  std::vector<BoxCommand> commands;     // the allows, by name: Decision::elevated is a place in it
  bool no_commands = false;             // `commands: none`: shell.run is denied altogether
  ClockLimits clock;
  // Denies that hold for what may leave the layer: checked again at apply, over every path in it.
  std::vector<BoxMask> layer_denies;
  std::vector<std::string> printed;  // what `degrade` gave up, a line each; shown at start and audited

  WorkspaceMode workspace_mode = WorkspaceMode::none;
  std::string workspace;                 // canonical host path, empty with mode none
  std::optional<std::string> keep_home;  // name of the home that lasts; fresh otherwise

  Limits limits;
  std::vector<std::string> degrade;  // of kDegradable: may be missing

  std::vector<std::string> env_pass;
  std::map<std::string, std::string> env_set;

  bool memory_deny_write_execute = false;  // MDWE; programs with a JIT do not run under it
};

// Paths that every box has of its own: private, or made by the launcher; never the host's. decide() knows them as rule
// "box", built in.
inline constexpr const char* kBoxHome = "/home/agent";
inline constexpr const char* kBoxWritable[] = {"/tmp/**", "/dev/shm/**", "/home/agent/**"};
inline constexpr const char* kBoxReadable[] = {"/proc/**",   "/dev/**",       "/etc/passwd",      "/etc/group",
                                               "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/nsswitch.conf"};
// What programs in a box speak to alos with: alos-call, and clients for languages. The installation's own, read and
// run.
inline constexpr const char* kBoxClients = "/alos";
inline constexpr const char* kBoxPrograms[] = {"/alos/**"};
// Devices among them that are written as well.
inline constexpr const char* kBoxDevices[] = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                              "/dev/urandom", "/dev/tty",  "/dev/ptmx", "/dev/pts/**"};

}  // namespace alos::policy
