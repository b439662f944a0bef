#include "syscall-broker/primitives/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/digest.h"
#include "base/paths.h"
#include "base/sys.h"
#include "syscall-broker/pipeline.h"
#include "syscall-broker/primitives/primitives.h"

namespace alos::broker {
namespace {

constexpr std::string_view kMasked =
    "the box shows nothing of this file: a deny takes it, by this or another of its names";
constexpr std::string_view kThroughTheBroker = "it is read through the broker alone";
constexpr int kMostLinks = 40;  // as the kernel's own path walk

std::optional<Answer> first_denial(policy::Rights rights, const auto& of) {
  for (uint16_t bit = 1; bit <= static_cast<uint16_t>(policy::Right::execute); bit = static_cast<uint16_t>(bit << 1)) {
    const auto right = static_cast<policy::Right>(bit);
    if (!rights.has(right)) continue;
    if (std::optional<Answer> out = of(right)) return out;
  }
  return std::nullopt;
}

// Decides each right on what was reached.
std::optional<Answer> denial(Call& call, policy::Rights rights, const std::string& asked, const std::string& reached) {
  return first_denial(rights, [&](policy::Right right) { return call.denial(right, asked, reached); });
}

// On the way nothing is done yet: who may do what is asked to what is there, or where nothing is, may go on.
std::optional<Answer> unless_either(Wanted wanted, const auto& of) {
  auto out = first_denial(wanted.rights, of);
  return out && first_denial(wanted.absent, of) ? std::move(out) : std::nullopt;
}

// By a rule that denies, or for want of one that allows.
enum class Want : uint8_t { no_denial, allowance };

std::optional<Answer> denial_on_way(const Call& call, Wanted wanted, const std::string& asked, const std::string& by,
                                    Want want) {
  return unless_either(wanted, [&](policy::Right right) -> std::optional<Answer> {
    const auto request = policy::Request::file(right, asked, by);
    if (!request) return failed(request.error());
    const policy::CompiledPolicy& policy = call.agent().policy();
    const policy::Decision decision = policy::decide(policy, *request);
    if (decision.effect == policy::Effect::allow || (want == Want::no_denial && !decision.rule)) return std::nullopt;
    return denied(policy, decision, *request);
  });
}

}  // namespace

Attempt<std::string> path_argument(std::string_view bytes) {
  const std::string_view shown = bytes.substr(0, bytes.find('\0'));
  if (bytes.empty()) return give_up("path", "", EINVAL, "it is empty");
  auto path = bytes.starts_with('/') ? canonical_path(bytes) : canonical_path("/" + std::string(bytes));
  if (!path) return give_up("path", shown, path.error().code, path.error().hint);
  return std::move(*path);
}

Attempt<Plan> demand(std::string_view path, std::initializer_list<policy::Right> rights) {
  Plan out;
  for (const policy::Right right : rights) {
    auto request = policy::Request::file(right, path);
    if (!request) return give_up(request.error());
    out.demands.push_back(std::move(*request));
  }
  return out;
}

Attempt<Plan> both(Attempt<Plan> first, Attempt<Plan> second) {
  if (!first || !second) return first ? std::move(second) : std::move(first);
  first->details.emplace_back("to", printable(second->demands.front().asked()));
  for (policy::Request& request : second->demands) first->demands.push_back(std::move(request));
  return first;
}

std::string version_of(const struct stat& st) {
  const auto ns = [](const timespec& t) {
    return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
  };
  return fmt::format("{:x}.{:x}.{:x}.{:x}", st.st_dev, st.st_ino, st.st_size, ns(st.st_ctim));
}

wire::FileType type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return wire::REGULAR;
    case S_IFDIR:
      return wire::DIRECTORY;
    case S_IFLNK:
      return wire::LINK;
    case S_IFIFO:
      return wire::FIFO;
    case S_IFSOCK:
      return wire::SOCKET;
    case S_IFCHR:
      return wire::CHARACTER_DEVICE;
    case S_IFBLK:
      return wire::BLOCK_DEVICE;
    default:
      return wire::TYPE_UNKNOWN;
  }
}

std::string_view kind_of(mode_t mode) {
  switch (type_of(mode)) {
    case wire::REGULAR:
      return "a regular file";
    case wire::DIRECTORY:
      return "a directory";
    case wire::LINK:
      return "a link";
    case wire::FIFO:
      return "a FIFO";
    case wire::SOCKET:
      return "a socket";
    default:
      return "a device";
  }
}

Attempt<struct stat> look(const UniqueFd& fd, std::string_view path) {
  auto st = sys::fstat(fd.get());
  if (!st) return give_up("fstat", path, st.error().code);
  return *st;
}

namespace {

// Where a link leads, as a path to walk: what is not absolute begins where the link is.
Attempt<std::string> target_of(const UniqueFd& link, const std::string& path) {
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(link.get(), "", target, sizeof target);
  if (n <= 0) return give_up("readlink", path, n < 0 ? errno : ENOENT, "");
  const std::string_view to(target, static_cast<size_t>(n));
  std::string out = to.starts_with('/') ? std::string(to) : path.substr(0, path.rfind('/') + 1) + std::string(to);
  if (out.size() >= PATH_MAX) return give_up("readlink", path, ENAMETOOLONG, "");
  return out;
}

// Everything else is looked at and refused.
bool can_be_opened(const struct stat& st) {
  return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

using Tree = View::Tree;

// Where a search has come to. A path of the other tree is its words, as those asked for are: canonical. One of the box
// is the kernel's to walk, and never leaves it.
struct Way {
  std::string path;
  Tree tree = Tree::box;
  bool each_link = false;  // those among the directories one by one as well
};

// In the tree that the box does not see nothing is looked at by a path that is denied: neither what is there, nor
// whether it is a link, nor where that leads. (What is in the box its programs can see for themselves.)
std::optional<Answer> denial_of_next(Call& call, Wanted wanted, const std::string& asked, const std::string& words) {
  if (!wanted.brokered) return failed(fail("open", words, EACCES, kThroughTheBroker).error());
  return unless_either(wanted, [&](policy::Right right) { return call.denial(right, asked, words); });
}

// Where the way along a path's directories does not go on.
struct Stop {
  std::string path;  // real, of the component that it is
  std::string rest;  // of the path, from its next slash on
  UniqueFd link;     // if it is one
  std::string end;   // what would have been reached, by the words, or as far as they say; empty: it does go on
};

// Of a real directory and a path below it. What ".." makes of a component that is no directory is nothing.
std::string joined(std::string directory, std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    if (part == "..") break;
    if (!part.empty() && part != ".") directory.append(1, '/').append(part);
    path.remove_prefix(part.size());
  }
  return directory.empty() ? "/" : directory;
}

Task<Stop> stop_on_the_way(const View& view, Tree tree, std::string path) {
  const std::string kAnything = "/x";
  Stop out;
  std::vector<size_t> ends;
  for (size_t at = path.find('/', 1); at != path.npos; at = path.find('/', at + 1)) ends.push_back(at);
  // Each one leads on as long as all before it do.
  size_t first = 0, last = ends.size();
  std::string directory;
  while (first < last) {
    const size_t middle = first + (last - first) / 2;
    auto place = co_await view.place(tree, path.substr(0, ends[middle]) + kAnything, false);
    if (!place) {
      last = middle;
      continue;
    }
    first = middle + 1;
    directory = place->path.substr(0, place->path.size() - kAnything.size());
  }
  if (first == ends.size()) co_return out;
  const size_t begin = first == 0 ? 0 : ends[first - 1];
  out.path = directory + path.substr(begin, ends[first] - begin);
  out.rest = path.substr(ends[first]);
  out.end = joined(std::move(directory), std::string_view(path).substr(begin));
  auto place = co_await view.place(tree, out.path, false);
  if (!place || place->path != out.path) co_return out;
  auto node = co_await view.open(*place, O_PATH);
  if (!node) co_return out;
  const auto st = look(*node, out.path);
  if (st && S_ISLNK(st->st_mode)) out.link = std::move(*node);
  co_return out;
}

struct Link {
  std::string path, next;
};

// The link among the directories of a way that does not go on, or how the call ends.
Task<Attempt<Link>> link_on_the_way(Call& call, const View& view, Wanted wanted, const std::string& asked,
                                    const Way& way, const Error& error) {
  Stop stop = co_await stop_on_the_way(view, way.tree, way.path);
  const bool brokered = way.tree == Tree::brokered;
  // A path of the other tree was decided on as a whole; here, on what of it is looked at.
  const std::string& at = brokered ? stop.path : stop.end;
  if ((brokered || !stop.link) && !at.empty() && at != asked) {
    const Want want = brokered && !stop.link ? Want::no_denial : Want::allowance;
    if (auto no = denial_on_way(call, wanted, asked, at, want)) co_return std::unexpected(std::move(*no));
  }
  // What the kernel's links lead to, their text does not say.
  if (!stop.link || (!brokered && lies_below(stop.path, "/proc"))) co_return give_up(error);
  ALOS_ATTEMPT(target, target_of(stop.link, stop.path));
  if (brokered) call.goes_by(stop.path);
  Link out;
  out.path = std::move(stop.path);
  out.next = std::move(target) + stop.rest;
  co_return out;
}

Task<bool> is_masked(const View& view, const View::Place& place) {
  auto node = co_await view.open(place, O_PATH);
  if (!node) co_return false;
  const auto st = look(*node, place.path);
  co_return st.has_value() && view.is_mask(*st);
}

std::optional<Answer> denial_of_mask(Wanted wanted, const std::string& asked, const std::string& path) {
  return first_denial(wanted.rights,
                      [&](policy::Right right) -> std::optional<Answer> { return masked(right, asked, path); });
}

// How the script has the call end at what it reaches, which it may.
std::optional<Answer> scripted_failure(Call& call, const std::string& reached) {
  if (call.agent().script().empty()) return std::nullopt;
  const std::string_view name = row_of(call.request().call_case()).name;
  const auto line = call.agent().script().line_for(name, reached);
  if (!line) return std::nullopt;
  return failed({std::string(name), reached, call.answer_by(*line).fails, std::string(kScriptSaysSo)});
}

// What is at a place that was found, decided on and open as asked, or the link that it is. False: to be done again.
Task<Attempt<bool>> look_at(Call& call, const View& view, Wanted wanted, const std::string& asked, Found& out,
                            Link& link) {
  const std::string& path = out.place.path;
  const bool decided = path == asked;
  auto opened = co_await view.open(out.place, decided && wanted.follow ? wanted.open : O_PATH);
  // A link, or a FIFO or a socket without its other end.
  const bool only_looked = !opened && (opened.error().code == ELOOP || opened.error().code == ENXIO);
  if (only_looked) opened = co_await view.open(out.place, O_PATH);
  if (!opened && opened.error().code != ENOENT) {
    auto no = decided ? std::nullopt : denial(call, wanted.absent, asked, path);
    if (no) co_return std::unexpected(std::move(*no));
    bool is_mask = false;
    if (opened.error().code == EACCES) is_mask = co_await is_masked(view, out.place);
    if (is_mask) no = denial_of_mask(wanted, asked, path);
    if (no) co_return std::unexpected(std::move(*no));
    co_return give_up(opened.error());
  }
  if (opened) {
    out.node = std::move(*opened);
    ALOS_ATTEMPT(st, look(out.node, path));
    out.st = st;
    if (S_ISLNK(st.st_mode) && wanted.follow) {
      const bool passes = out.place.brokered && !decided;
      auto no = passes ? denial_on_way(call, wanted, asked, path, Want::allowance) : std::nullopt;
      if (no) co_return std::unexpected(std::move(*no));
      ALOS_ATTEMPT(next, target_of(out.node, path));
      if (passes) call.goes_by(path);
      link.path = path;
      link.next = std::move(next);
      co_return true;
    }
    if (only_looked && can_be_opened(st)) co_return false;
  }
  auto no = decided ? std::nullopt : denial(call, out.there() ? wanted.rights : wanted.absent, asked, path);
  if (no) co_return std::unexpected(std::move(*no));
  if (!out.there()) co_return true;
  if (view.is_mask(out.st) && !wanted.masks && !wanted.rights.has(policy::Right::stat)) {
    no = denial_of_mask(wanted, asked, path);
    if (no) co_return std::unexpected(std::move(*no));
  }
  if (decided || wanted.open == O_PATH || !can_be_opened(out.st)) co_return true;
  auto again = co_await view.open(out.place, wanted.open);
  ALOS_ATTEMPT(node, std::move(again));
  out.node = std::move(node);
  ALOS_ATTEMPT(st, look(out.node, path));
  out.st = st;
  co_return true;
}

// Nothing where there is a link on the way, or an error to be named.
Task<std::optional<Found>> find_straight(const View& view, const std::string& asked, Wanted wanted) {
  Found out;
  out.place.path = asked;
  out.place.brokered = view.is_brokered(asked);
  auto opened = co_await view.open_straight(asked, out.place.brokered, wanted.follow ? wanted.open : O_PATH);
  if (!opened) co_return std::nullopt;
  out.node = std::move(*opened);
  const auto st = look(out.node, asked);
  if (!st || (wanted.follow && S_ISLNK(st->st_mode)) || view.is_mask(*st)) co_return std::nullopt;
  out.st = *st;
  co_return out;
}

}  // namespace

Answer masked(policy::Right right, const std::string& asked, const std::string& reached) {
  const auto request = policy::Request::file(right, asked, reached);
  return refused(request ? request->text() : asked, kMasked,
                 "'alos policy explain' says by which rule, given that name");
}

Task<Attempt<Found>> find(Call& call, const std::string& asked, Wanted wanted) {
  ALOS_ATTEMPT(view, call.agent().view());
  if (!wanted.brokered && view->is_brokered(asked)) co_return give_up("open", asked, EACCES, kThroughTheBroker);
  if (!wanted.beside) {
    if (auto straight = co_await find_straight(*view, asked, wanted)) {
      if (auto no = scripted_failure(call, straight->place.path)) co_return std::unexpected(std::move(*no));
      co_return std::move(*straight);
    }
  }
  Way way{asked, view->is_brokered(asked) ? Tree::brokered : Tree::box, wanted.each_link};
  std::optional<Error> why;  // the kernel's own walk of its path ended
  std::vector<std::string> names;
  for (int step = 0; step <= kMostLinks; ++step) {
    Found out;
    Link link;
    auto placed = co_await view->place(way.tree, way.path, way.tree == Tree::box && !way.each_link);
    if (placed) {
      out.place = std::move(*placed);
      auto done = co_await look_at(call, *view, wanted, asked, out, link);
      ALOS_ATTEMPT(whole, std::move(done));
      if (!whole) continue;  // it has come since
    } else {
      const int code = placed.error().code;
      const bool no_way = code == ENOENT || code == ENOTDIR || code == EACCES;
      if (no_way && way.tree == Tree::box && !std::exchange(way.each_link, true)) {
        why = std::move(placed).error();
        continue;
      }
      if (!no_way && (code != ELOOP || (way.tree == Tree::box && !way.each_link))) co_return give_up(placed.error());
      const Error& error = code == ELOOP && why ? *why : placed.error();
      auto search = co_await link_on_the_way(call, *view, wanted, asked, way, error);
      ALOS_ATTEMPT(found, std::move(search));
      link = std::move(found);
    }
    if (link.path.empty()) {
      if (auto no = scripted_failure(call, out.place.path)) co_return std::unexpected(std::move(*no));
      out.names = std::move(names);
      co_return out;
    }
    way.path = std::move(link.next);
    std::string words = canonical_path(way.path).value_or(way.path);
    way.tree = view->is_brokered(words) ? Tree::brokered : Tree::box;
    if (way.tree == Tree::brokered) {
      way.path = words;
      auto no = words == asked ? std::nullopt : denial_of_next(call, wanted, asked, words);
      if (no) co_return std::unexpected(std::move(*no));
    }
    names.push_back(std::move(link.path));
    names.push_back(std::move(words));
  }
  co_return give_up("open", asked, ELOOP, "too many links");
}

Attempt<void> must_be_content(const Found& found, Names names) {
  const std::string& path = found.place.path;
  if (!found.there()) return give_up("open", path, ENOENT, "");
  if (S_ISDIR(found.st.st_mode)) return give_up("open", path, EISDIR, "it is a directory");
  if (!S_ISREG(found.st.st_mode))
    return give_up("open", path, ENOTSUP,
                   fmt::format("it is {}; only regular files are opened", kind_of(found.st.st_mode)));
  if (found.st.st_nlink > 1 && (names == Names::one || found.place.brokered))
    return give_up("open", path, EMLINK, "it has further names, and what they are would be reached with it");
  return {};
}

Task<Attempt<uint64_t>> write_all(Call& call, const UniqueFd& fd, std::string_view content, int64_t at,
                                  std::string_view path) {
  constexpr size_t kStep = 1 << 20;
  FileRing& ring = call.reactor().files();
  uint64_t done = 0;
  while (done < content.size()) {
    if (call.is_cancelled()) co_return give_up("write", path, ECANCELED, "", done > 0);
    const int n = co_await ring.write(fd.get(), content.substr(done, kStep),
                                      at < 0 ? static_cast<uint64_t>(-1) : static_cast<uint64_t>(at) + done);
    if (n == -EINTR || n == -EAGAIN) continue;
    if (n <= 0) co_return give_up("write", path, n < 0 ? -n : EIO, "", done > 0);
    done += static_cast<uint64_t>(n);
  }
  co_return done;
}

Task<Attempt<bool>> sync_to_disk(Call& call, const UniqueFd& fd, std::string_view path, bool partial) {
  const int rc = co_await call.reactor().files().fsync(fd.get());
  if (rc != 0) co_return give_up("fsync", path, -rc, "", partial);
  co_return true;
}

Task<Attempt<Fresh>> make_beside(const View& view, const View::Place& place, mode_t mode) {
  Fresh out;
  out.name = ".alos-" + random_hex(8);
  auto made = co_await view.create(place, out.name, O_WRONLY, mode);
  ALOS_ATTEMPT(fd, std::move(made));
  out.fd = std::move(fd);
  co_return out;
}

Task<Attempt<bool>> put_in_place(const View& view, const Fresh& fresh, const View::Place& place, bool replace) {
  auto moved = co_await view.rename(View::Moves::file, place, fresh.name, place, place.name, replace);
  if (moved) co_return true;
  co_await throw_away(view, fresh, place);
  co_return give_up(moved.error());
}

// A directory that the agent may not list cannot be opened to be synced (Landlock, or its mode). The file again, then:
// ext4, XFS and btrfs write a rename with the inode that it changed.
Task<Attempt<bool>> sync_name(Call& call, const View& view, const View::Place& place, const UniqueFd& file) {
  auto directory = co_await view.open_directory(place);
  const UniqueFd& on = directory ? *directory : file;
  co_return co_await sync_to_disk(call, on, place.path, true);
}

Task<bool> throw_away(const View& view, const Fresh& fresh, const View::Place& place) {
  const int rc = co_await view.ring().unlinkat(view.who(), place.directory.get(), fresh.name.c_str(), 0);
  co_return rc == 0;
}

void add_file_primitives(Pipeline& pipeline, Worker& worker) {
  add_reading(pipeline, worker);
  add_writing(pipeline, worker);
  add_naming(pipeline);
}

}  // namespace alos::broker
