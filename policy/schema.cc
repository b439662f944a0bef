#include "policy/schema.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/paths.h"

namespace alos::policy {
namespace {

constexpr std::string_view kAsking = "remove it: nobody is asked yet";
constexpr std::string_view kBound = "remove it with its rule, which would allow for ever without it";

constexpr Key kKeys[] = {
    {"policy", "alos", Shape::text, "", Built::yes, "1, the version of the language"},
    {"policy", "about", Shape::text, "", Built::yes, "a sentence for people"},
    {"policy", "extends", Shape::texts, "", Built::yes, "names of installed policies"},
    {"policy", "without", Shape::texts, "", Built::yes, "inherited allows as POLICY/RULE"},
    {"policy", "vars", Shape::free, "", Built::yes, "dir, file, host, word or int"},
    {"policy", "home", Shape::text_or_map, "home", Built::yes, "fresh, or {keep: NAME}"},
    {"policy", "files", Shape::named, "rule", Built::yes, "rules by name"},
    {"policy", "workspace", Shape::text, "", Built::yes, "layer, direct or copy"},
    {"policy", "project", Shape::text, "", Built::yes, "the project's own file, as in $workspace/.alos.yaml"},
    {"policy", "limits", Shape::map, "limits", Built::yes, "limits by name"},
    {"policy", "env", Shape::map, "env", Built::yes, "pass and set"},
    {"policy", "degrade", Shape::texts, "", Built::yes, "layers and limits that may be missing"},
    {"policy", "mdwe", Shape::text, "", Built::yes, "on or off"},
    {"policy", "tests", Shape::map, "tests", Built::yes, "vars, allow and deny"},
    {"policy", "commands", Shape::text_or_named, "command", Built::yes, "rules by name, or none"},
    {"policy", "clock", Shape::map, "clock", Built::yes, "sleep"},
    {"policy", "network", Shape::named, "", Built::not_yet, ""},
    {"policy", "process", Shape::map, "", Built::not_yet, ""},
    {"policy", "intercept", Shape::text, "", Built::not_yet, ""},

    {"rule", "allow", Shape::texts, "", Built::yes, "letters as in rwx, or a list of rights"},
    {"rule", "deny", Shape::texts, "", Built::yes, "letters as in rwx, or a list of rights"},
    {"rule", "path", Shape::texts, "", Built::yes, "absolute paths, or paths from a variable"},
    {"rule", "except", Shape::texts, "", Built::yes, "absolute paths, or paths from a variable"},
    {"rule", "reason", Shape::text, "", Built::yes, "a sentence for whoever is refused"},
    {"rule", "degrade", Shape::text, "", Built::yes, "allow"},
    {"rule", "optional", Shape::text, "", Built::yes, "true or false"},
    {"rule", "ask", Shape::texts, "", Built::not_yet,
     "remove it and write a deny, or remove the rule: nobody is asked yet"},
    {"rule", "audit", Shape::text, "", Built::yes, "each"},
    {"rule", "uses", Shape::text, "", Built::not_yet, kBound},
    {"rule", "for", Shape::text, "", Built::not_yet, kBound},
    {"rule", "until", Shape::text, "", Built::not_yet, kBound},
    {"rule", "grants", Shape::map, "", Built::not_yet, ""},
    {"rule", "wait", Shape::text, "", Built::not_yet, ""},
    {"rule", "expires", Shape::text, "", Built::not_yet, ""},

    {"command", "allow", Shape::text, "", Built::yes,
     "a usage line, as in '/opt/acme/deploy [--dry-run] <service:word>'"},
    {"command", "deny", Shape::text, "", Built::yes, "a usage line, as in '/opt/acme/deploy production ...'"},
    {"command", "files", Shape::map, "command files", Built::yes, "r and w, with paths"},
    {"command", "reason", Shape::text, "", Built::yes, "a sentence for whoever is refused"},
    {"command", "ask", Shape::text, "", Built::not_yet,
     "write allow or deny, or remove the rule: nobody is asked yet, and without it such a run gets the agent's own "
     "rights"},
    {"command", "network", Shape::texts, "", Built::not_yet,
     "remove the rule: a run has no network yet, with or without it"},
    {"command", "credential", Shape::text, "", Built::not_yet, "remove the rule: the broker holds no credentials yet"},
    {"command", "grants", Shape::map, "", Built::not_yet, kAsking},
    {"command", "wait", Shape::text, "", Built::not_yet, kAsking},
    {"command", "expires", Shape::text, "", Built::not_yet, kAsking},
    {"command", "uses", Shape::text, "", Built::not_yet, kBound},
    {"command", "for", Shape::text, "", Built::not_yet, kBound},
    {"command", "until", Shape::text, "", Built::not_yet, kBound},
    {"command files", "r", Shape::texts, "", Built::yes, "absolute paths, or paths from a variable"},
    {"command files", "w", Shape::texts, "", Built::yes, "absolute paths, or paths from a variable"},

    {"clock", "sleep", Shape::map, "sleep", Built::yes, "each and total"},
    {"sleep", "each", Shape::text, "", Built::yes, "a duration, as in 6h"},
    {"sleep", "total", Shape::text, "", Built::yes, "a duration, as in 24h"},

    {"home", "keep", Shape::text, "", Built::yes, "a name"},

    {"limits", "memory", Shape::text, "", Built::yes, "a size, as in 4GiB"},
    {"limits", "processes", Shape::text, "", Built::yes, "a number"},
    {"limits", "cpus", Shape::text, "", Built::yes, "cores, as in 2 or 0.5"},
    {"limits", "cpu-time", Shape::text, "", Built::yes, "a duration, as in 2h"},
    {"limits", "wall", Shape::text, "", Built::yes, "a duration, as in 8h"},
    {"limits", "disk", Shape::text, "", Built::yes, "a size, as in 4GiB"},
    {"limits", "disk-by", Shape::text, "", Built::yes, "'image' or 'watched'"},
    {"limits", "open-files", Shape::text, "", Built::yes, "a number"},

    {"env", "pass", Shape::texts, "", Built::yes, "names of environment variables"},
    {"env", "set", Shape::free, "", Built::yes, "a value"},

    {"tests", "vars", Shape::free, "", Built::yes, "a value"},
    {"tests", "allow", Shape::texts, "", Built::yes, "requests, as in fs.read /a/b"},
    {"tests", "deny", Shape::texts, "", Built::yes, "requests, as in fs.read /a/b -> rule"},
    {"tests", "ask", Shape::texts, "", Built::not_yet, ""},
};

std::string describe(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::text:
      return "a single value";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::map:
      return "keys of its own";
  }
  return "?";
}

class Validator {
 public:
  explicit Validator(Problems& problems) : problems_(problems) {}

  void section(const Node& map, std::string_view name, const std::string& where) {
    for (size_t i = 0; i < map.keys.size(); ++i) {
      const Key* row = find(name, map.keys[i].text);
      if (!row)
        unknown(map.keys[i], name, where);
      else if (row->built == Built::not_yet)
        problems_.push_back(
            {map.keys[i].at, "'" + map.keys[i].text + "' is part of the language but not enforced by this version yet",
             "only what this version enforces",
             row->expected.empty() ? "remove it; what it was to allow stays denied" : std::string(row->expected)});
      else
        value(map.keys[i], map.items[i], *row);
    }
  }

 private:
  static const Key* find(std::string_view section, std::string_view name) {
    const auto row = std::ranges::find_if(kKeys, [&](const Key& k) { return k.section == section && k.name == name; });
    return row == std::end(kKeys) ? nullptr : row;
  }

  void unknown(const Node& key, std::string_view section, const std::string& where) {
    std::vector<std::string> known;
    for (const Key& row : kKeys)
      if (row.section == section && row.built == Built::yes) known.emplace_back(row.name);
    problems_.push_back({key.at, "unknown key '" + printable(key.text) + "'" + where, alternatives(known),
                         did_you_mean(key.text, known)});
  }

  void wrong(const Node& key, const Node& value, const Key& row) {
    const bool empty = value.kind == Node::Kind::null || (value.kind != Node::Kind::text && value.items.empty());
    const bool empty_list = value.kind == Node::Kind::list && value.items.empty();
    problems_.push_back({value.kind == Node::Kind::null ? key.at : value.at,
                         "'" + printable(key.text) + "' " +
                             (empty_list ? "is an empty list"
                              : empty    ? std::string("has no value")
                                         : "has " + describe(value.kind)),
                         std::string(row.expected), empty ? "write a value, or remove the key" : ""});
  }

  void texts(const Node& key, const Node& value, const Key& row) {
    if (value.kind == Node::Kind::text) return;
    if (value.kind != Node::Kind::list || value.items.empty()) return wrong(key, value, row);
    for (const Node& item : value.items)
      if (item.kind != Node::Kind::text)
        problems_.push_back({item.at, "'" + key.text + "' holds " + describe(item.kind) + " in its list",
                             std::string(row.expected), "write one value for each entry of the list"});
  }

  void value(const Node& key, const Node& value, const Key& row) {
    const bool is_text = value.kind == Node::Kind::text;
    if (row.shape == Shape::texts) return texts(key, value, row);
    const bool either = row.shape == Shape::text_or_map || row.shape == Shape::text_or_named;
    if (row.shape == Shape::text || (either && is_text)) {
      if (!is_text) wrong(key, value, row);
      return;
    }
    if (value.kind != Node::Kind::map || value.keys.empty()) return wrong(key, value, row);
    if (row.shape == Shape::map || row.shape == Shape::text_or_map) return section(value, row.inner, in(key));
    for (size_t i = 0; i < value.keys.size(); ++i) {
      const Node &name = value.keys[i], &item = value.items[i];
      if (row.shape == Shape::free ? item.kind != Node::Kind::text : item.kind != Node::Kind::map || item.keys.empty())
        wrong(name, item, row);
      else if (row.shape != Shape::free)
        section(item, row.inner, " in " + std::string(row.inner) + " '" + printable(name.text) + "'");
    }
  }

  static std::string in(const Node& key) { return " in '" + key.text + "'"; }

  Problems& problems_;
};

}  // namespace

std::span<const Key> keys() {
  return kKeys;
}

void validate(const Node& document, Problems& problems) {
  Validator(problems).section(document, "policy", "");
}

}  // namespace alos::policy
