#include <algorithm>
#include <optional>

#include "base/paths.h"
#include "policy/problem.h"
#include "policy/usage.h"

namespace alos::policy {

// Reads a line into a tree, tells options from the rest, and makes the rest an automaton.
class UsageParser {
 public:
  explicit UsageParser(std::string_view text) : text_(text) { out_.text_ = text; }

  Result<Usage> run() {
    if (text_.size() > Usage::kMaxBytes) return refuse("shorter than 2048 bytes", E2BIG);
    for (const char c : text_)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return refuse("one line, without control characters");
    TRY(program());
    std::vector<Node> positional;
    bool ended = false, verbatim = false;
    for (skip(); at_ < text_.size(); skip()) {
      if (text_.substr(at_) == "...") {
        out_.open_ended_ = true;
        break;
      }
      Node node = TRY(element(0));
      const bool bare = node.kind == Node::Kind::word && !node.optional;
      if (!verbatim && is_option(node)) {
        if (ended) return refuse("options before '--'");
        TRY(option(node));
        continue;
      }
      if (!verbatim && names_option(node, true))
        return refuse("each option by itself, in brackets of its own: [-a] [-b <x:word>]");
      if (after_bare_option_ && begins_with_value(node))
        return refuse("(" + out_.options_.back().forms[0].head.text() +
                      " <name:type>) for an option with its value; a value that is not the option's stands before it");
      after_bare_option_ = false;
      ended = ended || begins_with_dashes(node);
      verbatim = verbatim || (bare && node.word.text() == "--");
      positional.push_back(std::move(node));
      if (plain(positional.back())) last_plain_ = positional.size();
    }
    TRY(distinct());
    assemble(positional);
    return std::move(out_);
  }

 private:
  using Word = Usage::Word;
  using State = Usage::State;
  struct Node {
    enum class Kind : uint8_t { word, sequence, choice };
    Kind kind = Kind::word;
    bool optional = false, repeated = false, tight = false;  // tight: alternatives without spaces
    Word word{};
    std::vector<Node> children{};
  };

  std::unexpected<Error> refuse(const std::string& hint, int code = EINVAL) const {
    const std::string where = at_ == 0 || at_ >= text_.size() ? "" : "at column " + std::to_string(at_ + 1) + ": ";
    return fail("usage", printable_text(text_), code, where + "write " + hint);
  }

  bool here(char c) const { return at_ < text_.size() && text_[at_] == c; }
  void skip() {
    while (here(' ')) ++at_;
  }

  Result<void> program() {
    skip();
    if (at_ >= text_.size()) return refuse("the program's absolute path, then its arguments");
    const Word word = TRY(read_word());
    if (word.valued || !word.literal.starts_with('/'))
      return refuse("the program's absolute path first, as in /usr/bin/" +
                    printable(word.valued ? "program" : word.literal) +
                    ": a bare name is a spelling, which anything can be put under");
    if (!is_canonical_path(word.literal) || word.literal == "/")
      return refuse("the program's path without '.', '..' and double slashes");
    if (at_ < text_.size() && !here(' ')) return refuse("a space after the program");
    out_.program_ = word.literal;
    return {};
  }

  static bool ends_word(char c) { return std::string_view(" []()|<>").find(c) != std::string_view::npos; }

  // Literal text and, directly after it, a value.
  Result<Word> read_word() {
    Word out;
    bool escaped_dash = false;
    while (at_ < text_.size() && !ends_word(text_[at_])) {
      if (text_.substr(at_).starts_with("...") && (at_ + 3 >= text_.size() || ends_word(text_[at_ + 3]))) break;
      if (text_[at_] == '\\') {
        if (++at_ == text_.size()) return refuse("a character after '\\', or '\\\\' for itself");
        escaped_dash = escaped_dash || (out.literal.empty() && text_[at_] == '-');
      }
      out.literal += text_[at_++];
    }
    if (escaped_dash) return refuse("a word that does not begin with '-': it would be an option");
    if (here('<')) TRY(value(out));
    return out;
  }

  Result<void> value(Word& out) {
    const size_t close = text_.find('>', at_);
    const std::string_view inside = close == text_.npos ? "" : text_.substr(at_ + 1, close - at_ - 1);
    const size_t colon = inside.find(':');
    const auto in_name = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    };
    if (colon == inside.npos || colon == 0 || !std::ranges::all_of(inside.substr(0, colon), in_name))
      return refuse("a value as <name:type>, its name of lowercase letters, digits, '-' and '_'");
    out.valued = true;
    out.name = inside.substr(0, colon);
    TRY(type(inside.substr(colon + 1), out));
    at_ = close + 1;
    if (at_ < text_.size() && text_[at_] != '.' && std::string_view(" ])|").find(text_[at_]) == std::string_view::npos)
      return refuse("a space after the value: it ends its word");
    return {};
  }

  Result<void> type(std::string_view text, Word& out) const {
    static constexpr ArgumentType kNamed[] = {ArgumentType::integer,   ArgumentType::word,       ArgumentType::ref,
                                              ArgumentType::path_read, ArgumentType::path_write, ArgumentType::host};
    for (const ArgumentType known : kNamed)
      if (text == name(known)) return out.type = known, Result<void>();
    std::vector<std::string> names;
    for (const ArgumentType known : kNamed) names.emplace_back(name(known));
    if (text.find('*') == text.npos) {
      const std::string meant = text == "path"
                                    ? "path:r for a file that is read, path:w for one that is written"
                                    : alternatives(names) + ", or a glob as *.txt; '" + printable(text) + "' is none";
      return refuse(meant);
    }
    const auto glob = Pattern::parse("/" + std::string(text));
    if (!glob || glob->segments().size() != 1 || glob->segments()[0].any_depth())
      return refuse("a glob of one component, as <name:*.txt>" + (glob ? "" : ": " + glob.error().hint));
    out.type = ArgumentType::glob;
    out.glob = glob->segments()[0];
    return {};
  }

  // One element with what stands directly at it: alternatives without spaces, "...".
  Result<Node> element(size_t depth) {
    Node out = TRY(atom(depth));
    if (here('|') && at_ + 1 < text_.size() && text_[at_ + 1] != ' ') {
      Node choice{.kind = Node::Kind::choice, .tight = true};
      choice.children.push_back(std::move(out));
      while (here('|')) {
        ++at_;
        choice.children.push_back(TRY(atom(depth)));
      }
      if (text_.substr(at_).starts_with("...")) return refuse("(a|b)... for a choice that is repeated");
      out = std::move(choice);
    }
    if (text_.substr(at_).starts_with("...")) {
      at_ += 3;
      out.repeated = true;
    }
    if (at_ < text_.size() && std::string_view(" ])|").find(text_[at_]) == std::string_view::npos)
      return refuse("a space between words; an optional end of a word as [--when | --when=<x:word>]");
    return out;
  }

  Result<Node> atom(size_t depth) {
    if (++elements_ > Usage::kMaxElements) return refuse("at most 128 words, values and brackets", E2BIG);
    if (here('[') || here('(')) return group(depth + 1);
    const size_t begin = at_;
    Node out;
    out.word = TRY(read_word());
    if (at_ == begin)
      return refuse(here('.') ? "'...' directly after what is repeated, as in <file:path:r>..., or at the very end"
                              : "a word, a value as <name:type>, or '\\' before a character that is meant as itself");
    return out;
  }

  Result<Node> group(size_t depth) {
    if (depth > Usage::kMaxDepth) return refuse("at most 8 brackets within each other", E2BIG);
    const char close = text_[at_] == '[' ? ']' : ')';
    Node out{.kind = Node::Kind::choice, .optional = close == ']'};
    ++at_;
    do {
      Node sequence{.kind = Node::Kind::sequence};
      bool tight = false;
      for (skip(); at_ < text_.size() && !here(close) && !here('|'); skip()) {
        sequence.children.push_back(TRY(element(depth)));
        tight = tight || sequence.children.back().tight;
      }
      if (sequence.children.empty()) return refuse("something between brackets, and on both sides of '|'");
      if (tight && sequence.children.size() > 1)
        return refuse("' | ' between alternatives of several words, or (a|b) around those of one");
      out.children.push_back(std::move(sequence));
    } while (here('|') && ++at_);
    if (!here(close)) return refuse(std::string("'") + close + "' at the end of the brackets");
    ++at_;
    return out;
  }

  // Options.

  static bool is_option(const Word& word) {
    return word.literal.starts_with('-') && (word.valued || (word.literal != "-" && word.literal != "--"));
  }
  // Every alternative is one option with its values.
  static bool is_option(const Node& node) {
    if (node.kind == Node::Kind::word) return is_option(node.word);
    if (node.kind == Node::Kind::sequence)
      return is_option(node.children[0]) && (node.children.size() == 1 || node.children[0].kind == Node::Kind::word);
    return std::ranges::all_of(node.children, [](const Node& child) { return is_option(child); });
  }
  // Some option stands in it; not what follows "--" in the same brackets.
  static bool names_option(const Node& node, bool open) {
    if (node.kind == Node::Kind::word) return open && is_option(node.word);
    for (const Node& child : node.children) {
      if (names_option(child, open)) return true;
      if (node.kind == Node::Kind::sequence && begins_with_dashes(child)) return false;
    }
    return false;
  }
  static bool begins_with_dashes(const Node& node) {
    if (node.kind == Node::Kind::word) return !node.word.valued && node.word.literal == "--";
    return begins_with_dashes(node.children[0]);
  }
  static bool begins_with_value(const Node& node) {
    if (node.kind == Node::Kind::word) return node.word.valued && node.word.literal.empty();
    if (node.kind == Node::Kind::sequence) return begins_with_value(node.children[0]);
    return std::ranges::any_of(node.children, begins_with_value);
  }
  // A word as it is, or one of several, that cannot be left out.
  static bool plain(const Node& node) {
    if (node.optional || node.repeated) return false;
    if (node.kind == Node::Kind::word) return !node.word.valued;
    return std::ranges::all_of(node.children, plain);
  }

  Result<void> option(const Node& node) {
    Usage::Option out{.forms = {}, .required = !node.optional, .repeated = node.repeated, .earliest = last_plain_};
    TRY(forms(node, out.forms));
    after_bare_option_ =
        node.kind == Node::Kind::word && !node.word.valued && node.word.literal.find('=') == std::string::npos;
    out_.options_.push_back(std::move(out));
    return {};
  }

  Result<void> forms(const Node& node, std::vector<Usage::Form>& into) const {
    if (node.kind == Node::Kind::word) {
      into.push_back({node.word, {}});
    } else if (node.kind == Node::Kind::choice) {
      for (const Node& child : node.children) {
        if (child.kind == Node::Kind::choice && (child.optional || child.repeated))
          return refuse("an option's alternatives without brackets within them");
        TRY(forms(child, into));
      }
    } else if (node.children.size() == 1) {
      if (node.children[0].optional || node.children[0].repeated) return refuse("'...' after the bracket");
      TRY(forms(node.children[0], into));
    } else {
      Usage::Form form{node.children[0].word, {}};
      if (node.children[0].repeated) return refuse("'...' after the bracket");
      for (size_t i = 1; i < node.children.size(); ++i) TRY(values(node.children[i], form.values.emplace_back()));
      into.push_back(std::move(form));
    }
    return {};
  }

  Result<void> values(const Node& node, Usage::Choice& into) const {
    if (node.optional || node.repeated) return refuse("the values of an option plain: none optional, none repeated");
    if (names_option(node, true)) return refuse("one option in each pair of brackets: [-a] [-b]");
    if (node.kind == Node::Kind::word) return into.push_back(node.word), Result<void>();
    if (node.kind == Node::Kind::sequence && node.children.size() > 1)
      return refuse("single words between which a value of an option is chosen");
    for (const Node& child : node.children) TRY(values(child, into));
    return {};
  }

  // No word can be two options.
  Result<void> distinct() const {
    std::vector<const Word*> heads;
    for (const Usage::Option& option : out_.options_)
      for (const Usage::Form& form : option.forms) heads.push_back(&form.head);
    for (const Word* a : heads)
      for (const Word* b : heads)
        if (a != b && (a->valued ? b->literal.starts_with(a->literal) : !b->valued && a->literal == b->literal))
          return fail("usage", printable_text(text_), EINVAL,
                      "write each option once: " + a->text() + " and " + b->text() + " can be the same word");
    return {};
  }

  // The automaton, from its end: every part is built in front of what follows it.

  size_t add(State state) {
    out_.states_.push_back(std::move(state));
    return out_.states_.size() - 1;
  }

  void assemble(const std::vector<Node>& positional) {
    size_t next = add({.kind = out_.open_ended_ ? State::Kind::any : State::Kind::end, .element = positional.size()});
    for (size_t i = positional.size(); i-- > 0;) next = build(positional[i], next, i);
    out_.start_ = next;
  }

  size_t build(const Node& node, size_t next, size_t element) {
    const size_t after = next;
    size_t loop = 0;
    if (node.repeated) next = loop = add({.kind = State::Kind::split, .other = after, .element = element});
    size_t start = next;
    if (node.kind == Node::Kind::word) {
      start = add({.kind = State::Kind::word, .next = next, .element = element, .word = node.word});
    } else if (node.kind == Node::Kind::sequence) {
      for (size_t i = node.children.size(); i-- > 0;) start = build(node.children[i], start, element);
    } else {
      start = build(node.children.back(), next, element);
      for (size_t i = node.children.size() - 1; i-- > 0;)
        start = add({.kind = State::Kind::split,
                     .next = build(node.children[i], next, element),
                     .other = start,
                     .element = element});
    }
    if (node.repeated) out_.states_[loop].next = start;
    return node.optional ? add({.kind = State::Kind::split, .next = start, .other = after, .element = element}) : start;
  }

  std::string_view text_;
  size_t at_ = 0, elements_ = 0;
  size_t last_plain_ = 0;
  bool after_bare_option_ = false;
  Usage out_;
};

Result<Usage> Usage::parse(std::string_view text) {
  return UsageParser(text).run();
}

std::string Usage::escape(std::string_view literal) {
  std::string out;
  for (size_t i = 0; i < literal.size(); ++i) {
    const char c = literal[i];
    const bool dots = c == '.' && (i + 1 == literal.size() || literal[i + 1] == '.');  // "..." repeats
    if (std::string_view(" []()|<>\\").find(c) != std::string_view::npos || (c == '-' && i == 0) || dots) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace alos::policy
