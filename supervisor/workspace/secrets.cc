#include "supervisor/workspace/secrets.h"

#include <utility>
#include <vector>

namespace alos::workspace {

Result<Secrets> Secrets::find(Tree& host, const Record& record) {
  Secrets out;
  const Hidden hidden = hidden_by(record.layer_denies);
  if (!hidden) return out;
  struct Name {
    std::string path;
    bool secret;  // itself, or a directory above
  };
  std::vector<Name> work = {{"", false}};
  std::vector<std::pair<std::pair<uint64_t, uint64_t>, std::string>> linked;
  std::set<std::pair<uint64_t, uint64_t>> inodes;
  while (!work.empty()) {
    const Name above = std::move(work.back());
    work.pop_back();
    for (const std::string& name : TRY(host.list(above.path))) {
      std::string path = join(above.path, name);
      const Node node = TRY(host.node(path));
      if (node.type == Type::link) continue;
      const bool directory = node.type == Type::directory;
      const bool matches = !above.secret && hidden(record.workspace + "/" + path, directory);
      if (matches) out.paths_.insert(path);
      const bool secret = above.secret || matches;
      if (directory) {
        work.push_back({std::move(path), secret});
      } else if (node.links > 1) {
        if (secret) inodes.insert({node.device, node.inode});
        if (!secret) linked.emplace_back(std::pair(node.device, node.inode), std::move(path));
      }
    }
  }
  for (auto& [inode, path] : linked)
    if (inodes.contains(inode)) out.paths_.insert(std::move(path));
  return out;
}

}  // namespace alos::workspace
