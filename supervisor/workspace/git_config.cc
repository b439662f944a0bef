#include "supervisor/workspace/git_config.h"

#include <algorithm>

namespace alos::workspace {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
  }

  std::vector<GitSetting> run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (is_space(c) || c == '\n')
        ++at_;
      else if (c == '#' || c == ';')
        skip_line();
      else if (c == '[')
        section();
      else
        setting();
    }
    return std::move(out_);
  }

 private:
  void skip_line() { at_ = std::min(text_.find('\n', at_), text_.size()); }

  // [name], [name "sub"] and the old [name.sub]
  void section() {
    section_.clear();
    bool quoted = false, sub = false;
    for (++at_; at_ < text_.size() && text_[at_] != '\n'; ++at_) {
      char c = text_[at_];
      if (c == ']' && !quoted) break;
      if (c == '"') {
        quoted = !quoted;
        if (quoted && !sub) section_ += '.', sub = true;
        continue;
      }
      if (!quoted && is_space(c)) continue;
      if (c == '\\' && quoted && at_ + 1 < text_.size()) c = text_[++at_];
      section_ += sub ? c : lower(c);
    }
    if (at_ < text_.size() && text_[at_] == ']') ++at_;
  }

  void setting() {
    std::string name;
    while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '=') name += lower(text_[at_++]);
    while (!name.empty() && is_space(name.back())) name.pop_back();
    std::string value;
    if (at_ < text_.size() && text_[at_] == '=') ++at_, value = read_value();
    out_.push_back({section_ + "." + name, std::move(value)});
  }

  std::string read_value() {
    std::string value;
    size_t kept = 0;  // up to here trailing space belongs to the value
    bool quoted = false;
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '\n') break;
      if (!quoted && (c == '#' || c == ';')) {
        skip_line();
        break;
      }
      if (c == '"') {
        quoted = !quoted;
        kept = value.size();
        continue;
      }
      if (c == '\\' && at_ + 1 < text_.size()) {
        c = text_[++at_];
        if (c == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') c = text_[++at_];
        if (c == '\n') continue;
        c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        value += c, kept = value.size();
        continue;
      }
      value += c;
      if (quoted || !is_space(c)) kept = value.size();
    }
    value.resize(kept);
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string section_;
  std::vector<GitSetting> out_;
};

}  // namespace

std::vector<GitSetting> git_settings(std::string_view text) {
  return Reader(text).run();
}

std::vector<std::string> words_of(std::string_view value) {
  constexpr std::string_view kBetween = " \t\n\"'`;&|<>()$!=,:";
  std::vector<std::string> out;
  for (size_t at = value.find_first_not_of(kBetween); at != value.npos; at = value.find_first_not_of(kBetween, at)) {
    const size_t end = std::min(value.find_first_of(kBetween, at), value.size());
    out.emplace_back(value.substr(at, end - at));
    at = end;
  }
  // A value without a shell around it may name a file with spaces.
  if (out.size() > 1) out.emplace_back(value);
  return out;
}

}  // namespace alos::workspace
