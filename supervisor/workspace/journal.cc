#include "supervisor/workspace/journal.h"

#include <unistd.h>

#include <charconv>
#include <vector>

#include "base/digest.h"
#include "base/paths.h"
#include "base/sys.h"

namespace alos::workspace {
namespace {

constexpr size_t kPiece = 1 << 20;    // read at once
constexpr size_t kLongest = 1 << 20;  // record: a path has 64 KiB at most
constexpr const char* kJournal = "apply.journal";
constexpr const char* kApplied = "applied";

// Whole records only: what follows the last NUL was cut off by the crash. However many there are: an apply may write
// more than fits in memory. `act` is given each and says whether to go on.
template <class Act>
Result<void> each_record(const Layer& layer, const char* name, const Act& act) {
  const auto fd = sys::openat(layer.dir.get(), name, O_RDONLY | O_NOFOLLOW);
  if (!fd && fd.error().code == ENOENT) return {};
  if (!fd) return std::unexpected(fd.error());
  std::string text;
  for (size_t has = 0;;) {
    text.resize(has + kPiece);
    const ssize_t got = ::read(fd->get(), text.data() + has, kPiece);
    if (got < 0) return fail_errno("read", name);
    if (got == 0) return {};
    std::string_view left(text.data(), has + static_cast<size_t>(got));
    for (size_t end; (end = left.find('\0')) != left.npos; left.remove_prefix(end + 1))
      if (!TRY(act(left.substr(0, end)))) return {};
    if (left.size() > kLongest) return fail("read", name, EBADMSG, "no record is as long");
    has = left.size();
    text.erase(0, static_cast<size_t>(left.data() - text.data()));
  }
}

struct Numbered {
  uint64_t number;
  std::string_view path;
};

bool split(std::string_view record, Numbered& out) {
  const auto parsed = std::from_chars(record.data(), record.data() + record.size(), out.number);
  const size_t used = static_cast<size_t>(parsed.ptr - record.data());
  if (parsed.ec != std::errc() || used >= record.size() || record[used] != ' ') return false;
  out.path = record.substr(used + 1);
  return true;
}

std::string prefix(std::string_view session) {
  return ".alos-apply-" + std::string(session) + "-";
}

Result<void> append(int file, char kind, std::string_view text) {
  std::string record(1, kind);
  record.append(text).push_back('\0');
  return sys::write_all(file, record);
}

bool unlink(int at, const std::string& name) {
  return ::unlinkat(at, name.c_str(), 0) == 0 || ::unlinkat(at, name.c_str(), AT_REMOVEDIR) == 0;
}

// A directory was made inside another of the same name.
bool take_away(int at, const std::string& name) {
  if (unlink(at, name)) return true;
  const auto around = sys::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return around && unlink(around->get(), name) && unlink(at, name);
}

Result<void> clean(Tree& host, std::string_view dir, std::string_view session) {
  const auto names = host.list(dir);
  if (!names) return {};  // the directory itself was still temporary, or is gone
  const int at = TRY(host.dir(dir));
  for (const std::string& name : *names)
    if (name.starts_with(prefix(session)))
      if (!take_away(at, name)) return fail_errno("unlinkat", printable(join(dir, name)));
  return {};
}

Result<void> note_placed(Applied& applied, Tree& host, std::string_view record) {
  Numbered placed{};
  if (!split(record, placed)) return {};
  const Node node = TRY(host.node(placed.path));
  if (node.there() && node.inode == placed.number) applied.note(placed.path, node.ctime_ns);
  return {};
}

void note_unnamed(Applied& applied, std::string_view record) {
  Numbered unnamed{};
  uint64_t inode = 0;
  if (!split(record, unnamed)) return;
  const auto parsed = std::from_chars(unnamed.path.data(), unnamed.path.data() + unnamed.path.size(), inode);
  if (parsed.ec == std::errc()) applied.note_content(inode, static_cast<int64_t>(unnamed.number));
}

}  // namespace

Result<Applied> Applied::load(const Layer& layer) {
  Applied applied;
  TRY(each_record(layer, kApplied, [&](std::string_view record) -> Result<bool> {
    Numbered entry{};
    if (split(record, entry)) applied.note(entry.path, static_cast<int64_t>(entry.number));
    return true;
  }));
  return applied;
}

Result<void> Applied::save(const Layer& layer) const {
  std::string text;
  for (const auto& [path, ctime] : known_)
    text.append(std::to_string(static_cast<uint64_t>(ctime))).append(" ").append(path).push_back('\0');
  return sys::replace_file(layer.path + "/" + kApplied, text, 0600, true);
}

// No path begins with a slash.
static std::string inode_key(const Node& node) {
  return "/" + std::to_string(node.inode);
}
static std::string content_key(uint64_t inode) {
  return "//" + std::to_string(inode);
}

void Applied::note_inode(const Node& node) {
  note(inode_key(node), node.ctime_ns);
}

void Applied::note_content(uint64_t inode, int64_t mtime_ns) {
  note(content_key(inode), mtime_ns);
}

bool Applied::is_ours(std::string_view path, const Node& node) const {
  const auto is = [&](std::string_view key, int64_t time) {
    const auto at = known_.find(key);
    return at != known_.end() && at->second == time;
  };
  if (is(path, node.ctime_ns)) return true;
  return node.type != Type::directory &&
         (is(inode_key(node), node.ctime_ns) || is(content_key(node.inode), node.mtime_ns));
}

Result<Journal> Journal::begin(const Layer& layer) {
  Journal journal;
  journal.session_ = random_hex(8);
  journal.file_ =
      TRY(sys::openat(layer.dir.get(), kJournal, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, 0600));
  TRY(append(journal.file_.get(), 's', journal.session_));
  TRY(sys::fsync(journal.file_.get()));
  TRY(sys::fsync(layer.dir.get()));
  return journal;
}

Result<void> Journal::announce(const std::set<std::string>& directories) {
  std::string text;
  for (const std::string& dir : directories)
    if (directories_.insert(dir).second) text.append("d").append(dir).push_back('\0');
  TRY(sys::write_all(file_.get(), text));
  return sync();
}

Result<std::string> Journal::temporary(const std::string& dir) {
  if (!directories_.contains(dir)) TRY(announce({dir}));
  return prefix(session_) + random_hex(8);
}

Result<void> Journal::placing(uint64_t inode, std::string_view path) {
  return append(file_.get(), 'i', std::to_string(inode) + " " + std::string(path));
}

Result<void> Journal::unnaming(const Node& node) {
  if (node.links < 2 || node.type == Type::directory) return {};
  return append(file_.get(), 'u',
                std::to_string(static_cast<uint64_t>(node.mtime_ns)) + " " + std::to_string(node.inode));
}

Result<void> Journal::sync() const {
  if (::fdatasync(file_.get()) != 0) return fail_errno("fdatasync", kJournal);
  return {};
}

Result<void> Journal::end(const Layer& layer) {
  return sys::unlinkat(layer.dir.get(), kJournal, 0);
}

bool needs_recovery(const Layer& layer) {
  return ::faccessat(layer.dir.get(), kJournal, F_OK, 0) == 0;
}

std::string temporary_names(const Layer& layer) {
  std::string session;
  const auto found = each_record(layer, kJournal, [&](std::string_view record) -> Result<bool> {
    if (record.starts_with('s')) session = record.substr(1);
    return session.empty();
  });
  return found && !session.empty() ? prefix(session) : "";
}

Result<void> recover(const Layer& layer, Tree& host) {
  if (!needs_recovery(layer)) return {};
  Applied applied = TRY(Applied::load(layer));
  std::string session;
  std::vector<std::string> directories;
  TRY(each_record(layer, kJournal, [&](std::string_view record) -> Result<bool> {
    if (record.starts_with('s')) session = record.substr(1);
    if (session.empty()) return true;
    if (record.starts_with('d')) {
      TRY(clean(host, record.substr(1), session));
      directories.emplace_back(record.substr(1));
    }
    if (record.starts_with('i')) TRY(note_placed(applied, host, record.substr(1)));
    if (record.starts_with('u')) note_unnamed(applied, record.substr(1));
    return true;
  }));
  // The directories' own times are ours as well; they only tell whether something may have been removed from them.
  for (const std::string& path : directories)
    if (const Node dir = TRY(host.node(path)); dir.there()) applied.note(path, dir.ctime_ns);
  TRY(applied.save(layer));
  return sys::unlinkat(layer.dir.get(), kJournal, 0);
}

}  // namespace alos::workspace
