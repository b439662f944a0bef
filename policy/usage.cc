#include "policy/usage.h"

#include <algorithm>
#include <optional>
#include <ranges>

#include "base/paths.h"
#include "policy/problem.h"
#include "policy/variables.h"

namespace alos::policy {
namespace {

constexpr size_t kMaxValue = 4095;  // of a path, which is the longest

bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool is_word(std::string_view value) {
  const auto inner = [](char c) {
    return letter(c) || digit(c) || std::string_view("._-+@=:").find(c) != std::string_view::npos;
  };
  const bool begins = letter(value[0]) || digit(value[0]) || value[0] == '_' || value[0] == '.';
  return begins && value.size() <= 255 && value != "." && value != ".." && std::ranges::all_of(value, inner);
}

// git-check-ref-format(1), and less: only letters, digits and / . _ - + @ = #, because the rest means something to
// git's own command line or to somebody's shell.
bool is_ref(std::string_view value) {
  const auto inner = [](char c) {
    return letter(c) || digit(c) || std::string_view("/._-+@=#").find(c) != std::string_view::npos;
  };
  if (!(letter(value[0]) || digit(value[0]) || value[0] == '_') || value.size() > 255 || value.back() == '/' ||
      value.back() == '.' || !std::ranges::all_of(value, inner))
    return false;
  for (const char* part : {"..", "//", "/.", "./"})
    if (value.find(part) != value.npos) return false;
  for (const auto component : std::views::split(value, '/'))
    if (std::string_view(component.begin(), component.end()).ends_with(".lock")) return false;
  return true;
}

bool is_host(std::string_view value) {
  return (letter(value[0]) || digit(value[0]) || value[0] == ':') && check_value(VariableType::host, value).has_value();
}

bool is_value(ArgumentType type, const Pattern::Segment& glob, std::string_view value) {
  if (value.empty() || value[0] == '-' || value.size() > kMaxValue || std::ranges::any_of(value, control)) return false;
  switch (type) {
    case ArgumentType::integer:
      return value.size() <= 18 && std::ranges::all_of(value, digit);
    case ArgumentType::word:
      return is_word(value);
    case ArgumentType::ref:
      return is_ref(value);
    case ArgumentType::path_read:
    case ArgumentType::path_write:
      return true;
    case ArgumentType::host:
      return is_host(value);
    case ArgumentType::glob:
      return value.size() <= 255 && value != "." && value != ".." && value.find('/') == value.npos &&
             glob.matches(value);
  }
  return false;
}

std::string_view describe(ArgumentType type) {
  switch (type) {
    case ArgumentType::integer:
      return "digits";
    case ArgumentType::word:
      return "letters, digits and . _ - + @ = : with a letter, digit, '_' or '.' first";
    case ArgumentType::ref:
      return "a git reference";
    case ArgumentType::path_read:
    case ArgumentType::path_write:
      return "a path";
    case ArgumentType::host:
      return "a host name or address";
    case ArgumentType::glob:
      return "a name that the glob matches";
  }
  return "?";
}

bool looks_like_option(std::string_view word) {
  return word.size() > 1 && word[0] == '-' && word != "--";
}

}  // namespace

std::string_view name(ArgumentType type) {
  switch (type) {
    case ArgumentType::integer:
      return "int";
    case ArgumentType::word:
      return "word";
    case ArgumentType::ref:
      return "ref";
    case ArgumentType::path_read:
      return "path:r";
    case ArgumentType::path_write:
      return "path:w";
    case ArgumentType::host:
      return "host";
    case ArgumentType::glob:
      return "glob";
  }
  return "?";
}

bool Usage::Word::fits(std::string_view word) const {
  if (!valued) return word == literal;
  return word.starts_with(literal) && is_value(type, glob, word.substr(literal.size()));
}

std::string Usage::Word::text() const {
  if (!valued) return printable(literal);
  std::string what;
  for (size_t i = 0; i < glob.pieces.size(); ++i) what += (i ? "*" : "") + glob.pieces[i];
  return printable(literal) + "<" + name + ":" +
         (type == ArgumentType::glob ? printable(what) : std::string(policy::name(type))) + ">";
}

// All states at once, so that no word is looked at twice by one of them.
class UsageMatcher {
 public:
  UsageMatcher(const Usage& usage, std::span<const std::string> arguments)
      : usage_(usage), arguments_(arguments), used_(usage.options_.size(), false), marked_(usage.states_.size(), 0) {}

  std::expected<std::vector<Binding>, Mismatch> run() {
    if (arguments_.size() > Usage::kMaxArguments)
      return mismatch(Usage::kMaxArguments, "more arguments than any command takes");
    begin();
    bool ended = false;
    for (size_t at = 0; at < arguments_.size(); ++at) {
      if (!ended && looks_like_option(arguments_[at])) {
        if (auto taken = option(at); !taken) return std::unexpected(std::move(taken.error()));
        continue;
      }
      std::vector<Thread> before = std::exchange(threads_, {});
      step(before, at);
      if (threads_.empty()) return mismatch(at, expected(before));
      ended = ended || arguments_[at] == "--";
    }
    const auto last = std::ranges::find_if(threads_, [&](const Thread& t) { return accepts(t.state); });
    if (last == threads_.end()) return mismatch(arguments_.size(), expected(threads_));
    for (size_t i = 0; i < used_.size(); ++i)
      if (usage_.options_[i].required && !used_[i])
        return mismatch(arguments_.size(), "the option " + usage_.options_[i].forms[0].head.text() + " is missing");
    bound(last->history);
    std::ranges::sort(bindings_, {}, &Binding::position);
    return std::move(bindings_);
  }

  bool covers() {
    if (arguments_.size() > Usage::kMaxArguments) return true;
    remembers_ = false;
    begin();
    bool ended = false, passing = false;
    for (size_t at = 0; at < arguments_.size(); ++at) {
      const std::string& word = arguments_[at];
      if (!ended && looks_like_option(word)) {
        const auto found = find(word);
        const bool fits = found && values_fit(*found->second, at) == found->second->values.size();
        if (fits) used_[found->first] = true, at += found->second->values.size();
        passing = passing || !fits;
        continue;
      }
      const bool dashes = !ended && word == "--";
      std::vector<Thread> before = std::exchange(threads_, {});
      step(before, at);
      if (passing || dashes)
        for (const Thread& thread : before) add(thread.state, thread.history);
      if (threads_.empty()) return false;
      ended = ended || dashes;
    }
    for (size_t i = 0; i < used_.size(); ++i)
      if (usage_.options_[i].required && !used_[i]) return false;
    return std::ranges::any_of(threads_, [&](const Thread& t) { return accepts(t.state); });
  }

 private:
  using State = Usage::State;
  static constexpr size_t kNone = ~size_t{0};
  struct Thread {
    size_t state, history;
  };
  struct Taken {  // a word by a state, and what was taken before it
    size_t state, position, before;
  };
  using Found = std::pair<size_t, const Usage::Form*>;

  static std::unexpected<Mismatch> mismatch(size_t position, std::string reason) {
    return std::unexpected(Mismatch{position, std::move(reason)});
  }
  bool accepts(size_t state) const {
    return usage_.states_[state].kind == State::Kind::end || usage_.states_[state].kind == State::Kind::any;
  }

  void begin() {
    ++round_;
    if (!usage_.states_.empty()) add(usage_.start_, kNone);  // a line that was never parsed fits nothing
  }

  // With every state that is reached from it without a word; the first as written first.
  void add(size_t start, size_t history) {
    std::vector<size_t> open{start};
    while (!open.empty()) {
      const size_t at = open.back();
      open.pop_back();
      if (std::exchange(marked_[at], round_) == round_) continue;
      const State& state = usage_.states_[at];
      if (state.kind != State::Kind::split) {
        threads_.push_back({at, history});
        continue;
      }
      open.push_back(state.other);
      open.push_back(state.next);
    }
  }

  void step(const std::vector<Thread>& before, size_t at) {
    ++round_;
    for (const Thread& thread : before) {
      const State& state = usage_.states_[thread.state];
      if (state.kind == State::Kind::any) {
        add(thread.state, thread.history);
      } else if (state.kind == State::Kind::word && state.word.fits(arguments_[at])) {
        if (remembers_) taken_.push_back({thread.state, at, thread.history});
        add(state.next, remembers_ ? taken_.size() - 1 : kNone);
      }
    }
  }

  std::optional<Found> find(std::string_view word) const {
    for (size_t i = 0; i < usage_.options_.size(); ++i)
      for (const Usage::Form& form : usage_.options_[i].forms)
        if (form.head.fits(word)) return Found(i, &form);
    return std::nullopt;
  }

  static const Usage::Word* chosen(const Usage::Choice& from, std::string_view word) {
    const auto found = std::ranges::find_if(from, [&](const Usage::Word& w) { return w.fits(word); });
    return found == from.end() ? nullptr : &*found;
  }

  // How many of the values of the option at `at` fit.
  size_t values_fit(const Usage::Form& form, size_t at) const {
    for (size_t i = 0; i < form.values.size(); ++i)
      if (at + 1 + i >= arguments_.size() || !chosen(form.values[i], arguments_[at + 1 + i])) return i;
    return form.values.size();
  }

  // Takes the option at `at`, and moves it to the last of its values.
  std::expected<void, Mismatch> option(size_t& at) {
    const auto found = find(arguments_[at]);
    if (!found) return mismatch(at, undeclared(arguments_[at]));
    const Usage::Option& option = usage_.options_[found->first];
    const Usage::Form& form = *found->second;
    if (used_[found->first] && !option.repeated)
      return mismatch(at, "the option " + form.head.text() + " a second time, or beside another that excludes it");
    used_[found->first] = true;
    std::erase_if(threads_, [&](const Thread& t) { return usage_.states_[t.state].element < option.earliest; });
    if (threads_.empty()) return mismatch(at, "the option " + form.head.text() + " stands too early");
    bind(form.head, at);
    for (const Usage::Choice& choice : form.values) {
      const size_t value = at + 1;
      if (value >= arguments_.size())
        return mismatch(value, "the option " + form.head.text() + " lacks " + text(choice));
      const Usage::Word* word = chosen(choice, arguments_[value]);
      if (!word) return mismatch(value, "the option " + form.head.text() + " takes " + text(choice));
      bind(*word, at = value);
    }
    return {};
  }

  std::string undeclared(const std::string& word) const {
    std::vector<std::string> known;
    for (const Usage::Option& option : usage_.options_)
      for (const Usage::Form& form : option.forms) {
        if (form.head.valued && word.starts_with(form.head.literal))
          return "the option takes " + form.head.text() + ": " + std::string(describe(form.head.type));
        known.push_back(form.head.text());
      }
    return known.empty() ? "no options are allowed" : "the options are " + alternatives(known);
  }

  static std::string text(const Usage::Choice& choice) {
    std::vector<std::string> words;
    for (const Usage::Word& word : choice)
      words.push_back(word.text() + (word.valued ? " (" + std::string(describe(word.type)) + ")" : ""));
    return alternatives(words);
  }

  std::string expected(const std::vector<Thread>& threads) const {
    Usage::Choice words;
    for (const Thread& thread : threads)
      if (const State& state = usage_.states_[thread.state]; state.kind == State::Kind::word && words.size() < 8)
        words.push_back(state.word);
    if (words.empty()) return "nothing more is allowed";
    return "expected: " + text(words);
  }

  void bind(const Usage::Word& word, size_t at) {
    if (word.valued) bindings_.push_back({word.name, word.type, at, arguments_[at].substr(word.literal.size())});
  }
  void bound(size_t history) {
    for (; history != kNone; history = taken_[history].before)
      bind(usage_.states_[taken_[history].state].word, taken_[history].position);
  }

  const Usage& usage_;
  std::span<const std::string> arguments_;
  std::vector<char> used_;
  std::vector<size_t> marked_;  // by state: the round that it was added in
  size_t round_ = 0;
  std::vector<Thread> threads_;
  std::vector<Taken> taken_;
  bool remembers_ = true;
  std::vector<Binding> bindings_;
};

std::expected<std::vector<Binding>, Mismatch> Usage::match(std::span<const std::string> arguments) const {
  return UsageMatcher(*this, arguments).run();
}

bool Usage::takes(ArgumentType type) const {
  const auto is = [&](const Word& word) { return word.valued && word.type == type; };
  const auto some = [&](const Choice& choice) { return std::ranges::any_of(choice, is); };
  return std::ranges::any_of(states_, [&](const State& state) { return is(state.word); }) ||
         std::ranges::any_of(options_, [&](const Option& option) {
           return std::ranges::any_of(
               option.forms, [&](const Form& form) { return is(form.head) || std::ranges::any_of(form.values, some); });
         });
}

bool Usage::covers(std::span<const std::string> arguments) const {
  return UsageMatcher(*this, arguments).covers();
}

}  // namespace alos::policy
