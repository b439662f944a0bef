#include "supervisor/cli/workspace_show.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/digest.h"
#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/text_diff.h"

namespace alos::workspace {
namespace {

using Json = nlohmann::json;

constexpr size_t kTextLimit = 1 << 20;
constexpr const char *kRed = "\x1b[31m", *kGreen = "\x1b[32m", *kYellow = "\x1b[33m", *kBold = "\x1b[1m";

std::string paint(Style style, const char* colour, const std::string& text) {
  return style.colour ? colour + text + "\x1b[0m" : text;
}

const char* colour_of(Kind kind) {
  return kind == Kind::added ? kGreen : kind == Kind::deleted ? kRed : kYellow;
}

std::string shown(const Change& change) {
  return (change.path.empty() ? "." : printable(change.path)) + (change.is_directory() ? "/" : "");
}

std::string sizes(const Change& change) {
  const Node &before = change.before, &after = change.after;
  const auto mode = [&] { return fmt::format("mode {:04o} -> {:04o}", before.mode, mode_to_apply(change)); };
  if (change.kind == Kind::type_changed) return fmt::format("{} -> {}", name(before.type), name(after.type));
  if (!change.moved_from.empty()) return "renamed from " + printable(change.moved_from) + "/";
  if (change.kind == Kind::modified && !change.content_differs) return mode();
  if (change.is_directory()) return "";
  if (change.source.where == Place::Where::host) return "as it was in " + printable(change.source.path);
  if ((after.there() ? after : before).type != Type::file)
    return std::string(name((after.there() ? after : before).type));
  if (change.kind == Kind::added) return size_text(after.size);
  if (change.kind == Kind::deleted) return size_text(before.size);
  return size_text(before.size) + " -> " + size_text(after.size) +
         (before.mode == mode_to_apply(change) ? "" : ", " + mode());
}

std::string why_it_stays(const Change& change) {
  if (!change.refused.empty()) return "never applied: " + change.refused;
  if (change.denied)
    return "denied by rule '" + printable(change.denied->rule) + "'" +
           (change.denied->reason.empty() ? "" : ": " + printable_text(change.denied->reason));
  if (!change.conflict.empty()) return "conflict: " + change.conflict;
  std::string text;
  for (const Flag& flag : change.flags)
    text += fmt::format("{}[{}] {}", text.empty() ? "" : "; ", name(flag.hazard), flag.reason);
  return text;
}

// Tabs are what source is full of; everything else that a terminal obeys is spelled out.
std::string text_line(std::string_view line) {
  std::string out;
  for (size_t at = 0; at <= line.size();) {
    const size_t end = std::min(line.find('\t', at), line.size());
    out += printable_text(line.substr(at, end - at));
    if (end < line.size()) out += '\t';
    at = end + 1;
  }
  return out;
}

void show_line(const Change& change, const std::string& more, Style style) {
  const std::string letter_text = paint(style, colour_of(change.kind), std::string(1, letter(change.kind)));
  const std::string size = sizes(change);
  std::string text = shown(change);
  if (!size.empty() || !more.empty()) text = fmt::format("{:<44}", text);
  if (!size.empty()) text += "  " + size;
  if (!more.empty()) text += "  " + more;
  fmt::print("  {}  {}\n", letter_text, text);
}

// A directory that goes as a whole is one line.
size_t swallowed(const std::vector<const Change*>& changes, size_t i) {
  if (changes[i]->kind != Kind::deleted || !changes[i]->is_directory()) return 0;
  size_t n = 0;
  while (i + n + 1 < changes.size() && is_below(changes[i + n + 1]->path, changes[i]->path)) ++n;
  return n;
}

// What a repository, a tree of dependencies or a leftover holds is one line, where it is more than one path. Counted
// first: others of it lie between.
class Wholes {
 public:
  void count(const Change& change, const std::string& key) {
    if (change.goes_with_whole()) ++counts_[key_of(change, key)];
  }
  // True where the line says it already; `more` is what it is to say once.
  bool swallows(const Change& change, const std::string& key, const std::string& more, Style style) {
    if (!change.goes_with_whole()) return false;
    size_t& n = counts_[key_of(change, key)];
    if (n == 1) return false;
    if (n > 1) show(change, n, key, more, style);
    n = 0;
    return true;
  }

 private:
  enum class What : uint8_t { repository, dependency, interrupted };
  struct Key {
    std::string whole;
    What what;
    bool stays;
    auto operator<=>(const Key&) const = default;
  };

  static What what(const Change& change) {
    const auto has = [&](Hazard hazard) {
      return std::ranges::any_of(change.flags, [&](const Flag& flag) { return flag.hazard == hazard; });
    };
    return has(Hazard::dependency) ? What::dependency : has(Hazard::repository) ? What::repository : What::interrupted;
  }
  static Key key_of(const Change& change, const std::string& key) {
    return {*change.whole, what(change), !key.empty()};
  }

  static void show(const Change& change, size_t n, const std::string& key, const std::string& more, Style style) {
    const std::string whole = change.whole->empty() ? "." : printable(*change.whole);
    constexpr const char* kNames[] = {"repository data", "dependencies", "an interrupted rename"};
    constexpr const char* kWhy[] = {"brings commits, or files staged, that apply has not looked at",
                                    "code that programs load or run",
                                    "what it had gathered when it was ended, and is gone from where it was"};
    const auto kind = static_cast<size_t>(what(change));
    fmt::print("  {}  {:<44}  {} paths of {}{}\n", paint(style, kYellow, "M"), whole + "/", n, kNames[kind],
               more.empty() ? "" : "  " + paint(style, kYellow, more));
    if (key.empty()) return;
    const char* why = kWhy[kind];
    fmt::print("       {}\n", paint(style, kYellow, fmt::format("{}; all of them: alos apply {}", why, whole)));
  }

  std::map<Key, size_t> counts_;
};

void show_group(const std::string& title, const std::vector<const Change*>& changes, Style style) {
  if (changes.empty()) return;
  fmt::print("{}\n", paint(style, kBold, title));
  Wholes wholes;
  for (const Change* change : changes) wholes.count(*change, why_it_stays(*change));
  for (size_t i = 0; i < changes.size(); ++i) {
    const std::string reason = why_it_stays(*changes[i]);
    if (wholes.swallows(*changes[i], reason, "", style)) continue;
    const size_t inside = reason.empty() ? swallowed(changes, i) : 0;
    show_line(*changes[i], inside ? fmt::format("and {} in it", inside) : "", style);
    if (!reason.empty()) fmt::print("       {}\n", paint(style, kYellow, reason));
    i += inside;
  }
  fmt::print("\n");
}

// Empty optional: not text, or too much of it.
std::optional<std::string> text_of(Tree& tree, const std::string& path, const Node& node) {
  if (node.type == Type::link) {
    const auto target = tree.link_target(path);
    return target ? std::optional("-> " + *target + "\n") : std::nullopt;
  }
  if (node.type != Type::file) return "";
  if (node.size > kTextLimit) return std::nullopt;
  const auto fd = tree.file(path);
  if (!fd) return std::nullopt;
  auto text = sys::read_file(fd->get(), kTextLimit);
  if (!text || looks_binary(*text)) return std::nullopt;
  return std::move(*text);
}

bool has_text(const Node& node) {
  return node.type == Type::file || node.type == Type::link;
}

void show_hunks(const std::vector<DiffLine>& lines, Style style) {
  for (const DiffLine& line : lines) {
    if (line.sign == '@')
      fmt::print("{}\n", paint(style, kYellow, fmt::format("@@ -{} +{} @@", line.before, line.after)));
    else if (line.sign == ' ')
      fmt::print(" {}\n", text_line(line.text));
    else
      fmt::print("{}\n", paint(style, line.sign == '+' ? kGreen : kRed, line.sign + text_line(line.text)));
  }
}

void show_text(const Change& change, Tree& host, Tree& content, Style style) {
  const auto before = text_of(host, change.path, change.before);
  Tree& source = change.source.where == Place::Where::host ? host : content;
  const auto after = text_of(source, change.source.path, change.after);
  const auto lines = before && after ? text_diff(*before, *after, {}) : std::nullopt;
  const std::string path = printable(change.path);
  fmt::print("{}\n", paint(style, kBold, fmt::format("--- {}", change.before.there() ? "host/" + path : "/dev/null")));
  fmt::print("{}\n", paint(style, kBold, fmt::format("+++ {}", change.after.there() ? "layer/" + path : "/dev/null")));
  if (!lines)
    fmt::print("{} ({})\n", before && after ? "too many lines differ" : "not shown: binary, too large or unreadable",
               sizes(change));
  else
    show_hunks(*lines, style);
}

void put_bytes(Json& json, const char* key, const std::string& raw) {
  json[key] = printable(raw);
  if (printable(raw) != raw)
    json[std::string(key) + "_hex"] = hex({reinterpret_cast<const uint8_t*>(raw.data()), raw.size()});
}

Json node_json(const Node& node) {
  if (!node.there()) return nullptr;
  return {{"type", name(node.type)},
          {"mode", fmt::format("{:04o}", node.mode)},
          {"size", node.size},
          {"disk", node.blocks}};
}

Json change_json(const Change& change) {
  Json json = {{"kind", std::string(1, letter(change.kind))},
               {"before", node_json(change.before)},
               {"after", node_json(change.after)},
               {"flags", Json::array()},
               {"safe", change.safe()}};
  put_bytes(json, "path", change.path.empty() ? "." : change.path);
  for (const Flag& flag : change.flags) json["flags"].push_back({{"kind", name(flag.hazard)}, {"reason", flag.reason}});
  if (change.denied)
    json["denied"] = {{"rule", printable(change.denied->rule)}, {"reason", printable_text(change.denied->reason)}};
  if (!change.conflict.empty()) json["conflict"] = change.conflict;
  if (!change.refused.empty()) json["refused"] = change.refused;
  if (!change.moved_from.empty()) put_bytes(json, "renamed_from", change.moved_from);
  if (change.whole) put_bytes(json, "part_of", change.whole->empty() ? "." : *change.whole);
  return json;
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Style Style::for_stdout() {
  return {::isatty(STDOUT_FILENO) == 1 && !std::getenv("NO_COLOR")};
}

std::string size_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024; value /= 1024) ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

void show_changes(const std::vector<Change>& changes, Purpose purpose, Style style) {
  if (purpose == Purpose::drop) {
    std::vector<const Change*> all;
    for (const Change& change : changes) all.push_back(&change);
    return show_group("To be dropped:", all, style);
  }
  std::vector<const Change*> safe, flagged, stuck;
  for (const Change& change : changes)
    (change.safe()                                                         ? safe
     : change.refused.empty() && !change.denied && change.conflict.empty() ? flagged
                                                                           : stuck)
        .push_back(&change);
  show_group("To be applied by `alos apply`:", safe, style);
  show_group("To be applied only when named, because a tool on the host would run or obey it:", flagged, style);
  show_group("Stays in the layer:", stuck, style);
}

void show_texts(const std::vector<Change>& changes, Tree& host, Tree& content, Style style) {
  std::string_view gone = "/";  // no path begins so
  for (const Change& change : changes) {
    const bool whole = is_below(change.path, gone) || change.source.where == Place::Where::host;
    if (change.kind == Kind::deleted && change.is_directory() && !is_below(change.path, gone)) gone = change.path;
    if (!whole && change.content_differs && (has_text(change.before) || has_text(change.after)))
      show_text(change, host, content, style);
  }
}

void show_report(const ApplyReport& report, Effect effect, Style style) {
  const char* verb = effect == Effect::apply ? "applied" : "would apply";
  Wholes wholes;
  const auto may_join = [](const Line& line) {
    return line.outcome == Outcome::applied || line.outcome == Outcome::held;
  };
  for (const Line& line : report.lines)
    if (may_join(line)) wholes.count(line.change, line.reason);
  for (const Line& line : report.lines) {
    const std::string outcome(line.outcome == Outcome::applied ? "" : name(line.outcome));
    if (may_join(line) && wholes.swallows(line.change, line.reason, outcome, style)) continue;
    if (line.outcome == Outcome::applied) {
      show_line(line.change, "", style);
      continue;
    }
    show_line(line.change, paint(style, kYellow, std::string(name(line.outcome))), style);
    fmt::print("       {}\n", printable_text(line.reason));
  }
  for (const std::string& path : report.unknown)
    fmt::print("  ?  {:<44}  the layer has nothing there\n", printable(path));
  fmt::print("\n{} {}", verb, report.count(Outcome::applied));
  for (const Outcome outcome : {Outcome::held, Outcome::denied, Outcome::conflict, Outcome::refused, Outcome::failed})
    if (const size_t n = report.count(outcome)) fmt::print(", {} {}", name(outcome), n);
  fmt::print("\n");
  if (report.count(Outcome::held) > 0) fmt::print("what is held goes when its exact path is named: alos apply PATH\n");
}

void show_layers(const std::vector<Candidate>& layers, int64_t now_ns) {
  for (const Candidate& layer : layers)
    fmt::print("  {:<8} {:>10} {:>6}  {}\n", name(layer.verdict), size_text(layer.bytes),
               layer.used_ns ? fmt::format("{}d", (now_ns - layer.used_ns) / 86'400'000'000'000) : "",
               layer.workspace.empty() || layer.verdict == Verdict::broken ? layer.path + ": " + layer.reason
                                                                           : printable(layer.workspace));
}

std::string json_of(const Layer& layer, const std::string& holder, const std::vector<Change>& changes) {
  Json json = {{"version", 1},
               {"changes", Json::array()},
               {"mode", layer.record.mode == Mode::copy ? "copy" : "layer"},
               {"since", rfc3339(layer.record.stamp_ns)},
               {"in_use_by", printable(holder)}};
  put_bytes(json, "workspace", layer.record.workspace);
  put_bytes(json, "layer", layer.path);
  for (const Change& change : changes) json["changes"].push_back(change_json(change));
  return text_of(json);
}

std::string json_of(const ApplyReport& report, Effect effect) {
  Json json = {{"version", 1},
               {"dry_run", effect == Effect::show},
               {"pending", report.pending},
               {"paths", Json::array()},
               {"unknown", Json::array()}};
  for (const Line& line : report.lines) {
    Json one = change_json(line.change);
    one["outcome"] = name(line.outcome);
    one["why"] = printable_text(line.reason);
    json["paths"].push_back(std::move(one));
  }
  for (const std::string& path : report.unknown) json["unknown"].push_back(printable(path));
  return text_of(json);
}

std::string json_of(const std::vector<Candidate>& layers, const std::vector<std::string>& removed) {
  Json json = {{"version", 1}, {"layers", Json::array()}, {"removed", removed}};
  for (const Candidate& layer : layers)
    json["layers"].push_back({{"path", layer.path},
                              {"workspace", printable(layer.workspace)},
                              {"bytes", layer.bytes},
                              {"verdict", name(layer.verdict)},
                              {"used", rfc3339(layer.used_ns)},
                              {"why", printable_text(layer.reason)}});
  return text_of(json);
}

}  // namespace alos::workspace
