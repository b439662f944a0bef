#include "supervisor/workspace/manifest.h"

#include <charconv>

#include "base/sys.h"

namespace alos::workspace {
namespace {

constexpr size_t kLimit = 1 << 30;

}  // namespace

Result<void> Manifest::write(const Layer& layer, const Secrets& secrets) {
  Tree copy(TRY(sys::dup(layer.copy.get())));
  Manifest manifest;
  manifest.hide(secrets);
  std::vector<std::string> work = {""};
  while (!work.empty()) {
    const std::string path = std::move(work.back());
    work.pop_back();
    for (const std::string& name : TRY(copy.list(path))) {
      std::string below = join(path, name);
      const Node node = TRY(copy.node(below));
      manifest.note(below, node);
      if (node.type == Type::directory && !secrets.holds(below)) work.push_back(std::move(below));
    }
  }
  return manifest.save(layer);
}

void Manifest::note(std::string_view path, const Node& node) {
  if (node.there())
    inodes_.insert_or_assign(std::string(path), node.inode);
  else
    inodes_.erase(std::string(path));
}

void Manifest::hide(const Secrets& secrets) {
  hidden_.insert(secrets.paths().begin(), secrets.paths().end());
}

bool Manifest::is_placeholder(const Node& node) const {
  return node.mode == 0 && node.size == 0 && placeholders_.contains(node.inode);
}

Result<void> Manifest::save(const Layer& layer) const {
  std::string text;
  for (const auto& [path, inode] : inodes_) text.append(std::to_string(inode)).append(" ").append(path).push_back('\0');
  for (const std::string& path : hidden_) text.append("hidden ").append(path).push_back('\0');
  return sys::replace_file(layer.path + "/manifest", text, 0600);
}

Result<Manifest> Manifest::load(const Layer& layer) {
  Manifest manifest;
  auto fd = sys::openat(layer.dir.get(), "manifest", O_RDONLY | O_NOFOLLOW);
  if (!fd && fd.error().code == ENOENT) return manifest;
  const std::string text = TRY(sys::read_file(TRY(std::move(fd)).get(), kLimit));
  for (size_t at = 0; at < text.size();) {
    const std::string_view record(text.c_str() + at);
    at += record.size() + 1;
    if (record.starts_with("hidden ")) {
      manifest.hidden_.emplace(record.substr(7));
      continue;
    }
    uint64_t inode = 0;
    const auto parsed = std::from_chars(record.data(), record.data() + record.size(), inode);
    const size_t used = static_cast<size_t>(parsed.ptr - record.data()) + 1;
    if (parsed.ec == std::errc() && used < record.size()) manifest.inodes_.emplace(record.substr(used), inode);
  }
  for (const std::string& path : manifest.hidden_)
    if (const auto at = manifest.inodes_.find(path); at != manifest.inodes_.end())
      manifest.placeholders_.insert(at->second);
  return manifest;
}

bool Manifest::is(std::string_view path, const Node& node) const {
  const auto at = inodes_.find(std::string(path));
  return at != inodes_.end() && at->second == node.inode;
}

}  // namespace alos::workspace
