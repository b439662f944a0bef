#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "tests/unit/broker/served.h"

namespace alos::broker::test {

inline Setting workspace_rules() {
  return {.policy = rules({rule(policy::Effect::allow, policy::kAll, {"/w/**"}, "work"),
                           rule(policy::Effect::allow, policy::kRead, {"/r/**"}, "read"),
                           rule(policy::Effect::deny, policy::kAll, {"/w/secret/**", "/w/**/.env"}, "secrets")})};
}

// By primitives alone.
inline policy::FileRule brokered(policy::Rights rights, const std::string& path, const std::string& name) {
  policy::FileRule out = rule(policy::Effect::allow, rights, {path}, name);
  out.brokered = true;
  return out;
}

// A broker that serves file primitives in a tree with /w and /r, and a client of it.
class Files : public testing::Test {
 protected:
  Files() : Files(workspace_rules()) {}
  explicit Files(Setting setting) : served(std::move(setting)) {
    served.make_directory("/w");
    served.make_directory("/r");
  }
  Served served;
  std::unique_ptr<Client> client = served.connect();

  wire::Reply stat(const std::string& path, bool no_follow = false) {
    wire::Request request;
    request.mutable_fs_stat()->set_path(path);
    request.mutable_fs_stat()->set_no_follow(no_follow);
    return client->call(request);
  }
};

}  // namespace alos::broker::test
