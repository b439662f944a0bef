#include "base/follow_links.h"

#include <fcntl.h>

#include <algorithm>

#include "base/sys.h"

namespace alos {
namespace {

constexpr size_t kMostLinks = 40;

std::string_view take_component(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
  const std::string_view part = rest.substr(0, rest.find('/'));
  rest.remove_prefix(part.size());
  return part;
}

}  // namespace

Result<Followed> follow_links(std::string from, std::string_view path,
                              const std::function<Result<OnTheWay>(const std::string& path)>& look) {
  Followed out;
  std::string& at = out.path;
  if (!path.starts_with('/') && from != "/") at = std::move(from);
  std::string all(path);
  for (std::string_view rest = all;;) {
    const std::string_view part = take_component(rest);
    if (part.empty()) break;
    if (part == ".") continue;
    const size_t parent = at.size();
    if (part == "..") {
      at.resize(at.empty() ? 0 : at.rfind('/'));
      continue;
    }
    at.append("/").append(part);
    OnTheWay found = TRY(look(at));
    if (found.kind == OnTheWay::Kind::other) continue;
    if (found.kind == OnTheWay::Kind::absent) return out;
    if (found.kind == OnTheWay::Kind::closed) {
      at.resize(parent);
      out.end = Followed::End::closed;
      return out;
    }
    out.links.push_back(at);
    if (out.links.size() > kMostLinks) return out;
    at.resize(found.text.starts_with('/') ? 0 : parent);
    found.text += '/';
    found.text += rest;
    all = std::move(found.text);
    rest = all;
  }
  if (at.empty()) at += '/';
  out.end = Followed::End::there;
  return out;
}

std::vector<std::string> way_of(const std::string& path) {
  const auto look = [](const std::string& at) -> Result<OnTheWay> {
    auto text = sys::readlinkat(AT_FDCWD, at);
    if (text) return OnTheWay{OnTheWay::Kind::link, std::move(*text)};
    return OnTheWay{text.error().code == EINVAL ? OnTheWay::Kind::other : OnTheWay::Kind::absent};
  };
  auto followed = follow_links("/", path, look);
  if (!followed) return {path};
  std::vector<std::string> out = std::move(followed->links);
  out.push_back(followed->end == Followed::End::there ? followed->path : path);
  return out;
}

}  // namespace alos
