#include "supervisor/host/script_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/paths.h"
#include "base/sys.h"
#include "policy/problem.h"
#include "policy/units.h"

namespace alos::host {
namespace {

using broker::ScriptLine;
using broker::WordPattern;
using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;

// One line is three deep: list, line, argv.
constexpr int kDepth = 3;
constexpr size_t kMostKeys = 100;

std::unexpected<Error> refuse(const std::string& where, std::string_view hint) {
  return fail("--script", where, 0, hint);
}

std::string with_guess(const std::string& hint, std::string_view word, const Words& known) {
  const std::string near = policy::did_you_mean(word, known);
  return near.empty() ? hint : near + " " + hint;
}

Words calls() {
  Words out{std::string(broker::kScriptedRun)};
  out.insert(out.end(), broker::kScriptedFiles.begin(), broker::kScriptedFiles.end());
  return out;
}

// 0: no error is called so.
int errno_of(std::string_view name) {
  // Second names, which strerrorname_np does not give.
  if (name == "EWOULDBLOCK") return EWOULDBLOCK;
  if (name == "EOPNOTSUPP") return EOPNOTSUPP;
  if (name == "EDEADLOCK") return EDEADLOCK;
  for (int code = 1; code < 4096; ++code)  // MAX_ERRNO of the kernel
    if (const char* known = ::strerrorname_np(code); known && name == known) return code;
  return 0;
}

Words errno_names() {
  Words out;
  for (int code = 1; code < 4096; ++code)
    if (const char* known = ::strerrorname_np(code)) out.emplace_back(known);
  return out;
}

class LineReader {
 public:
  LineReader(const Json& json, std::string where, const policy::Variables& variables)
      : json_(json), where_(std::move(where)), variables_(variables) {}

  Result<ScriptLine> read() {
    if (!json_.is_object()) return refuse(where_, "a line is an object, as in {\"call\": \"shell.run\", ...}");
    TRY(read_call());
    TRY(check_keys());
    if (is_run()) TRY(read_argv());
    if (!is_run()) TRY(read_path());
    TRY(read_ending());
    for (auto [key, into] : {std::pair{"out", &out_.out}, {"err", &out_.err}})
      if (json_.contains(key)) *into = TRY(text(key, "text that the command writes"));
    if (json_.contains("takes")) TRY(read_takes());
    if (json_.contains("times"))
      out_.times = static_cast<uint32_t>(TRY(number("times", 1, std::numeric_limits<int32_t>::max())));
    return std::move(out_);
  }

 private:
  bool is_run() const { return out_.call == broker::kScriptedRun; }
  std::string at(std::string_view key) const { return fmt::format("{}.{}", where_, printable(key)); }

  Result<std::string> text(const char* key, std::string_view what) const {
    const Json& value = json_.at(key);
    if (!value.is_string()) return refuse(at(key), fmt::format("it is {}, in quotes", what));
    return value.get<std::string>();
  }

  Result<int64_t> number(const char* key, int64_t least, int64_t most) const {
    const Json& value = json_.at(key);
    const std::string hint = fmt::format("write a whole number from {} to {}", least, most);
    if (!value.is_number_integer()) return refuse(at(key), hint);
    // A number above INT64_MAX is unsigned, and would come out negative.
    if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(most)) return refuse(at(key), hint);
    const auto out = value.get<int64_t>();
    if (out < least || out > most) return refuse(at(key), hint);
    return out;
  }

  Result<void> read_call() {
    if (!json_.contains("call")) return refuse(at("call"), "it is missing: write what the line answers, as shell.run");
    const Words known = calls();
    out_.call = TRY(text("call", "a primitive"));
    if (std::ranges::find(known, out_.call) != known.end()) return {};
    std::string hint = fmt::format("'{}' has no script: write {}", printable(out_.call), policy::alternatives(known));
    if (out_.call.starts_with("clock.")) hint += "; --clock virtual is for time";
    return refuse(at("call"), with_guess(hint, out_.call, known));
  }

  Result<void> check_keys() const {
    const Words known = is_run() ? Words{"call", "argv", "code", "signal", "fails", "out", "err", "takes", "times"}
                                 : Words{"call", "path", "fails", "times"};
    for (const auto& [key, value] : json_.items())
      if (std::ranges::find(known, key) == known.end())
        return refuse(at(key), with_guess(fmt::format("of {} a line has {}", out_.call, policy::alternatives(known)),
                                          key, known));
    return {};
  }

  Result<WordPattern> word(size_t i) const {
    const Json& value = json_.at("argv").at(i);
    const std::string where = fmt::format("{}[{}]", at("argv"), i);
    if (!value.is_string()) return refuse(where, "a word is text, in quotes");
    auto out = WordPattern::parse(value.get_ref<const std::string&>());
    if (!out) return refuse(where, out.error().hint);
    return std::move(*out);
  }

  Result<void> read_argv() {
    constexpr std::string_view kWhat = "a pattern for each word, the program first, as in [\"git\", \"push\", \"**\"]";
    if (!json_.contains("argv")) return refuse(at("argv"), fmt::format("it is missing: write {}", kWhat));
    const Json& list = json_.at("argv");
    if (!list.is_array() || list.empty()) return refuse(at("argv"), fmt::format("write {}", kWhat));
    for (size_t i = 0; i < list.size(); ++i) {
      WordPattern pattern = TRY(word(i));
      out_.any_rest = pattern.text() == "**";
      if (out_.any_rest && i + 1 < list.size())
        return refuse(fmt::format("{}[{}]", at("argv"), i),
                      "'**' stands for all further words, so it is the last; '*' is one word");
      if (!out_.any_rest) out_.argv.push_back(std::move(pattern));
    }
    if (out_.argv.empty()) return {};
    return check_program(out_.argv.front());
  }

  // One that can be no program's would never answer, and look as if it did.
  Result<void> check_program(const WordPattern& program) const {
    const std::string where = at("argv") + "[0]";
    const std::string& text = program.text();
    if (text.empty()) return refuse(where, "no program is called so: write its name, or its path");
    const auto literal = program.literal();
    if (!literal || literal->find('/') == std::string::npos) {
      if (text.find('/') != std::string::npos && std::string_view("/*?[").find(text[0]) == std::string_view::npos)
        return refuse(where, "a program is its name without '/', or a path from '/' on");
      return {};
    }
    if (!is_canonical_path(*literal))
      return refuse(where, "a program is its name without '/', or a path from '/' on without '.', '..' and '//'");
    return {};
  }

  Result<void> read_path() {
    constexpr std::string_view kWhat = "a pattern as in the policy, of what is reached: \"/srv/out/**\"";
    if (!json_.contains("path")) return refuse(at("path"), fmt::format("it is missing: write {}", kWhat));
    const std::string written = TRY(text("path", kWhat));
    const auto expanded = policy::expand_pattern(written, variables_);
    if (!expanded) return refuse(at("path"), printable(written) + ": " + expanded.error().hint);
    auto pattern = policy::Pattern::parse(*expanded);
    if (!pattern) return refuse(at("path"), printable(written) + ": " + pattern.error().hint);
    out_.path = std::move(*pattern);
    return {};
  }

  Result<void> read_ending() {
    const Words ways = is_run() ? Words{"code", "signal", "fails"} : Words{"fails"};
    Words given;
    for (const std::string& way : ways)
      if (json_.contains(way)) given.push_back(way);
    if (given.empty())
      return refuse(
          at(is_run() ? "code" : "fails"),
          fmt::format("it is missing: write {}", is_run() ? policy::alternatives(ways) : "\"fails\": \"EIO\""));
    if (given.size() > 1)
      return refuse(at(given[1]), fmt::format("'{}' says already how it ends: one of them", given[0]));
    if (given[0] == "fails") return read_fails();
    if (given[0] == "code")
      out_.status = static_cast<int32_t>(TRY(number("code", 0, 255)) << 8);  // wait status (waitpid(2), WEXITSTATUS)
    else
      out_.status = static_cast<int32_t>(TRY(number("signal", 1, SIGRTMAX)));
    return {};
  }

  Result<void> read_fails() {
    for (const char* key : {"out", "err", "takes"})
      if (json_.contains(key)) return refuse(at(key), "what fails has not begun: it writes nothing and takes no time");
    const std::string name = TRY(text("fails", "the name of an error, as ENOSPC"));
    out_.fails = errno_of(name);
    if (out_.fails != 0) return {};
    const std::string hint =
        fmt::format("no error is called '{}': write one as ENOSPC or EACCES (errno(3))", printable(name));
    return refuse(at("fails"), with_guess(hint, name, errno_names()));
  }

  Result<void> read_takes() {
    const std::string given = TRY(text("takes", "a duration, as in 3s or 1m30s"));
    const auto ms = policy::parse_duration(given);
    if (!ms) return refuse(at("takes"), printable(given) + ": " + ms.error().hint);
    out_.takes_ms = *ms;
    return {};
  }

  const Json& json_;
  std::string where_;
  const policy::Variables& variables_;
  ScriptLine out_;
};

// What the parser takes and would not tell of: keys given twice, of which it keeps the last. And what it is slow at: it
// looks for each key among all before. Once something is wrong the rest is read for its form alone.
class Watcher {
 public:
  explicit Watcher(std::string file) : file_(std::move(file)) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kDepth) found_ = refuse(file_, "it is deeper than a list of lines");
    if (event == Json::parse_event_t::object_start) {
      lines_ += depth == 1 ? 1 : 0;
      keys_.clear();
    }
    if (event == Json::parse_event_t::key && !keys_.insert(parsed.get<std::string>()).second && found_)
      found_ = refuse(fmt::format("{}[{}].{}", file_, lines_ - 1, printable(parsed.get<std::string>())),
                      "it is given twice");
    if (keys_.size() > kMostKeys && found_)
      found_ = refuse(fmt::format("{}[{}]", file_, lines_ - 1), "no line has that many keys");
    return found_.has_value();
  }
  const Result<void>& found() const { return found_; }

 private:
  std::string file_;
  std::set<std::string> keys_;
  size_t lines_ = 0;
  Result<void> found_;
};

// "at line 3, column 7: ...": what the library says, without its own name for it.
std::string said_by(const Json::exception& error) {
  const std::string_view what = error.what();
  const size_t at = what.find("] ");
  return "it is no JSON: " + std::string(at == what.npos ? what : what.substr(at + 2));
}

Result<std::vector<ScriptLine>> parse(const std::string& text, const std::string& file,
                                      const policy::Variables& variables) try {
  Watcher watcher(file);
  const Json json = Json::parse(text, std::ref(watcher));
  TRY(Result<void>(watcher.found()));
  if (!json.is_array()) return refuse(file, "it is a list of lines: [{\"call\": ...}, ...]");
  std::vector<ScriptLine> out;
  for (size_t i = 0; i < json.size(); ++i)
    out.push_back(TRY(LineReader(json[i], fmt::format("{}[{}]", file, i), variables).read()));
  return out;
} catch (const Json::exception& error) {
  return refuse(file, said_by(error));
}

}  // namespace

Result<std::vector<ScriptLine>> read_script(const std::string& path, const policy::Variables& variables) {
  const std::string file = printable(path);
  auto fd = sys::open(path, O_RDONLY | O_NOCTTY);
  if (!fd) return fail("--script", file, fd.error().code);
  auto text = sys::read_file(fd->get(), kLongestScript);
  if (!text) return fail("--script", file, text.error().code, text.error().code == EFBIG ? "at most 1 MiB" : "");
  return parse(*text, file, variables);
}

}  // namespace alos::host
