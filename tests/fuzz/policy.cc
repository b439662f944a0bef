// A policy as its author writes it. Whatever it says: it loads or every problem has a place; what loads is planned or
// refused; the plan reads back from its archived form as it was written; and what the policy's tests and explain
// decide, the evaluator decides.

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

void must_be_placed(const policy::Problems& problems) {
  fuzz::must(!problems.empty(), "a refusal says why");
  for (const policy::Problem& problem : problems) fuzz::must(!problem.text.empty(), "a problem has words");
  policy::render(problems);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const policy::LoadOptions options{{"/shipped"}, {{"workspace", "/w"}}, policy::Missing::from_tests, {}};
  auto loaded = policy::load("./p.yaml", options, [text](const std::string& path) { return read(path, text); });
  if (!loaded) return must_be_placed(loaded.error()), 0;
  const policy::CompiledPolicy compiled = policy::compile(std::move(loaded->policy));
  policy::run_tests(compiled);
  const auto plan = policy::plan(compiled);
  if (!plan) return must_be_placed(plan.error()), 0;
  policy::lint(compiled, *plan);
  const std::string archived = encode(plan->box);
  const auto again = decode<policy::BoxPlan>(archived, "plan");
  fuzz::must(again && encode(*again) == archived, "an archived plan reads back as it was");
  for (const char* line : {"fs.read /w/a", "fs.write /usr/local/b", "fs.exec /usr/bin/c"}) {
    const auto request = policy::Request::parse(line);
    fuzz::must(policy::decide(compiled, *request).effect == policy::decide(compiled, *request).effect,
               "decide is pure");
  }
  return 0;
}
