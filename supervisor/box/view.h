#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/follow_links.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/box_plan.h"
#include "supervisor/box/deep_walk.h"
#include "supervisor/box/layout.h"

namespace alos::box {

// The box's file system before there is one: what a path of it will show, from what is to be placed. What a box has of
// its own (/tmp, /proc, its home) shows nothing of the host, and nothing here.
class View {
 public:
  // `host` is the directory that a layer or a copy was made of; none where the workspace is written directly. `between`
  // is called before each name that follow() looks at.
  View(const policy::BoxPlan& plan, std::span<const Place> places, const UniqueFd& host, Between between = {})
      : plan_(plan), places_(places), host_(host), between_(std::move(between)) {}

  std::span<const Place> places() const { return places_; }
  // The place that shows a path of the box, nullptr if none does.
  const Place* place_of(std::string_view path) const;
  // The places below a path, which it shows as a whole.
  std::vector<const Place*> places_below(std::string_view path) const;
  // Opened by O_PATH, at any depth and without following links; nothing where it is absent.
  Result<std::optional<UniqueFd>> open(const std::string& path) const;
  // The host's own file behind a path of the workspace, when it lies in a layer or a copy.
  std::optional<struct stat> behind(const std::string& path) const;
  // The same for a directory, open for reading.
  std::optional<UniqueFd> directory_behind(const std::string& path) const;
  // A link of the layer or copy that the host has none for: an agent made it.
  bool made_by_agent(const std::string& link) const;
  // The policy lets the box write what the place of `path` shows.
  bool writable(const std::string& path) const;

  // Where a path, taken from the directory `from`, leads in the box. A link that an agent made leads nowhere: it shows
  // nothing that the agent could not open as it made it.
  Result<Followed> follow(const std::string& from, std::string_view path);

 private:
  Result<OnTheWay> look(const std::string& path) const;
  bool layered(std::string_view path) const;

  const policy::BoxPlan& plan_;
  std::span<const Place> places_;
  const UniqueFd& host_;
  Between between_;
  std::map<std::string, OnTheWay> seen_;  // to look once
  size_t seen_bytes_ = 0;
};

}  // namespace alos::box
