#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/box_plan.h"
#include "policy/pattern.h"
#include "policy/rules.h"

namespace alos::policy {

// What the kernel does with a plan, for what is there when the box starts: the nearest mount decides, and what covers a
// directory covers everything below it. decide() is asked about names; this says what they come to in a box. Of what
// the box makes later it says nothing, nor of the box's own places.
class PlannedBox {
 public:
  // Keeps pointers into the plan's masks.
  explicit PlannedBox(const BoxPlan& plan);

  struct Kept {
    bool mounted = false;           // the host's path is shown
    bool allowed = false;           // and can be used so
    const BoxMask* mask = nullptr;  // what refuses; none: the mount gives no such right
    std::string covered;            // the path that the mask is on: the one asked for, or a directory above it
  };
  // `path` is canonical. Listing asks for a directory; anything else of a path that a mask matches is of a file.
  Kept kept(Right right, std::string_view path) const;

  // A directory of the box's own, with nothing in it but the way to what is mounted below.
  bool leads_on(std::string_view path) const;
  // A mount is a glob: which paths it names shows only at launch.
  bool globs() const { return globs_; }

 private:
  struct Mount {
    size_t depth;
    Rights rights;
    std::string path, prefix;
    Pattern pattern;  // of a glob
    bool glob, tree;

    bool shows(std::string_view at) const;
  };
  struct Mask {
    const BoxMask* mask;
    Pattern pattern;
    std::vector<Pattern> except;
  };
  bool mounted(std::string_view path) const;
  const BoxMask* mask_on(Right right, std::string_view path, bool directory) const;

  std::vector<Mount> mounts_;
  std::vector<Mask> masks_;
  bool globs_ = false;
};

}  // namespace alos::policy
