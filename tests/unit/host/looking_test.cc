// Whoever only looks takes nothing: done here as fast as it goes, which programs beside each other do once in a while.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "supervisor/host/ids.h"
#include "supervisor/host/registry.h"
#include "supervisor/workspace/layer.h"

namespace alos::host {
namespace {

class Looking : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-looking-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    std::filesystem::create_directory(dir_ + "/workspace");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  // `act` while another thread does `look` over and over.
  void beside(const std::function<void()>& look, const std::function<void()>& act) {
    std::atomic<bool> over = false;
    std::thread looker([&] {
      while (!over) look();
    });
    act();
    over = true;
    looker.join();
  }
  std::string dir_;
};

TEST_F(Looking, at_a_layer_keeps_no_run_from_taking_it) {
  workspace::Request request;
  request.state = dir_;
  request.workspace = dir_ + "/workspace";
  request.owner = {::geteuid(), ::getegid()};
  request.run = "run_1";
  const std::string path = workspace::layers_directory(dir_) + "/" + workspace::layer_key(request.workspace);
  beside([&] { (void)workspace::holder(path); },
         [&] {
           for (int i = 0; i < 200; ++i) {
             const auto layer = workspace::open_or_create(request);
             ASSERT_TRUE(layer) << i << ": " << layer.error().text();
           }
         });
}

TEST_F(Looking, at_the_register_keeps_no_run_from_entering_it) {
  beside([&] { (void)list_runs(dir_); },
         [&] {
           for (int i = 0; i < 10'000; ++i) {
             const std::string directory = dir_ + "/runs/run_" + std::to_string(i % 8);
             const auto lock = register_run(directory);
             ASSERT_TRUE(lock) << i << ": " << lock.error().text();
           }
         });
}

TEST_F(Looking, for_a_free_id_keeps_nobody_from_the_one_that_is_kept_for_him) {
  uid_t kept = 0;
  {
    const auto id = take_id(dir_);
    ASSERT_TRUE(id) << id.error().text();
    ASSERT_TRUE(reserve_id(*id, dir_ + "/workspace"));
    kept = id->id;
  }
  beside([&] { (void)take_id(dir_); },
         [&] {
           for (int i = 0; i < 10'000; ++i) {
             const auto id = take_same_id(dir_, kept);
             ASSERT_TRUE(id) << i << ": " << id.error().text();
           }
         });
  EXPECT_NE(take_id(dir_)->id, kept);
}

}  // namespace
}  // namespace alos::host
