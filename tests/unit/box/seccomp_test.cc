#include "supervisor/box/seccomp.h"

#include <gmock/gmock.h>
#include <linux/audit.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>

#include "supervisor/box/seccomp_groups.h"
#include "supervisor/box/seccomp_ranges.h"
#include "tests/unit/box/bpf.h"
#include "tests/unit/box/expectation.h"

namespace alos::seccomp {
namespace {

using testing::call_name;
using testing::expected_answer;
using testing::kNewestCall;
using testing::run;
using testing::values_worth_trying;
using testing::Verdict;

constexpr uint32_t kArchX86_64 = AUDIT_ARCH_X86_64;
constexpr uint32_t kArchI386 = AUDIT_ARCH_I386;
constexpr uint32_t kArchAArch64 = AUDIT_ARCH_AARCH64;
constexpr uint32_t kX32Bit = 0x40000000;

seccomp_data call(uint32_t number, std::initializer_list<uint64_t> args = {}, uint32_t arch = kArchX86_64) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  std::ranges::copy(args, data.args);
  return data;
}

std::string text(const seccomp_data& c) {
  std::string out = std::string(call_name(static_cast<uint32_t>(c.nr))) + " nr " + std::to_string(c.nr) + " arch " +
                    std::to_string(c.arch) + " args";
  for (const auto arg : c.args) out += " " + std::to_string(arg);
  return out;
}

// The value itself, and what a comparison of the wrong width or kind would take for it.
std::vector<uint64_t> disguises(uint64_t v) {
  return {v,    v + (1ull << 32), v | (1ull << 63), v | 0xffffffff00000000, v | 0x80000000, v ^ 1, v + 1, v - 1, ~v, 0,
          ~0ull};
}

// Every combination of the values worth trying; each value in turn in its disguises, with the others plain.
template <class F>
void for_each_argument_list(uint32_t number, F each) {
  const auto& values = values_worth_trying(number);
  if (values.empty()) {
    for (const uint64_t v : {0ull, ~0ull, 1ull << 32, 0x5412ull, 0x10000000ull}) each(call(number, {v, v, v, v, v, v}));
    return;
  }
  std::vector<size_t> at(values.size(), 0);
  for (bool more = true; more;) {
    seccomp_data c = call(number);
    for (size_t i = 0; i < values.size(); ++i) c.args[i] = values[i][at[i]];
    for (size_t i = 0; i < values.size(); ++i) {
      seccomp_data disguised = c;
      for (const uint64_t v : disguises(c.args[i])) {
        disguised.args[i] = v;
        each(disguised);
      }
    }
    more = false;
    for (size_t i = 0; i < values.size() && !more; ++i) {
      at[i] = (at[i] + 1) % values[i].size();
      more = at[i] != 0;
    }
  }
}

class Filter : public ::testing::TestWithParam<FilterOptions> {
 protected:
  void SetUp() override {
    auto fast = export_filter(GetParam(), Layout::fast);
    ASSERT_TRUE(fast) << fast.error().text();
    auto plain = export_filter(GetParam(), Layout::plain);
    ASSERT_TRUE(plain) << plain.error().text();
    fast_ = std::move(*fast);
    plain_ = std::move(*plain);
  }

  // False, with a failure reported, where either program answers otherwise than expected.
  bool answers_as_expected(const seccomp_data& c) {
    const uint32_t expected = expected_answer(c, GetParam());
    const auto fast = run(fast_, c), plain = run(plain_, c);
    const bool good = fast && plain && fast->action == expected && plain->action == expected;
    if (!good) {
      ADD_FAILURE() << text(c) << std::hex << "\n  expected " << expected << "\n  fast     "
                    << (fast ? fast->action : ~0u) << "\n  plain    " << (plain ? plain->action : ~0u);
      return ++wrong_ < 20;
    }
    ++checked_;
    worst_ = std::max(worst_, fast->steps);
    return true;
  }

  Program fast_, plain_;
  int wrong_ = 0, checked_ = 0, worst_ = 0;
};

TEST_P(Filter, every_call_with_every_edge_argument_is_answered_as_the_table_says) {
  for (uint32_t number = 0; number <= kNewestCall + 200; ++number)
    for_each_argument_list(number, [&](const seccomp_data& c) {
      if (wrong_ < 20) answers_as_expected(c);
    });
  std::cout << checked_ << " calls checked, at most " << worst_ << " instructions each\n";
  EXPECT_GT(checked_, 50'000);
}

TEST_P(Filter, foreign_entries_are_killed_whatever_the_call) {
  for (uint32_t number = 0; number <= kNewestCall + 200; ++number)
    for (const uint32_t arch : {kArchI386, kArchAArch64, 0u, ~0u, kArchX86_64 ^ 1})
      ASSERT_TRUE(answers_as_expected(call(number, {}, arch)));
  for (uint32_t number = 0; number <= kNewestCall + 200; ++number)
    ASSERT_TRUE(answers_as_expected(call(kX32Bit | number)));
}

TEST_P(Filter, numbers_that_no_kernel_has_look_like_an_old_kernel) {
  for (const uint32_t number : {470u, 1000u, 0x3fffffffu, 0xffffffffu}) {
    ASSERT_TRUE(answers_as_expected(call(number)));
    EXPECT_EQ(run(fast_, call(number))->action, SECCOMP_RET_ERRNO | ENOSYS) << number;
  }
  for (const uint32_t number : {0x40000000u, 0x7fffffffu, 0x80000000u, 0xfffffffeu})
    ASSERT_TRUE(answers_as_expected(call(number)));
}

TEST_P(Filter, fast_and_plain_layout_agree_on_random_calls) {
  std::mt19937_64 random(20251101);
  const auto word = [&]() -> uint64_t {
    const uint64_t v = random();
    switch (v % 5) {
      case 0:
        return v >> 3;
      case 1:
        return (v >> 3) % 64;
      case 2:
        return 1ull << ((v >> 3) % 64);
      case 3:
        return 0x5400 + (v >> 3) % 0x40;
      default:
        return ((v >> 3) % 64) | (1ull << (32 + v % 32));
    }
  };
  for (int i = 0; i < 300'000; ++i) {
    auto c = call(static_cast<uint32_t>(random() % (kNewestCall + 10)),
                  {word(), word(), word(), word(), word(), word()}, i % 50 == 0 ? kArchI386 : kArchX86_64);
    // Most calls do not depend on arguments; look at those that do as often.
    if (i % 2)
      while (values_worth_trying(static_cast<uint32_t>(c.nr)).empty()) c.nr = static_cast<int>(random() % 400);
    ASSERT_TRUE(answers_as_expected(c));
  }
}

TEST_P(Filter, common_calls_take_few_instructions) {
  for (const uint32_t number : {0u, 1u, 9u, 16u, 39u, 41u, 56u, 59u, 202u, 228u, 257u, 262u}) {
    const auto fast = run(fast_, call(number)), plain = run(plain_, call(number));
    std::cout << call_name(number) << ": " << fast->steps << " instructions (plain " << plain->steps << ")\n";
    RecordProperty(std::string(call_name(number)), fast->steps);
    EXPECT_LE(fast->steps, 48) << call_name(number);
  }
  std::cout << "program: " << fast_.size() << " instructions\n";
  EXPECT_LE(fast_.size(), 480u);
}

std::string option_names(const ::testing::TestParamInfo<FilterOptions>& options) {
  const bool internet = options.param.internet == Internet::allowed;
  const bool strict = options.param.write_execute == WriteExecute::refused;
  const bool group = options.param.set_group == SetGroup::allowed;
  return std::string(internet ? "internet" : "unix_only") + (strict ? "_no_write_execute" : "") +
         (group ? "_set_group" : "");
}

INSTANTIATE_TEST_SUITE_P(, Filter,
                         ::testing::Values(FilterOptions{},  //
                                           FilterOptions{.internet = Internet::allowed},
                                           FilterOptions{.write_execute = WriteExecute::refused},
                                           FilterOptions{.set_group = SetGroup::allowed},
                                           FilterOptions{.internet = Internet::allowed, .set_group = SetGroup::allowed},
                                           FilterOptions{.internet = Internet::allowed,
                                                         .write_execute = WriteExecute::refused,
                                                         .set_group = SetGroup::allowed},
                                           FilterOptions{.internet = Internet::allowed,
                                                         .write_execute = WriteExecute::refused}),
                         option_names);

TEST(Groups, every_call_stands_in_exactly_one_row) {
  std::vector<int> seen(kNewestCall + 1, 0);
  const auto count = [&](std::string_view name) -> Result<void> {
    ++seen[static_cast<size_t>(TRY(call_number(name)))];
    return {};
  };
  for (const Group& group : groups()) {
    EXPECT_TRUE(for_each_name(group.calls, count));
    EXPECT_FALSE(group.purpose.empty()) << group.name;
  }
  for (const Refusal& refusal : refusals()) {
    EXPECT_TRUE(for_each_name(refusal.calls, count));
    EXPECT_FALSE(refusal.reason.empty()) << refusal.calls;
  }
  for (uint32_t number = 0; number <= kNewestCall; ++number)
    EXPECT_EQ(seen[number], call_name(number).empty() ? 0 : 1) << number << " " << call_name(number);
}

TEST(Groups, a_name_that_nobody_knows_is_an_error) {
  const auto number = call_number("opne");
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().code, ENOENT);
  EXPECT_EQ(number.error().object, "opne");
}

TEST(Ranges, answer_each_number_and_what_lies_between) {
  const auto answers_of = [](const std::map<uint32_t, uint32_t>& answers, uint32_t number) {
    return run(*search_by_number(answers, 1), call(number))->action;
  };
  EXPECT_EQ(answers_of({}, 5), 1u);
  EXPECT_EQ(answers_of({{0, 7}}, 0), 7u);
  EXPECT_EQ(answers_of({{0, 7}}, 1), 1u);
  const std::map<uint32_t, uint32_t> some{{0, 1}, {1, 7}, {2, 7}, {3, 8}, {9, 7}, {0xffffffff, 9}};
  for (const uint32_t number : {0u, 1u, 2u, 3u, 4u, 8u, 9u, 10u, 0x7fffffffu, 0xfffffffeu, 0xffffffffu})
    EXPECT_EQ(answers_of(some, number), some.contains(number) ? some.at(number) : 1u) << number;
}

TEST(Ranges, too_many_for_a_jump_is_an_error) {
  std::map<uint32_t, uint32_t> answers;
  for (uint32_t number = 0; number < 600; ++number) answers[number] = number % 2;
  EXPECT_EQ(search_by_number(answers, 0).error().code, E2BIG);
}

class RenameNotify : public ::testing::TestWithParam<Layout> {};

TEST_P(RenameNotify, sends_renames_to_the_listener_but_for_the_helpers_own) {
  const auto program = export_rename_notify_filter(GetParam());
  ASSERT_TRUE(program) << program.error().text();
  for (uint32_t number = 0; number <= kNewestCall + 200; ++number) {
    if (number == 316) continue;
    const bool rename = number == 82 || number == 264;
    EXPECT_EQ(run(*program, call(number))->action, rename ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW) << number;
  }
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t flags = 1ull << bit;
    EXPECT_EQ(run(*program, call(316, {0, 0, 0, 0, flags}))->action,
              bit < 32 ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW)
        << bit;
  }
  EXPECT_EQ(run(*program, call(316))->action, SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(run(*program, call(316, {0, 0, 0, 0, 0xffffffff}))->action, SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(run(*program, call(316, {0, 0, 0, 0, 0xffffffff00000000}))->action, SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(*program, call(82, {}, kArchI386))->action, SECCOMP_RET_ALLOW) << "the strict filter kills it";
}

INSTANTIATE_TEST_SUITE_P(, RenameNotify, ::testing::Values(Layout::fast, Layout::plain));

TEST(Interpreter, refuses_what_the_kernel_would_not_load) {
  const Program no_end{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)};
  const Program outside{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sizeof(seccomp_data)), BPF_STMT(BPF_RET | BPF_K, 0)};
  const Program misaligned{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), BPF_STMT(BPF_RET | BPF_K, 0)};
  const Program packet{BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_STMT(BPF_RET | BPF_K, 0)};
  const Program far{BPF_JUMP(BPF_JMP | BPF_JA, 7, 0, 0), BPF_STMT(BPF_RET | BPF_K, 0)};
  for (const Program* program : {&no_end, &outside, &misaligned, &packet, &far}) EXPECT_FALSE(run(*program, call(0)));
}

TEST(Interpreter, calculates_compares_and_remembers) {
  const Program program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
                        BPF_STMT(BPF_ST, 3),
                        BPF_STMT(BPF_LDX | BPF_MEM, 3),
                        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
                        BPF_STMT(BPF_ALU | BPF_OR | BPF_X, 0),
                        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x100, 1, 0),
                        BPF_STMT(BPF_RET | BPF_A, 0),
                        BPF_STMT(BPF_RET | BPF_K, 7)};
  EXPECT_EQ(run(program, call(0, {0x5a}))->action, 0x5au);
  EXPECT_EQ(run(program, call(0, {0x15a}))->action, 7u);
  EXPECT_EQ(run(program, call(0, {0x15a}))->steps, 7);
}

}  // namespace
}  // namespace alos::seccomp
