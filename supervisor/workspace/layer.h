#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "supervisor/workspace/denies.h"
#include "supervisor/workspace/image.h"
#include "supervisor/workspace/overlay.h"
#include "supervisor/workspace/tree.h"

// The place where an agent's writes land: <state>/layers/<key>/, key = first 16 hex digits of the digest of the
// canonical workspace path.
//
//   layer.json   what is known about it (Record), replaced whole
//   upper/ work/ the overlay's directories, in mode layer
//   copy/        the agent's own copy of the tree, in mode copy, and manifest (manifest.h)
//   image        an ext4 file system that holds upper/, work/, copy/ and staging/ instead (image.h)
//   staging/     half-made things of our own; emptied whenever the layer is taken
//   lock         locked (sys::lock) while a run or an apply uses the layer; its text names who
//   applied, apply.journal   see journal.h
namespace alos::workspace {

enum class Mode : uint8_t { layer, copy };
struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
  bool operator==(const Owner&) const = default;
};

struct Run {
  std::string id;
  int64_t started_ns = 0;
};

// A directory that the agent renamed, paths relative to the workspace. The layer holds it as a deletion and additions
// once part of it was applied; what belongs together is remembered here, so that nothing is deleted whose new place
// stays.
struct Rename {
  std::string from, to;
  bool operator==(const Rename&) const = default;
};

// Which directory a layer belongs to, whatever stands at its path later. All 0: not known, in a record of an earlier
// version.
struct Identity {
  uint64_t device = 0, inode = 0;
  int64_t born_ns = 0;  // 0 where the file system keeps none
  // A device's number may be another after a reboot (dm, btrfs, tmpfs): it counts only where no birth time does.
  bool same(const Identity& other) const {
    return inode == other.inode && born_ns == other.born_ns && (born_ns != 0 || device == other.device);
  }
  bool known() const { return inode != 0; }
};

struct Record {
  std::string workspace;  // canonical host path
  Identity identity;      // of the workspace when the layer was made
  Mode mode = Mode::layer;
  Form form = Form::user;
  Owner owner;           // of the files in upper/ or copy/ as the host sees them
  int64_t stamp_ns = 0;  // a host file whose ctime is later was changed behind the agent's back
  // Mode copy: when the copy was complete. What has an older ctime in copy/ was not touched by the agent. 0: not yet.
  int64_t copied_ns = 0;
  uint64_t image_bytes = 0;  // size of the image that holds the content; 0: it lies in the directory itself
  mode_t root_mode = 0;      // of the workspace's own directory when the layer began; 0: not known
  std::string policy;
  std::string policy_hash;
  std::vector<LayerDeny> layer_denies;
  std::vector<Rename> renames;
  std::vector<Run> runs;  // since the layer was last without changes
};

// Errors of both: EILSEQ for what is no layer.json of this version; never an exception.
Result<std::string> encode(const Record& record);
Result<Record> decode(const std::string& json);

std::string layer_key(const std::string& workspace);
std::string layers_directory(const std::string& state);

// A layer that is held: its lock is released with it.
class Layer {
 public:
  Record record;
  std::string path;
  UniqueFd dir;
  UniqueFd lock;         // empty when it was only looked at
  UniqueFd upper;        // mode layer
  UniqueFd work;         // mode layer
  UniqueFd copy;         // mode copy
  MountedImage disk;     // where upper/, work/, copy/ and staging/ are, when they are in an image
  bool pending = false;  // something is in it that is not on the host; mode copy: a copy was made and may differ

  int base() const { return disk.root ? disk.root.get() : dir.get(); }
  int content() const { return record.mode == Mode::layer ? upper.get() : copy.get(); }
  // The first run since the layer was without changes; empty when nothing is pending or no run was recorded.
  std::string pending_since() const { return pending && !record.runs.empty() ? record.runs.front().id : ""; }
  // Writes layer.json: a temporary file, synced, renamed.
  Result<void> save() const;
  // Puts a line about its holder into the lock file, for whoever finds it taken.
  Result<void> hold(const std::string& who) const;
};

struct Request {
  std::string state;      // the state directory
  std::string workspace;  // canonical, an existing directory
  Mode mode = Mode::layer;
  Form form = Form::user;
  Owner owner;
  uint64_t image_bytes = 0;  // of an image to hold the content (image.h); as root only. 0: none
  std::string run;           // who takes it: shown to others while it is held
  std::string policy;
  std::string policy_hash;
  std::vector<LayerDeny> layer_denies;
};

// For a run: makes or takes the layer, locked. The lock descriptor must live as long as anything writes to the layer.
// Records the run. With nothing pending the stamp is taken anew and owner, mode and form follow the request; with
// changes pending they stay, and the caller has to mount with record.owner and record.form. The denies of earlier runs
// stay as long as their changes do. Errors: EBUSY (another run holds it), EXDEV when mode
// or form differ from what is pending.
Result<Layer> open_or_create(const Request& request);
enum class Access : uint8_t {
  look,    // never waits; `lock` stays empty and what is read may change
           // meanwhile. Ends what a killed apply left
  change,  // exclusive: EBUSY, naming the holder, while a run uses it
};
// For tools. Errors: ENOENT when the workspace has no layer.
Result<Layer> open_layer(const std::string& state, const std::string& workspace, Access access);
Result<Layer> open_layer_at(const std::string& path, Access access);
// Paths of all layers, whatever state they are in.
Result<std::vector<std::string>> list_layers(const std::string& state);
// Who holds it now, empty when nobody does.
std::string holder(const std::string& path);

// A directory of this user's that an agent may have closed to its owner (chmod 000): that is taken back where it keeps
// this process out, as it does not keep out root or a user namespace of the owner's. Errors: EPERM where it is
// another's.
Result<UniqueFd> open_own(int dir, const std::string& name);

// The layer's workspace, to be read or changed. Everything that goes to the host begins here. Errors: ENOENT, ENOTDIR,
// ELOOP (a link stands in its path), ESTALE (another directory than the layer was made for is there).
Result<Tree> open_workspace(const Record& record);
// It is not at its path, or something else is.
bool is_gone(const Record& record);

// What the kernel would stamp a file with now, by asking it for one: since 6.13 that may be ahead of
// CLOCK_REALTIME_COARSE, and a stamp that lags makes conflicts of files written just before.
int64_t stamp_now(int dir);
// Stamp anew, nothing applied, no run recorded: for a layer without changes. Does not save.
void restart(Layer& layer);
// An empty scratch directory in the layer, on the file system of its content.
Result<UniqueFd> staging(const Layer& layer);

}  // namespace alos::workspace
