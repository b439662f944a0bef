// A policy as its author writes it, and the same text as a project's own file. Whatever it says: it loads or every
// problem has words; what loads is planned or refused; the plan reads back from its archived form as it was written;
// a project's file gives nothing that the policy did not; and the policy reads back too, and decides as it did.

#include "base/archive.h"
#include "fuzz.h"
#include "policy/explain.h"
#include "policy/lint.h"
#include "policy/load.h"
#include "policy/plan.h"
#include "supervisor/box/spec.h"

namespace {

using namespace alos;

constexpr std::string_view kBase =
    "alos: 1\nabout: the system\nvars: {workspace: dir}\nfiles:\n  usr: {allow: rx, path: /usr/**}\n"
    "  tmp: {deny: w, path: /usr/local/**}\n";

Result<std::string> read(const std::string& path, std::string_view text) {
  if (path == "./p.yaml") return std::string(text);
  if (path == "/shipped/base.yaml") return std::string(kBase);
  return fail("open", path, ENOENT);
}

constexpr std::string_view kAround =
    "alos: 1\nextends: base\nproject: $workspace/.alos.yaml\nfiles: {all: {allow: rwx, path: $workspace/**}}\n";

void must_only_take_away(std::string_view text) {
  const policy::LoadOptions options{{"/shipped"},
                                    {{"workspace", "/w"}},
                                    policy::Missing::refuse,
                                    [text](const std::string&) -> Result<std::string> { return std::string(text); },
                                    {}};
  const auto around = [](const std::string& path) { return read(path, kAround); };
  auto loaded = policy::load("./p.yaml", options, around);
  if (!loaded) return;
  for (const policy::FileRule& rule : loaded->policy.files)
    fuzz::must(rule.effect == policy::Effect::deny || rule.source.file != ".alos.yaml",
               "a project's file allows nothing");
  const policy::CompiledPolicy compiled = policy::compile(std::move(loaded->policy));
  for (const char* line : {"fs.read /etc/shadow", "fs.write /usr/bin/a", "fs.read /", "fs.write /x"})
    fuzz::must(policy::decide(compiled, *policy::Request::parse(line)).effect != policy::Effect::allow,
               "what the policy does not allow stays so");
}

void must_be_placed(const policy::Problems& problems) {
  fuzz::must(!problems.empty(), "a refusal says why");
  for (const policy::Problem& problem : problems) fuzz::must(!problem.text.empty(), "a problem has words");
  policy::render(problems);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  must_only_take_away(text);
  const policy::LoadOptions options{{"/shipped"},
                                    {{"workspace", "/w"}},
                                    policy::Missing::refuse,
                                    [](const std::string& path) { return read(path, ""); },
                                    {}};
  auto loaded = policy::load("./p.yaml", options, [text](const std::string& path) { return read(path, text); });
  if (!loaded) return must_be_placed(loaded.error()), 0;
  const policy::CompiledPolicy compiled = policy::compile(std::move(loaded->policy));
  const auto plan = policy::plan(compiled);
  if (!plan) return must_be_placed(plan.error()), 0;
  policy::lint(compiled, *plan);
  policy::run_tests(compiled, *plan);
  const std::string archived = encode(plan->box);
  const auto again = decode<policy::BoxPlan>(archived, "plan");
  fuzz::must(again && encode(*again) == archived, "an archived plan reads back as it was");
  const auto rules = decode<policy::Policy>(encode(compiled.policy()), "policy");
  fuzz::must(rules.has_value(), "an archived policy reads back");
  const policy::CompiledPolicy same = policy::compile(*rules);
  for (const char* line :
       {"fs.read /w/a", "fs.write /usr/local/b", "fs.execute /usr/bin/c", "shell.run /opt/deploy web",
        "shell.run /opt/deploy --dry-run production", "clock.now", "clock.sleep 1h"}) {
    const auto request = policy::Request::parse(line);
    const policy::Decision one = policy::decide(compiled, *request), two = policy::decide(same, *request);
    fuzz::must(one.effect == two.effect && one.rule_name() == two.rule_name() && one.elevated == two.elevated,
               "an archived policy decides as it did");
    fuzz::must(!one.elevated || *one.elevated < plan->box.commands.size(), "what is elevated is in the plan");
  }
  return 0;
}
