#include "supervisor/box/seccomp.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "base/sys.h"
#include "supervisor/box/seccomp_arguments.h"
#include "supervisor/box/seccomp_groups.h"
#include "supervisor/box/seccomp_ranges.h"

namespace alos::seccomp {
namespace {

// Not an answer: "the arguments decide nothing, ask the next stage". No filter of ours means TRACE.
constexpr uint32_t kGoOn = SCMP_ACT_TRACE(0x60);

// One libseccomp filter under construction.
class Stage {
 public:
  static Result<Stage> create(uint32_t otherwise, uint32_t foreign_entry, Layout layout) {
    Stage stage;
    stage.context_.reset(::seccomp_init(otherwise));
    if (!stage.context_) return fail("seccomp_init", "filter", ENOMEM);
    TRY(stage.set(SCMP_FLTATR_ACT_BADARCH, foreign_entry));
    TRY(stage.set(SCMP_FLTATR_CTL_OPTIMIZE, layout == Layout::fast ? 2 : 1));
    return stage;
  }

  Result<void> add(std::string_view call, uint32_t action, const std::vector<scmp_arg_cmp>& when) {
    return add(TRY(call_number(call)), action, when);
  }

  Result<void> add(int number, uint32_t action, const std::vector<scmp_arg_cmp>& when = {}) {
    const int rc =
        ::seccomp_rule_add_exact_array(context_.get(), action, number, static_cast<unsigned>(when.size()), when.data());
    if (rc < 0) return fail("seccomp_rule_add", "call " + std::to_string(number), -rc);
    return {};
  }

  Result<Program> finish() const {
    const UniqueFd file = TRY(sys::memfd("filter", "", false));
    if (const int rc = ::seccomp_export_bpf(context_.get(), file.get()); rc < 0)
      return fail("seccomp_export_bpf", "filter", -rc);
    if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail_errno("lseek", "filter");
    const std::string bytes = TRY(sys::read_file(file.get(), BPF_MAXINSNS * sizeof(sock_filter)));
    Program program(bytes.size() / sizeof(sock_filter));
    std::memcpy(program.data(), bytes.data(), program.size() * sizeof(sock_filter));
    return program;
  }

 private:
  struct Release {
    void operator()(void* context) const { ::seccomp_release(context); }
  };
  Stage() = default;
  Result<void> set(scmp_filter_attr attribute, uint32_t value) {
    if (const int rc = ::seccomp_attr_set(context_.get(), attribute, value); rc < 0)
      return fail("seccomp_attr_set", std::to_string(attribute), -rc);
    return {};
  }
  std::unique_ptr<void, Release> context_;
};

Result<Program> by_argument(const FilterOptions& options, Layout layout) {
  Stage stage = TRY(Stage::create(kGoOn, SCMP_ACT_KILL_PROCESS, layout));
  for (const ArgumentRule& rule : argument_rules(options)) TRY(stage.add(rule.call, rule.action, rule.when));
  return stage.finish();
}

using Answers = std::map<uint32_t, uint32_t>;

Result<Answers> answers_by_number() {
  Answers answers;
  const auto add = [&](std::string_view calls, uint32_t action) {
    return for_each_name(calls, [&](std::string_view call) -> Result<void> {
      if (!answers.emplace(TRY(call_number(call)), action).second) return fail("add to the filter", call, EEXIST);
      return {};
    });
  };
  for (const Group& group : groups()) TRY(add(group.calls, SCMP_ACT_ALLOW));
  for (const Refusal& refusal : refusals())
    TRY(add(refusal.calls, SCMP_ACT_ERRNO(static_cast<uint32_t>(refusal.answer))));
  return answers;
}

Result<Program> by_number(Layout layout) {
  constexpr uint32_t kNewer = SCMP_ACT_ERRNO(ENOSYS);
  const Answers answers = TRY(answers_by_number());
  if (layout == Layout::fast) return search_by_number(answers, kNewer);
  Stage stage = TRY(Stage::create(kNewer, SCMP_ACT_KILL_PROCESS, layout));
  for (const auto& [number, action] : answers)
    if (action != kNewer) TRY(stage.add(static_cast<int>(number), action));  // libseccomp wants no rule for its default
  return stage.finish();
}

// libseccomp has one default for a whole filter and no "unequal under a mask". A list of two filters needs neither:
// where the first says kGoOn it jumps to the second, which stands behind it and need not look at the entry again. Jumps
// in BPF are relative, so both stay as they are.
Result<Program> first_then(Program first, const Program& then) {
  const size_t end = first.size();
  for (size_t at = 0; at < end; ++at)
    if (first[at].code == (BPF_RET | BPF_K) && first[at].k == kGoOn)
      first[at] = BPF_JUMP(BPF_JMP | BPF_JA, static_cast<uint32_t>(end - at - 1), 0, 0);
  first.insert(first.end(), then.begin(), then.end());
  if (first.size() > BPF_MAXINSNS) return fail("join filters", "filter", E2BIG);
  return first;
}

}  // namespace

Result<Program> export_filter(const FilterOptions& options, Layout layout) {
  return first_then(TRY(by_argument(options, layout)), TRY(by_number(layout)));
}

Result<Program> export_rename_notify_filter(Layout layout) {
  constexpr uint64_t kHighWord = 0xffffffff00000000;
  // Foreign entries are the strict filter's to kill.
  Stage stage = TRY(Stage::create(SCMP_ACT_ALLOW, SCMP_ACT_ALLOW, layout));
  for (const char* call : {"rename", "renameat"}) TRY(stage.add(call, SCMP_ACT_NOTIFY, {}));
  TRY(stage.add("renameat2", SCMP_ACT_NOTIFY, {{4, SCMP_CMP_MASKED_EQ, kHighWord, 0}}));
  return stage.finish();
}

}  // namespace alos::seccomp
