#include "policy/request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "base/paths.h"
#include "policy/problem.h"

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

}  // namespace

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
  return Request(Kind::file, right, std::move(name), std::move(file));
}

Result<Request> Request::parse(std::string_view line) {
  const size_t space = line.find(' ');
  const std::string_view verb = line.substr(0, space);
  const std::string_view object = space == line.npos ? std::string_view() : line.substr(space + 1);
  if (verb == "net.connect") {
    TRY(check_endpoint(object, line));
    return Request(Kind::network, Right::read, std::string(object), std::string(object));
  }
  for (const auto& [name, right] : kOperations) {
    if (verb != name) continue;
    if (!object.starts_with('/')) return refuse(line, "write '" + std::string(name) + " PATH' with an absolute path");
    return file(right, object);
  }
  for (const std::string_view kind : {"shell.", "clock.", "human.", "process.", "object.", "tool.", "model.", "http."})
    if (verb.starts_with(kind))
      return refuse(line, "requests of this kind are part of the language but not decided by this version yet",
                    ENOTSUP);
  std::vector<std::string> known;
  for (const auto& [name, right] : kOperations) known.emplace_back(name);
  known.emplace_back("net.connect");
  const std::string meant = did_you_mean(verb, known);
  return refuse(line, meant.empty() ? "a request begins with " + alternatives(known) : meant);
}

std::string Request::text() const {
  if (kind_ == Kind::network) return "net.connect " + asked_;
  return std::string(operation(right_)) + " " + asked_;
}

}  // namespace alos::policy
