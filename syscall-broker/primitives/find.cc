#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <span>
#include <utility>

#include "base/paths.h"
#include "policy/way.h"
#include "syscall-broker/pipeline.h"
#include "syscall-broker/primitives/files.h"
#include "syscall-broker/script.h"

namespace alos::broker {
namespace {

constexpr std::string_view kMasked =
    "the box shows nothing of this file: a deny takes it, by this or another of its names";
constexpr std::string_view kThroughTheBroker = "it is read through the broker alone";
constexpr std::string_view kKept =
    "or one of its directories that the policy does not allow by its own name is no directory, closed or a link; the "
    "audit says where it ends";
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

// `rule`: by which it may be gone by.
std::optional<Answer> denial_on_way(const Call& call, Wanted wanted, const std::string& asked, const std::string& by,
                                    std::string* rule = nullptr) {
  return unless_either(wanted, [&](policy::Right right) -> std::optional<Answer> {
    const auto request = policy::Request::file(right, asked, by);
    if (!request) return failed(request.error());
    const policy::CompiledPolicy& policy = call.agent().policy();
    const policy::Decision decision = policy::decide(policy, *request);
    if (rule) *rule = decision.rule_name();
    if (decision.effect == policy::Effect::allow) return std::nullopt;
    return denied(policy, decision, *request);
  });
}

// Of a path, but for those that say nothing.
std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    if (!part.empty() && part != ".") out.push_back(part);
    path.remove_prefix(std::min(part.size() + 1, path.size()));
  }
  return out;
}

std::string below(std::string directory, std::span<const std::string_view> parts) {
  for (const std::string_view part : parts) directory.append(1, '/').append(part);
  return directory;
}

// What says nothing in a path makes it longer than the kernel takes; at its end it says that a directory is meant.
std::string without_dots(std::string_view path) {
  std::string out = below("", parts_of(path));
  if (out.empty() || path.ends_with('/') || path.ends_with("/.")) out.push_back('/');
  return out;
}

// Where a link at `path` leads with what follows it, as a path to walk: what is not absolute begins where the link is.
Attempt<std::string> led_by(const UniqueFd& link, const std::string& path, const std::string& rest) {
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(link.get(), "", target, sizeof target);
  if (n <= 0) return give_up("readlink", path, n < 0 ? errno : ENOENT, "");
  const std::string_view to(target, static_cast<size_t>(n));
  const std::string from = to.starts_with('/') ? "" : path.substr(0, path.rfind('/') + 1);
  std::string out = without_dots(from + std::string(to) + rest);
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
  call.reaches(wanted.side, asked, words);
  if (words == asked) return std::nullopt;  // decided already
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
  std::vector<std::string_view> parts = parts_of(path);
  parts.erase(std::ranges::find(parts, ".."), parts.end());
  directory = below(std::move(directory), parts);
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
  std::string next;  // the path that it leads to; empty: there is none
  std::string name;  // of what was looked for, by this link
};

// What a link's name makes of what follows it; nothing where ".." leads out of it, for that is no name below it.
std::string name_by(const std::string& link, std::string_view rest) {
  std::vector<std::string_view> kept;
  for (const std::string_view part : parts_of(rest)) {
    if (part != "..")
      kept.push_back(part);
    else if (kept.empty())
      return "";
    else
      kept.pop_back();
  }
  return below(link, kept);
}

// A path of the box without "..": what that is of a link only the kernel's walk says. As it is where there is no way.
Task<std::string> undotted(const View& view, std::string path) {
  const size_t last = (path + '/').rfind("/../");
  if (last == path.npos) co_return path;
  const std::string kAnything = "/x";
  const size_t end = last + 3;
  auto place = co_await view.place(View::Tree::box, path.substr(0, end) + kAnything, true);
  if (!place) co_return path;
  co_return place->path.substr(0, place->path.size() - kAnything.size()) + path.substr(end);
}

// What follows a link may hold further links, of which ".." is not the one before it by words.
Task<bool> lead_to_the_same(const View& view, std::string path, std::string name) {
  auto one = co_await view.place(View::Tree::box, std::move(path), true);
  auto other = co_await view.place(View::Tree::box, std::move(name), true);
  if (!one || !other) co_return false;
  co_return one->path == other->path;
}

// In the other tree. Of what is allowed by its own name, or what the policy says is there, everybody may know whether
// it is; that a path was allowed as a whole says nothing of a directory's own name.
bool is_known(const Call& call, Wanted wanted, const std::string& asked, const std::string& path,
              const std::string& directory) {
  return !unless_either(wanted, [&](policy::Right right) -> std::optional<Answer> {
    if (policy::is_said_on_way(call.agent().policy(), right, path, directory)) return std::nullopt;
    return denial_on_way(call, {.rights = right, .absent = right}, asked, directory);
  });
}

// Whether it may be told how the way to `path` ends at `stop`: what that is, or that the directory around it is one.
bool may_tell(const Call& call, Wanted wanted, const std::string& asked, const std::string& path,
              const std::string& stop, int code) {
  if (!is_known(call, wanted, asked, path, stop)) return false;
  const bool is_there = code == ENOTDIR || code == ELOOP;
  return is_there || is_known(call, wanted, asked, path, stop.substr(0, std::max<size_t>(stop.rfind('/'), 1)));
}

// How the script has the call end at what it reaches, which it may.
std::optional<Answer> scripted_failure(Call& call, const std::string& reached) {
  if (call.agent().script().empty()) return std::nullopt;
  const std::string_view name = row_of(call.request().call_case()).name;
  const auto line = call.agent().script().line_for(name, reached);
  if (!line) return std::nullopt;
  return failed({std::string(name), reached, call.answer_by(*line).fails, std::string(kScriptSaysSo)});
}

// `at` and `why` are for the record.
std::unexpected<Answer> as_where_nothing_is(Call& call, const std::string& path, const std::string& at,
                                            std::string_view why) {
  if (auto no = scripted_failure(call, path)) return std::unexpected(std::move(*no));
  call.stops_at(at, why);
  return give_up("open", path, ENOENT, kKept);
}

// The link among the directories of a way that does not go on, or how the call ends.
Task<Attempt<Link>> link_on_the_way(Call& call, const View& view, Wanted wanted, const std::string& asked,
                                    const Way& way, const Error& error) {
  Stop stop = co_await stop_on_the_way(view, way.tree, way.path);
  const bool brokered = way.tree == Tree::brokered;
  std::string rule;
  std::optional<Answer> no;
  if (brokered && stop.link) no = denial_on_way(call, wanted, asked, stop.path, &rule);
  if (brokered && (!stop.link || no)) {
    const char* const why = stop.link ? "a link" : ::strerrordesc_np(error.code);
    const std::string& at = stop.path.empty() ? way.path : stop.path;  // by now it goes on
    if (!may_tell(call, wanted, asked, way.path, at, error.code))
      co_return as_where_nothing_is(call, way.path, at, why);
  } else if (!stop.link && !stop.end.empty() && stop.end != asked) {
    no = denial_on_way(call, wanted, asked, stop.end);
  }
  if (no) co_return std::unexpected(std::move(*no));
  if (!stop.link) co_return give_up(error);
  if (!brokered && lies_below(stop.path, "/proc")) {  // the text of the kernel's links is not where they lead
    auto kernels = co_await view.place(way.tree, way.path, true);
    co_return give_up(kernels ? error : kernels.error());
  }
  ALOS_ATTEMPT(next, led_by(stop.link, stop.path, stop.rest));
  if (brokered) call.goes_by(asked, stop.path, rule);
  Link out;
  if (wanted.each_link) out.name = name_by(stop.path, stop.rest);
  const bool leads_out = !out.name.empty() && stop.rest.find("/..") != stop.rest.npos;
  if (leads_out && !co_await lead_to_the_same(view, stop.path + stop.rest, out.name)) out.name.clear();
  out.next = std::move(next);
  co_return out;
}

std::optional<Answer> denial_of_mask(Wanted wanted, const std::string& asked, const std::string& path) {
  return first_denial(wanted.rights,
                      [&](policy::Right right) -> std::optional<Answer> { return masked(right, asked, path); });
}

// At a place that was come to, where something is or not.
std::optional<Answer> denial_at(Call& call, Wanted wanted, const std::string& asked, const View::Place& at,
                                bool there) {
  return at.path == asked ? std::nullopt : denial(call, there ? wanted.rights : wanted.absent, asked, at.path);
}

// What is at a place that was found, decided on and open as asked, or the link that it is. False: to be done again.
Task<Attempt<bool>> look_at(Call& call, const View& view, Wanted wanted, const std::string& asked, Found& out,
                            Link& link) {
  const std::string& path = out.place.path;
  call.reaches(wanted.side, asked, path);
  const bool decided = path == asked;
  auto opened = co_await view.open(out.place, decided && wanted.follow ? wanted.open : O_PATH);
  // A link, or a FIFO or a socket without its other end.
  const bool only_looked = !opened && (opened.error().code == ELOOP || opened.error().code == ENXIO);
  if (only_looked) opened = co_await view.open(out.place, O_PATH);
  if (!opened && opened.error().code != ENOENT) {
    // What is there can always be looked at, unless its directory is closed.
    auto seen = co_await view.open(out.place, O_PATH);
    if (!seen && out.place.brokered && !may_tell(call, wanted, asked, path, path, seen.error().code))
      co_return as_where_nothing_is(call, path, path, ::strerrordesc_np(seen.error().code));
    auto no = denial_at(call, wanted, asked, out.place, false);
    if (no) co_return std::unexpected(std::move(*no));
    const auto st = seen ? look(*seen, path) : give_up(seen.error());
    if (st && opened.error().code == EACCES && view.is_mask(*st)) no = denial_of_mask(wanted, asked, path);
    if (no) co_return std::unexpected(std::move(*no));
    co_return give_up(opened.error());
  }
  if (opened) {
    out.node = std::move(*opened);
    ALOS_ATTEMPT(st, look(out.node, path));
    out.st = st;
    if (S_ISLNK(st.st_mode) && wanted.follow) {
      const bool passes = out.place.brokered && !decided;
      std::string rule;
      auto no = passes ? denial_on_way(call, wanted, asked, path, &rule) : std::nullopt;
      if (no) co_return std::unexpected(std::move(*no));
      ALOS_ATTEMPT(next, led_by(out.node, path, ""));
      if (out.place.brokered) call.goes_by(asked, path, rule);
      link.name = path;
      link.next = std::move(next);
      co_return true;
    }
    if (only_looked && can_be_opened(st)) co_return false;
  }
  auto no = denial_at(call, wanted, asked, out.place, out.there());
  // Who may make something there can tell by that whether its directory is one.
  const bool makes = wanted.absent.has(policy::Right::create) && !no;
  if (!out.there() && out.place.brokered && !makes && !may_tell(call, wanted, asked, path, path, ENOENT))
    co_return as_where_nothing_is(call, path, path, ::strerrordesc_np(ENOENT));
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

// One that is not straight, or has an error to be named.
Task<Attempt<Found>> search(Call& call, const View& view, const std::string& asked, Wanted wanted) {
  Way way{asked, view.is_brokered(asked) ? Tree::brokered : Tree::box, wanted.each_link};
  std::vector<std::string> names;
  for (int step = 0; step <= kMostLinks; ++step) {
    Found out;
    Link link;
    auto placed = co_await view.place(way.tree, way.path, way.tree == Tree::box && !way.each_link);
    if (placed) {
      out.place = std::move(*placed);
      if (way.tree == Tree::box && view.is_brokered(out.place.path)) {  // the box has nothing there
        way.tree = Tree::brokered;
        way.path = std::move(out.place.path);
        if (auto no = denial_of_next(call, wanted, asked, way.path)) co_return std::unexpected(std::move(*no));
        continue;
      }
      auto done = co_await look_at(call, view, wanted, asked, out, link);
      ALOS_ATTEMPT(whole, std::move(done));
      if (!whole) continue;  // it has come since
    } else {
      call.reaches(wanted.side, asked, way.path);
      const int code = placed.error().code;
      const bool no_way =
          code == ENOENT || code == ENOTDIR || code == EACCES || (code == ENAMETOOLONG && way.tree == Tree::brokered);
      if (no_way && way.tree == Tree::box && !std::exchange(way.each_link, true)) {
        --step;  // the same once more
        continue;
      }
      if (!no_way && (code != ELOOP || (way.tree == Tree::box && !way.each_link))) co_return give_up(placed.error());
      auto search = co_await link_on_the_way(call, view, wanted, asked, way, placed.error());
      ALOS_ATTEMPT(found, std::move(search));
      link = std::move(found);
    }
    if (link.next.empty()) {
      if (auto no = scripted_failure(call, out.place.path)) co_return std::unexpected(std::move(*no));
      out.names = std::move(names);
      co_return out;
    }
    way.path = std::move(link.next);
    std::string real = way.path;
    if (way.tree == Tree::box) real = co_await undotted(view, std::move(real));
    const bool in_box = way.tree == Tree::box && std::ranges::count(parts_of(real), "..") > 0;
    const std::string words = canonical_path(real).value_or(real);
    way.tree = !in_box && view.is_brokered(words) ? Tree::brokered : Tree::box;
    if (way.tree == Tree::brokered) {
      way.path = words;
      if (auto no = denial_of_next(call, wanted, asked, words)) co_return std::unexpected(std::move(*no));
    }
    if (!link.name.empty()) names.push_back(std::move(link.name));
  }
  co_return give_up("open", asked, ELOOP, "too many links");
}

// In the box's tree mounts and Landlock hold whatever an agent puts there.
Attempt<void> must_not_be_fresh(const Wanted& wanted, const View::Place& place) {
  const bool harmless = (policy::Rights(policy::Right::stat) | policy::Right::remove).has(wanted.rights);
  if (harmless || !place.brokered || !is_fresh(place.path)) return {};
  return give_up("open", place.path, EBUSY,
                 "a file that is being written is called so until it is put in its place; take another name, or remove "
                 "it where a broker that was killed has left it");
}

}  // namespace

Answer masked(policy::Right right, const std::string& asked, const std::string& reached) {
  const auto request = policy::Request::file(right, asked, reached);
  return refused(request ? request->shown() : printable(asked), kMasked,
                 "'alos policy explain' says by which rule, given that name");
}

// The search is a coroutine of its own: what it takes to run one is allocated, and a straight path needs none of it.
Task<Attempt<Found>> find(Call& call, const std::string& asked, Wanted wanted) {
  call.seeks(wanted.side);
  ALOS_ATTEMPT(view, call.agent().view());
  if (!wanted.brokered && view->is_brokered(asked)) co_return give_up("open", asked, EACCES, kThroughTheBroker);
  if (!wanted.beside) {
    if (auto straight = co_await find_straight(*view, asked, wanted)) {
      ALOS_ATTEMPT(ready, must_not_be_fresh(wanted, straight->place));
      if (auto no = scripted_failure(call, straight->place.path)) co_return std::unexpected(std::move(*no));
      co_return std::move(*straight);
    }
  }
  auto searched = co_await search(call, *view, asked, wanted);
  ALOS_ATTEMPT(found, std::move(searched));
  ALOS_ATTEMPT(ready, must_not_be_fresh(wanted, found.place));
  co_return std::move(found);
}

}  // namespace alos::broker
