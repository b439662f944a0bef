#include "policy/request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "base/paths.h"
#include "policy/problem.h"
#include "policy/units.h"

namespace alos::policy {
namespace {

constexpr std::array<std::pair<std::string_view, Right>, 10> kOperations{{{"fs.read", Right::read},
                                                                          {"fs.list", Right::list},
                                                                          {"fs.stat", Right::stat},
                                                                          {"fs.write", Right::write},
                                                                          {"fs.append", Right::append},
                                                                          {"fs.create", Right::create},
                                                                          {"fs.remove", Right::remove},
                                                                          {"fs.rename", Right::rename},
                                                                          {"fs.chmod", Right::chmod},
                                                                          {"fs.execute", Right::execute}}};

std::unexpected<Error> refuse(std::string_view text, std::string_view hint, int code = EINVAL) {
  return fail("request", printable(text), code, hint);
}

Result<void> check_endpoint(std::string_view endpoint, std::string_view line) {
  constexpr std::string_view kForm = "write net.connect HOST:PORT";
  const size_t colon = endpoint.rfind(':');
  if (colon == endpoint.npos || colon == 0 || endpoint.find_first_of(" \t") != endpoint.npos)
    return refuse(line, kForm);
  const std::string_view digits = endpoint.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0) return refuse(line, kForm);
  return {};
}

// The words of a command.
Result<std::vector<std::string>> split_words(std::string_view text, std::string_view line) {
  std::vector<std::string> out;
  bool within = false, quoted = false;  // a word; quotes
  for (size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (!quoted && c == ' ') {
      within = false;
      continue;
    }
    if (!std::exchange(within, true)) out.emplace_back();
    if (c == '\'') {
      quoted = !quoted;
      continue;
    }
    if (!quoted && (c == '"' || c == '\t' || c == '\n'))
      return refuse(line, "write single quotes around a word with spaces or quotes, as in 'a b'");
    if (!quoted && c == '\\') {
      if (++at == text.size())
        return refuse(line, "a backslash at the end stands for nothing: write it in single quotes");
      c = text[at];
    }
    out.back() += c;
  }
  if (quoted) return refuse(line, "a single quote is open: write '\\'' for the character");
  return out;
}

}  // namespace

std::string quote_word(std::string_view word) {
  constexpr std::string_view kPlain = "/._-+=:@%,";
  const auto plain = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kPlain.find(c) != kPlain.npos;
  };
  if (!word.empty() && std::ranges::all_of(word, plain)) return std::string(word);
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string_view operation(Right right) {
  return std::ranges::find(kOperations, right, [](const auto& pair) { return pair.second; })->first;
}

Result<Request> Request::file(Right right, std::string_view asked, std::string_view reached) {
  auto canonical = [](std::string_view path) -> Result<std::string> {
    auto out = canonical_path(path);
    if (!out) return refuse(path, "write an absolute path", out.error().code);
    return out;
  };
  std::string name = TRY(canonical(asked));
  std::string file = asked == reached ? name : TRY(canonical(reached));
  Request out(Kind::file);
  out.right_ = right;
  out.asked_ = std::move(name);
  out.reached_ = std::move(file);
  return out;
}

Result<Request> Request::command(std::vector<std::string> argv) {
  if (argv.empty())
    return refuse("shell.run", "write 'shell.run PROGRAM ARGUMENT ...' with the program's absolute path");
  for (const std::string& word : argv)
    if (word.find('\0') != word.npos) return refuse(word, "no argument holds a NUL");
  if (!argv[0].starts_with('/'))
    return refuse(argv[0],
                  "write the program's absolute path, as in shell.run /usr/bin/env: a bare name is a spelling");
  auto program = canonical_path(argv[0]);
  if (!program) return refuse(argv[0], "write the program's absolute path", program.error().code);
  argv[0] = std::move(*program);
  Request out(Kind::command);
  out.argv_ = std::move(argv);
  return out;
}

Request Request::now() {
  return Request(Kind::now);
}

Request Request::sleep(uint64_t milliseconds) {
  Request out(Kind::sleep);
  out.milliseconds_ = std::clamp<uint64_t>(milliseconds, 1, kLongestDuration);
  return out;
}

Result<Request> Request::parse(std::string_view line) {
  const size_t space = line.find(' ');
  const std::string_view verb = line.substr(0, space);
  const std::string_view object = space == line.npos ? std::string_view() : line.substr(space + 1);
  if (verb == "net.connect") {
    TRY(check_endpoint(object, line));
    Request out(Kind::network);
    out.asked_ = out.reached_ = object;
    return out;
  }
  for (const auto& [name, right] : kOperations) {
    if (verb != name) continue;
    if (!object.starts_with('/')) return refuse(line, "write '" + std::string(name) + " PATH' with an absolute path");
    return file(right, object);
  }
  if (verb == "shell.run") return command(TRY(split_words(object, line)));
  if (verb == "clock.now") {
    if (space != line.npos) return refuse(line, "write clock.now alone");
    return now();
  }
  if (verb == "clock.sleep") {
    const auto duration = parse_duration(object);
    if (!duration) return refuse(line, "write clock.sleep DURATION, as in clock.sleep 90s; " + duration.error().hint);
    return sleep(*duration);
  }
  for (const std::string_view kind : {"human.", "process.", "object.", "tool.", "model.", "http."})
    if (verb.starts_with(kind))
      return refuse(line, "requests of this kind are part of the language but not decided by this version yet",
                    ENOTSUP);
  std::vector<std::string> known;
  for (const auto& [name, right] : kOperations) known.emplace_back(name);
  for (const char* other : {"net.connect", "shell.run", "clock.now", "clock.sleep"}) known.emplace_back(other);
  const std::string meant = did_you_mean(verb, known);
  return refuse(line, meant.empty() ? "a request begins with " + alternatives(known) : meant);
}

std::string Request::text() const {
  return with_names([](std::string_view name) { return std::string(name); });
}

std::string Request::shown() const {
  return with_names(printable);
}

std::string Request::with_names(std::string (*as)(std::string_view)) const {
  switch (kind_) {
    case Kind::network:
      return "net.connect " + as(asked_);
    case Kind::now:
      return "clock.now";
    case Kind::sleep:
      return "clock.sleep " + duration_text(milliseconds_);
    case Kind::command: {
      std::string out = "shell.run";
      for (const std::string& word : argv_) out += " " + quote_word(as(word));
      return out;
    }
    case Kind::file:
      break;
  }
  return std::string(operation(right_)) + " " + as(asked_);
}

}  // namespace alos::policy
