#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/rules.h"

namespace alos::policy {

// What is decided on: one operation on one resource, canonical by construction, because a path that could be spelled in
// two ways would meet an allow by one and miss a deny by the other.
class Request {
 public:
  enum class Kind : uint8_t { file, network };

  // `asked` is the name used, `reached` the file that it leads to: a deny matches either, an allow needs `reached`.
  // Both absolute; made canonical lexically. Errors: {"request", path, EINVAL or ENAMETOOLONG}.
  static Result<Request> file(Right right, std::string_view asked, std::string_view reached);
  static Result<Request> file(Right right, std::string_view path) { return file(right, path, path); }

  // One request line, as in explain, tests, denials and the audit: "fs.read /a/b", "net.connect host:443". The path is
  // all that follows the first space. Errors: {"request", line, EINVAL, what may be written}; ENOTSUP for kinds of
  // request that belong to the language and are not decided by this version.
  static Result<Request> parse(std::string_view line);
  std::string text() const;

  Kind kind() const { return kind_; }
  Right right() const { return right_; }
  const std::string& asked() const { return asked_; }
  const std::string& reached() const { return reached_; }

 private:
  Request(Kind kind, Right right, std::string asked, std::string reached)
      : kind_(kind), right_(right), asked_(std::move(asked)), reached_(std::move(reached)) {}
  Kind kind_;
  Right right_;
  std::string asked_;  // of a network request: HOST:PORT
  std::string reached_;
};

// "fs.read" for Right::read, and so on.
std::string_view operation(Right right);

}  // namespace alos::policy
