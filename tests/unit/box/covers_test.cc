#include "supervisor/box/covers.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/box/sources.h"

namespace alos::box {
namespace {

using policy::WorkspaceMode;
using testing::ElementsAre;
using testing::IsEmpty;

// Without masks nothing is opened: places need no sources.
class Nested {
 public:
  explicit Nested(WorkspaceMode mode) {
    plan_.workspace_mode = mode;
    if (mode != WorkspaceMode::none) plan_.workspace = "/w";
  }
  void place(const std::string& target, policy::Rights rights, bool directory = true) {
    if (std::ranges::count(places_, target, &Place::target) > 0) return;
    Place out;
    out.target = target;
    out.directory = directory;
    out.access = landlock_access(rights);
    places_.push_back(std::move(out));
    order_places(places_);
  }
  std::vector<std::string> pinned(const Between& between = {}) const {
    const auto covers = find_covers(plan_, {}, {}, places_, {}, false, between);
    EXPECT_TRUE(covers) << covers.error().text();
    std::vector<std::string> out;
    for (const Cover& cover : *covers) {
      EXPECT_EQ(cover.kind, Cover::Kind::pin) << cover.target;
      EXPECT_TRUE(cover.directory);
      out.push_back(cover.target);
    }
    return out;
  }

  // What the box could rename with a place in it: by the one place that shows it, and for good.
  std::vector<std::string> renamable() const {
    std::vector<std::string> out;
    for (const Place& place : places_)
      for (std::string at = above(place.target); at.size() > 1; at = above(at)) {
        const Place* shows = nullptr;
        for (const Place& other : places_)
          if (lies_below(at, other.target) && (!shows || other.target.size() > shows->target.size())) shows = &other;
        if (!shows || shows->target == at || (shows->access & landlock_access(policy::kWrite)) == 0) continue;
        if (plan_.workspace_mode == WorkspaceMode::layer && lies_below(at, plan_.workspace)) continue;
        out.push_back(at);
      }
    return out;
  }
  std::string shown() const {
    std::string out;
    for (const Place& place : places_)
      out += place.target + ((place.access & landlock_access(policy::kWrite)) != 0 ? " w\n" : "\n");
    return out;
  }
  const std::vector<Place>& places() const { return places_; }

 private:
  static std::string above(const std::string& path) { return path.substr(0, path.rfind('/')); }

  policy::BoxPlan plan_;
  std::vector<Place> places_;
};

constexpr policy::Rights kReadWrite = policy::kRead | policy::kWrite;

TEST(Covers, directories_on_the_way_to_a_nested_mount_are_pinned) {
  for (const WorkspaceMode mode : {WorkspaceMode::direct, WorkspaceMode::copy}) {
    Nested box(mode);
    box.place("/w", kReadWrite);
    box.place("/w/x/y/b", policy::kRead);
    EXPECT_THAT(box.pinned(), ElementsAre("/w", "/w/x", "/w/x/y"));
  }
  Nested outside(WorkspaceMode::none);
  outside.place("/srv", kReadWrite);
  outside.place("/srv/x/file", policy::kRead, false);
  EXPECT_THAT(outside.pinned(), ElementsAre("/srv", "/srv/x"));
}

TEST(Covers, what_the_box_cannot_rename_for_good_is_not_pinned) {
  Nested layer(WorkspaceMode::layer);
  layer.place("/w", kReadWrite);
  layer.place("/w/x/b", policy::kRead);
  EXPECT_THAT(layer.pinned(), IsEmpty());
  Nested readable(WorkspaceMode::direct);
  readable.place("/w", policy::kRead);
  readable.place("/w/x/b", kReadWrite);
  EXPECT_THAT(readable.pinned(), IsEmpty());
}

TEST(Covers, whatever_is_placed_no_directory_above_it_can_be_renamed_for_good) {
  std::mt19937 random(20261129);
  const auto one_of = [&](size_t n) { return static_cast<size_t>(random() % n); };
  size_t held = 0;
  for (int round = 0; round < 4000; ++round) {
    Nested box(
        std::array{WorkspaceMode::none, WorkspaceMode::layer, WorkspaceMode::copy, WorkspaceMode::direct}[one_of(4)]);
    for (size_t n = 1 + one_of(6); n > 0; --n) {
      std::string path = one_of(2) == 0 ? "/w" : "/s";
      for (size_t depth = one_of(5); depth > 0; --depth) path += one_of(2) == 0 ? "/a" : "/b";
      box.place(path, one_of(2) == 0 ? kReadWrite : policy::kRead | policy::kExecute);
    }
    const std::vector<std::string> pinned = box.pinned();
    for (const std::string& directory : box.renamable())
      ASSERT_EQ(std::ranges::count(pinned, directory), 1) << directory << " in\n" << box.shown();
    held += box.renamable().size();
    for (const std::string& directory : pinned)
      ASSERT_TRUE(std::ranges::any_of(
          box.places(),
          [&](const Place& place) { return place.target != directory && lies_below(place.target, directory); }))
          << directory << " holds nothing in\n"
          << box.shown();
  }
  EXPECT_GT(held, 1000U) << "or nothing was asked";
}

// An agent decides how long that takes.
TEST(Covers, limits_are_looked_at_above_each_nested_mount) {
  Nested box(WorkspaceMode::direct);
  box.place("/w", kReadWrite);
  box.place("/w/x/y/b", policy::kRead);
  int looks = 0;
  EXPECT_EQ(box.pinned([&]() -> Result<void> { return ++looks, Result<void>{}; }).size(), 3U);
  EXPECT_EQ(looks, 6) << "as each is found, and as each is taken";
}

class Restricted : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-covers-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    for (const char* directory : {"/kept/a/b", "/other"}) std::filesystem::create_directories(top_ + directory);
    for (const char* file : {"/kept/f", "/kept/a/f", "/kept/a/b/f", "/other/f"}) std::ofstream(top_ + file) << file;
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  // Names in the tree of what is restricted when `denied` is taken from all in kept/.
  std::vector<std::string> covered(policy::Rights denied, bool pin) const {
    policy::BoxPlan plan;
    policy::BoxMask mask;
    mask.pattern = "/t/kept/**";
    mask.denied = denied;
    mask.pin_parents = pin;
    plan.masks.push_back(mask);
    std::vector<Place> places(1);
    places[0].target = "/t";
    places[0].access = landlock_access(policy::kAll);
    auto source = sys::open(top_, O_PATH | O_DIRECTORY);
    EXPECT_TRUE(source);
    places[0].source = std::move(*source);
    const auto covers = find_covers(plan, {}, {}, places, {}, false);
    EXPECT_TRUE(covers) << covers.error().text();
    std::vector<std::string> out;
    for (const Cover& cover : *covers) out.push_back((cover.kind == Cover::Kind::pin ? "pin " : "") + cover.target);
    return out;
  }
  std::string top_;
};

// Else a tree of many files would be as many mounts, and at 10,000 no box.
TEST_F(Restricted, what_makes_read_only_is_one_mount_for_all_below_it) {
  EXPECT_THAT(covered(policy::kWrite, false), ElementsAre("/t/kept"));
  EXPECT_THAT(covered(policy::kWrite, true), ElementsAre("pin /t", "/t/kept"));
}

// The names of what may only not be run are the box's to change.
TEST_F(Restricted, what_may_be_written_is_held_piece_by_piece) {
  EXPECT_THAT(covered(policy::kExecute, true), ElementsAre("pin /t", "/t/kept", "/t/kept/a", "/t/kept/a/b",
                                                           "/t/kept/a/b/f", "/t/kept/a/f", "/t/kept/f"));
}

}  // namespace
}  // namespace alos::box
