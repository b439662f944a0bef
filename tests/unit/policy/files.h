#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "policy/load.h"
#include "policy/plan.h"

namespace alos::policy {

// Policies in memory: what load() reads instead of a file system.
struct Files {
  std::map<std::string, std::string> content;  // by path
  std::map<std::string, std::string> variables;
  Missing missing = Missing::refuse;
  std::vector<std::string> installed{};
  std::map<std::string, std::string> links{};  // of programs

  Reader reader() const {
    return [this](const std::string& path) -> Result<std::string> {
      const auto found = content.find(path);
      if (found == content.end()) return fail("open", path, ENOENT);
      return found->second;
    };
  }
  std::function<std::vector<std::string>(const std::string&)> way_of() const {
    return [this](std::string path) {
      std::vector<std::string> out;
      for (auto found = links.find(path); found != links.end(); found = links.find(path)) {
        out.push_back(path);
        path = found->second;
      }
      out.push_back(path);
      return out;
    };
  }
  Checked<Loaded> load(const std::string& name) const {
    return policy::load(
        name, {{"/shipped", "/installed"}, variables, missing, reader(), way_of(), [this] { return installed; }},
        reader());
  }
};

inline const std::string kHead = "alos: 1\n";

// The one file ./p.yaml, with a workspace at /w where it declares one.
inline Checked<Loaded> load_text(const std::string& yaml) {
  Files files{{{"./p.yaml", yaml}}, {}, Missing::refuse, {}};
  if (yaml.find("workspace: dir") != yaml.npos) files.variables["workspace"] = "/w";
  return files.load("./p.yaml");
}

// What a policy has to say to load, with `files` as its rules.
inline std::string with_rules(const std::string& rules, const std::string& more = "") {
  return kHead + "vars: {workspace: dir}\n" + more + "files:\n" + rules;
}

inline CompiledPolicy compiled(const std::string& yaml) {
  auto loaded = load_text(yaml);
  EXPECT_TRUE(loaded) << render(loaded ? Problems() : loaded.error());
  return compile(loaded ? std::move(loaded->policy) : Policy());
}

inline Effect decided(const CompiledPolicy& policy, const std::string& line) {
  auto request = Request::parse(line);
  EXPECT_TRUE(request) << line;
  return decide(policy, *request).effect;
}

// A policy with the plan of its box and what it was read from.
struct Whole {
  CompiledPolicy compiled;
  Plan plan;
  std::vector<SourceFile> sources;
};

inline Whole whole(const std::string& yaml) {
  auto loaded = load_text(yaml);
  EXPECT_TRUE(loaded) << render(loaded ? Problems() : loaded.error());
  Whole out{compile(loaded ? std::move(loaded->policy) : Policy()),
            {},
            loaded ? std::move(loaded->sources) : std::vector<SourceFile>()};
  auto made = plan(out.compiled);
  EXPECT_TRUE(made) << render(made ? Problems() : made.error());
  if (made) out.plan = std::move(*made);
  return out;
}

}  // namespace alos::policy
