#include "policy/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <optional>
#include <streambuf>

#include "base/paths.h"

namespace alos::policy {
namespace {

// Ends a parse from within an event; never leaves this file.
struct Stop {
  Problem problem;
};

// Reads the text where it lies.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // streambuf has no reading-only form; nothing is put back
    setg(begin, begin, begin + text.size());
  }
};

// Builds the tree from the parser's events and not with YAML::Load, which keeps duplicate keys silently and resolves
// aliases, at a cost that is exponential in the size of the text.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(std::string_view file) : file_(file) {}

  std::optional<Node> root;
  Problems problems;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root) stop(mark, "a second document", "one document in a file", "remove the '---' and what follows it");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    begin(mark, "", anchor, Node::Kind::null);
    end();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    stop(mark, "an alias", "no aliases: a reader should see what is meant where it stands", "write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    begin(mark, tag, anchor, Node::Kind::text).text = value;
    end();
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, Node::Kind::list);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, Node::Kind::map);
  }
  void OnMapEnd() override { end(); }

 private:
  Source place(const YAML::Mark& mark) const { return {std::string(file_), mark.line + 1, mark.column + 1}; }

  [[noreturn]] void stop(const YAML::Mark& mark, std::string text, std::string expected, std::string fix) const {
    throw Stop{{place(mark), std::move(text), std::move(expected), std::move(fix)}};
  }

  Node& begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    if (anchor != 0) stop(mark, "an anchor", "no anchors: nothing may refer to them", "remove the '&name'");
    if (!tag.empty() && tag != "?" && tag != "!")
      stop(mark, "the tag '" + printable(tag) + "'", "no tags: a key decides the type of its value", "remove the tag");
    if (++nodes_ > kMaxDocumentNodes)
      stop(mark, "more than " + std::to_string(kMaxDocumentNodes) + " values", "a policy that a person can read", "");
    if (open_.size() >= kMaxDocumentDepth)
      stop(mark, "nested deeper than " + std::to_string(kMaxDocumentDepth) + " levels", "the sections of a policy", "");
    open_.push_back({kind, {}, {}, {}, place(mark)});
    return open_.back();
  }

  void end() {
    Node done = std::move(open_.back());
    open_.pop_back();
    if (open_.empty()) {
      root = std::move(done);
      return;
    }
    Node& parent = open_.back();
    if (parent.kind == Node::Kind::map && parent.keys.size() == parent.items.size())
      add_key(parent, std::move(done));
    else
      parent.items.push_back(std::move(done));
  }

  void add_key(Node& map, Node key) {
    if (key.kind != Node::Kind::text)
      throw Stop{{key.at, "a key that is not a word", "keys are words", "quote the key if it is meant"}};
    for (const Node& other : map.keys)
      if (other.text == key.text) {
        problems.push_back({key.at, "the key '" + printable(key.text) + "' twice",
                            "each key once; the first is at line " + std::to_string(other.at.line),
                            "remove one, or name it differently"});
        break;
      }
    map.keys.push_back(std::move(key));
  }

  std::string_view file_;
  std::vector<Node> open_;
  size_t nodes_ = 0;
};

// What a reviewer sees must be what is loaded.
std::optional<Problem> hidden_characters(std::string_view yaml, std::string_view file) {
  int line = 1;
  for (size_t at = 0; at < yaml.size(); ++line) {
    const size_t end = std::min(yaml.find('\n', at), yaml.size());
    std::string_view text = yaml.substr(at, end - at);
    if (text.ends_with('\r')) text.remove_suffix(1);
    at = end + 1;
    for (size_t from = 0; from < text.size();) {  // tabs are YAML's own business
      const size_t tab = std::min(text.find('\t', from), text.size());
      const std::string_view piece = text.substr(from, tab - from);
      const std::string shown = printable_text(piece);
      if (shown != piece) {
        const auto differs = std::mismatch(shown.begin(), shown.end(), piece.begin(), piece.end()).second;
        return Problem{{std::string(file), line, static_cast<int>(from + (differs - piece.begin()) + 1)},
                       "a character that is not shown, or is not UTF-8: " + shown.substr(0, 120),
                       "text whose reader sees what is loaded",
                       "remove it, or write it as an escape in double quotes"};
      }
      from = tab + 1;
    }
  }
  return std::nullopt;
}

// Whether the indentation of a line holds a tab, which the parser takes for something else.
bool begins_with_tab(std::string_view yaml) {
  for (size_t at = 0; at < yaml.size(); at = std::min(yaml.find('\n', at), yaml.size() - 1) + 1) {
    const size_t text = yaml.find_first_not_of(' ', at);
    if (text != yaml.npos && yaml[text] == '\t') return true;
  }
  return false;
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size() && i < items.size(); ++i)
    if (keys[i].text == key) return &items[i];
  return nullptr;
}

Checked<Node> parse_document(std::string_view yaml, std::string_view file) {
  const Source start{std::string(file), 1, 1};
  if (yaml.size() > kMaxDocumentBytes)
    return std::unexpected(Problems{{start, "the file has " + std::to_string(yaml.size()) + " bytes",
                                     "at most " + std::to_string(kMaxDocumentBytes), "split it with 'extends'"}});
  if (auto hidden = hidden_characters(yaml, file)) return std::unexpected(Problems{std::move(*hidden)});
  Builder builder(file);
  try {
    ViewBuffer buffer(yaml);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop& stopped) {
    builder.problems.push_back(stopped.problem);
  } catch (const YAML::Exception& error) {
    builder.problems.push_back({{std::string(file), error.mark.line + 1, error.mark.column + 1},
                                "not YAML: " + error.msg,
                                "one YAML document",
                                begins_with_tab(yaml) ? "indent with spaces: YAML takes no tabs there" : ""});
  }
  if (!builder.problems.empty()) return std::unexpected(std::move(builder.problems));
  if (!builder.root || builder.root->kind != Node::Kind::map)
    return std::unexpected(Problems{{start, "the file holds no keys", "a policy, which begins with 'alos: 1'", ""}});
  return std::move(*builder.root);
}

}  // namespace alos::policy
