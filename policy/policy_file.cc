#include "policy/policy_file.h"

#include <algorithm>
#include <array>

#include "base/paths.h"
#include "policy/schema.h"
#include "policy/units.h"

namespace alos::policy {
namespace {

bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_environment_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && !(name[0] >= '0' && name[0] <= '9') &&
         std::ranges::all_of(name, [](char c) { return letter_or_digit(c) || c == '_'; });
}

const std::vector<std::string> kDegradableNames(kDegradable.begin(), kDegradable.end());

const std::vector<std::pair<std::string, Right>> kRightWords = {
    {"read", Right::read},     {"list", Right::list},      {"stat", Right::stat},     {"write", Right::write},
    {"append", Right::append}, {"create", Right::create},  {"remove", Right::remove}, {"rename", Right::rename},
    {"chmod", Right::chmod},   {"execute", Right::execute}};

std::optional<Rights> parse_rights(std::string_view text) {
  for (const auto& [word, right] : kRightWords)
    if (text == word) return Rights(right);
  Rights out;
  for (const char c : text) {
    const Rights letter = c == 'r' ? kRead : c == 'w' ? kWrite : c == 'x' ? kExecute : Rights();
    if (letter.empty() || out.has(letter)) return std::nullopt;
    out = out | letter;
  }
  return out.empty() ? std::nullopt : std::optional(out);
}

// What decisions are named by without a rule of the author's.
constexpr std::string_view kBuiltInRules[] = {"box", "default", "broker", "commands", "clock.sleep"};

// Values of the wrong shape have been reported by validate(): here they are passed over.
class FileReader {
 public:
  FileReader(const Node& document, const std::string& name, Problems& problems)
      : document_(document), problems_(problems) {
    out_.name = name;
    out_.source = document.at;
  }

  PolicyFile read() {
    version();
    if (const Node* about = text(document_, "about")) out_.about = about->text;
    out_.extends = texts(document_.find("extends"));
    out_.without = texts(document_.find("without"));
    variables();
    rules();
    commands();
    modes();
    limits();
    clock();
    environment();
    degrade();
    tests();
    return std::move(out_);
  }

 private:
  void problem(const Source& at, std::string what, std::string expected, std::string fix = "") {
    problems_.push_back({at, std::move(what), std::move(expected), std::move(fix)});
  }

  static const Node* text(const Node& map, std::string_view key) {
    const Node* node = map.find(key);
    return node && node->kind == Node::Kind::text ? node : nullptr;
  }

  static const Node* map(const Node& parent, std::string_view key) {
    const Node* node = parent.find(key);
    return node && node->kind == Node::Kind::map ? node : nullptr;
  }

  static std::vector<Text> texts(const Node* node) {
    std::vector<Text> out;
    if (!node) return out;
    if (node->kind == Node::Kind::text) out.push_back({node->text, node->at});
    if (node->kind == Node::Kind::list)
      for (const Node& item : node->items)
        if (item.kind == Node::Kind::text) out.push_back({item.text, item.at});
    return out;
  }

  void version() {
    const Node* version = document_.find("alos");
    if (!version)
      problem(document_.at, "the key 'alos' is missing", "the version of the language",
              "begin the file with 'alos: 1'");
    else if (version->kind == Node::Kind::text && version->text != "1")
      problem(version->at, "'alos: " + printable(version->text) + "'", "1, the only version that this program reads");
  }

  void variables() {
    const Node* vars = map(document_, "vars");
    if (!vars) return;
    for (size_t i = 0; i < vars->keys.size(); ++i) {
      const Node &key = vars->keys[i], &value = vars->items[i];
      if (!is_variable_name(key.text))
        problem(key.at, "the variable name '" + printable(key.text) + "'", "lowercase letters, digits and '_'");
      else if (const auto type = parse_variable_type(value.text); type)
        out_.variables.emplace(key.text, Sourced<VariableType>{*type, key.at});
      else if (value.kind == Node::Kind::text)
        problem(value.at, "the type '" + printable(value.text) + "' of variable '" + key.text + "'",
                "dir, file, host, word or int", "values are given at start, by --workspace or --var");
    }
  }

  void rules() {
    const Node* files = map(document_, "files");
    if (!files) return;
    for (size_t i = 0; i < files->keys.size(); ++i) {
      const Node& key = files->keys[i];
      if (named(key) && files->items[i].kind == Node::Kind::map) rule(key, files->items[i]);
    }
  }

  bool named(const Node& key) {
    if (!is_name(key.text))
      return problem(key.at, "the rule name '" + printable(key.text) + "'", "letters, digits, '.', '_' and '-'"), false;
    if (std::ranges::find(kBuiltInRules, key.text) != std::end(kBuiltInRules))
      return problem(key.at, "the rule name '" + key.text + "'", "a name of your own: this one is built in"), false;
    return true;
  }

  void commands() {
    if (const Node* none = text(document_, "commands")) {
      if (none->text != "none")
        return problem(none->at, "'commands: " + printable(none->text) + "'", "rules by name, or none");
      out_.no_commands = none->at;
    } else if (const Node* commands = map(document_, "commands")) {
      for (size_t i = 0; i < commands->keys.size(); ++i)
        if (named(commands->keys[i]) && commands->items[i].kind == Node::Kind::map)
          command(commands->keys[i], commands->items[i]);
    }
  }

  void command(const Node& key, const Node& body) {
    const Node *allow = body.find("allow"), *deny = body.find("deny");
    if (allow && deny) return problem(key.at, "rule '" + key.text + "' says allow and deny", "exactly one of them");
    if (!allow && !deny && body.find("ask")) return;  // refused for that already
    if (!allow && !deny)
      return problem(key.at, "rule '" + key.text + "' says neither allow nor deny", "exactly one of them",
                     "add 'allow:' or 'deny:' with a usage line");
    const Node* usage = text(body, allow ? "allow" : "deny");
    if (!usage) return;
    UnexpandedCommand out;
    out.rule.name = key.text;
    out.rule.effect = allow ? Effect::allow : Effect::deny;
    out.rule.source = key.at;
    out.rule.origin = out_.name;
    out.usage = {usage->text, usage->at};
    if (const Node* reason = text(body, "reason")) out.rule.reason = reason->text;
    if (const Node* files = map(body, "files")) {
      out.read = texts(files->find("r"));
      out.write = texts(files->find("w"));
    }
    // What gives more in ways that this version lacks has been refused for those already.
    const bool more = body.find("files") || body.find("network") || body.find("credential");
    if (deny && body.find("files"))
      problem(body.find("files")->at, "'files' on a deny", "an allow: a run that is refused gets nothing", "remove it");
    else if (allow && !more)
      problem(key.at, "rule '" + key.text + "' has no effect: it gives the run nothing that the agent's own box lacks",
              "'files:', with the host paths that the run needs",
              "remove it: what the agent runs in its own box needs no rule");
    out_.commands.push_back(std::move(out));
  }

  void clock() {
    const Node* clock = map(document_, "clock");
    const Node* sleep = clock ? map(*clock, "sleep") : nullptr;
    if (!sleep) return;
    for (const char* name : {"each", "total"}) {
      const Node* node = text(*sleep, name);
      if (!node) continue;
      if (const auto value = parse_duration(node->text); value)
        out_.clock.emplace(std::string("sleep.") + name, Sourced<uint64_t>{*value, node->at});
      else
        problem(node->at, "'" + std::string(name) + ": " + printable(node->text) + "'", expected("sleep", name),
                value.error().hint);
    }
    if (!sleep->find("each"))
      problem(sleep->at, "'clock: sleep' without 'each'", "how long one sleep may be", "add 'each: 6h'");
    const auto each = out_.clock.find("sleep.each"), total = out_.clock.find("sleep.total");
    if (each != out_.clock.end() && total != out_.clock.end() && total->second.value < each->second.value)
      problem(total->second.source, "'total' is less than 'each', which could then never be used up",
              "a total of at least " + duration_text(each->second.value), "lower 'each', or raise 'total'");
  }

  void rule(const Node& key, const Node& body) {
    UnexpandedRule out;
    out.rule.name = key.text;
    out.rule.source = key.at;
    out.rule.origin = out_.name;
    effect(key, body, out.rule);
    out.paths = texts(body.find("path"));
    out.except = texts(body.find("except"));
    if (!body.find("path"))
      problem(key.at, "rule '" + key.text + "' has no path", "which files it is about", "add 'path: ...'");
    if (const Node* reason = text(body, "reason")) out.rule.reason = reason->text;
    if (const Node* degrade = text(body, "degrade")) {
      if (degrade->text != "allow")
        problem(degrade->at, "'degrade: " + printable(degrade->text) + "'", "allow",
                "write 'degrade: allow', or remove it");
      else if (out.rule.effect == Effect::allow)
        problem(degrade->at, "'degrade' on an allow", "a deny: an allow that cannot be kept gives nothing away",
                "remove it");
      out.rule.degrade = true;
    }
    if (const Node* optional = text(body, "optional")) {
      if (optional->text != "true" && optional->text != "false")
        problem(optional->at, "'optional: " + printable(optional->text) + "'", "true or false");
      else if (out.rule.effect == Effect::deny && body.find("deny"))
        problem(optional->at, "'optional' on a deny", "an allow: a deny of what is missing needs no permission",
                "remove it");
      out.rule.optional = optional->text == "true";
    }
    if (const Node* audit = text(body, "audit")) brokered(*audit, out.rule);
    out_.rules.push_back(std::move(out));
  }

  void brokered(const Node& audit, FileRule& rule) {
    if (audit.text != "each")
      problem(audit.at, "'audit: " + printable(audit.text) + "'", "each", "write 'audit: each', or remove it");
    else if (rule.effect != Effect::allow)
      problem(audit.at, "'audit' on a deny", "an allow: what is refused is recorded without it", "remove it");
    else if (rule.rights.overlaps(kExecute))
      problem(audit.at, "'audit: each' with x", "r or rw: a primitive reads and writes files, and runs none of them",
              "allow x by a rule without 'audit', or leave it out");
    rule.brokered = true;
  }

  void effect(const Node& key, const Node& body, FileRule& rule) {
    const Node *allow = body.find("allow"), *deny = body.find("deny");
    if (allow && deny) return problem(key.at, "rule '" + key.text + "' says allow and deny", "exactly one of them");
    // A rule that is built on what this version lacks has been refused for that already.
    if (!allow && !deny && body.find("ask")) return;
    if (!allow && !deny)
      return problem(key.at, "rule '" + key.text + "' says neither allow nor deny", "exactly one of them",
                     "add 'allow: r' or 'deny: rwx'");
    rule.effect = allow ? Effect::allow : Effect::deny;
    for (const Text& item : texts(allow ? allow : deny)) {
      const auto rights = parse_rights(item.text);
      if (!rights) return wrong_rights(item);
      if (rule.rights.overlaps(*rights))
        problem(item.source, "the right '" + item.text + "' twice", "each right once", "remove one");
      rule.rights = rule.rights | *rights;
    }
    if (rule.effect == Effect::deny && rule.rights.has(Right::read)) rule.rights = kAll;
  }

  void wrong_rights(const Text& item) {
    std::vector<std::string> words;
    for (const auto& [word, right] : kRightWords) words.push_back(word);
    problem(item.source, "the rights '" + printable(item.text) + "'",
            "letters of rwx, each once, or a list of " + alternatives(words), did_you_mean(item.text, words));
  }

  void modes() {
    if (const Node* node = text(document_, "workspace")) {
      for (const WorkspaceMode mode : {WorkspaceMode::layer, WorkspaceMode::direct, WorkspaceMode::copy})
        if (node->text == name(mode)) out_.workspace = Sourced<WorkspaceMode>{mode, node->at};
      if (!out_.workspace)
        problem(node->at, "'workspace: " + printable(node->text) + "'", "layer, direct or copy",
                "the directory itself is given at start, by --workspace");
    }
    if (const Node* node = text(document_, "mdwe")) {
      if (node->text != "on" && node->text != "off")
        problem(node->at, "'mdwe: " + printable(node->text) + "'", "on or off");
      else
        out_.mdwe = Sourced<bool>{node->text == "on", node->at};
    }
    if (const Node* node = text(document_, "project")) out_.project = Sourced<std::string>{node->text, node->at};
    home();
  }

  void home() {
    if (const Node* fresh = text(document_, "home")) {
      if (fresh->text != "fresh")
        return problem(
            fresh->at, "'home: " + printable(fresh->text) + "'", "fresh, or {keep: NAME}",
            "write 'home: {keep: " + (is_name(fresh->text) ? fresh->text : "NAME") + "}' for a home that lasts");
      out_.home = Sourced<std::optional<std::string>>{std::nullopt, fresh->at};
    } else if (const Node* home = map(document_, "home")) {
      const Node* keep = text(*home, "keep");
      if (!keep) return;
      if (!is_name(keep->text))
        return problem(keep->at, "the home's name '" + printable(keep->text) + "'",
                       "letters, digits, '.', '_' and '-'");
      out_.home = Sourced<std::optional<std::string>>{keep->text, keep->at};
    }
  }

  void limits() {
    const Node* limits = map(document_, "limits");
    if (!limits) return;
    for (const LimitField& field : limit_fields()) {
      const Node* node = text(*limits, field.name);
      if (!node) continue;
      if (const auto value = field.parse(node->text); value)
        out_.limits.emplace(field.name, Sourced<uint64_t>{*value, node->at});
      else
        problem(node->at, "'" + std::string(field.name) + ": " + printable(node->text) + "'",
                expected("limits", field.name), value.error().hint);
    }
  }

  static std::string expected(std::string_view section, std::string_view name) {
    for (const Key& key : keys())
      if (key.section == section && key.name == name) return std::string(key.expected);
    return {};
  }

  void environment() {
    const Node* env = map(document_, "env");
    if (!env) return;
    if (const Node* pass = env->find("pass")) {
      Sourced<std::vector<std::string>> names{{}, pass->at};
      for (const Text& item : texts(pass)) {
        if (is_environment_name(item.text))
          names.value.push_back(item.text);
        else
          problem(item.source, "the environment variable '" + printable(item.text) + "'",
                  "exact names of letters, digits and '_'",
                  "name each one: patterns would pass what nobody thought of");
      }
      out_.env_pass = std::move(names);
    }
    if (const Node* set = map(*env, "set"))
      for (size_t i = 0; i < set->keys.size(); ++i) {
        if (!is_environment_name(set->keys[i].text))
          problem(set->keys[i].at, "the environment variable '" + printable(set->keys[i].text) + "'",
                  "a name of letters, digits and '_'");
        else if (set->items[i].text.find('\0') != std::string::npos)
          problem(set->items[i].at, "a NUL in the value of '" + set->keys[i].text + "'", "text without NUL");
        else if (set->items[i].kind == Node::Kind::text)
          out_.env_set[set->keys[i].text] = {set->items[i].text, set->items[i].at};
      }
  }

  void degrade() {
    const std::vector<Text> items = texts(document_.find("degrade"));
    if (items.empty()) return;
    out_.degrade = Sourced<std::vector<std::string>>{{}, document_.find("degrade")->at};
    for (const Text& item : items) {
      if (std::ranges::find(kDegradable, item.text) != kDegradable.end())
        out_.degrade->value.push_back(item.text);
      else
        problem(item.source, "'degrade' names '" + printable(item.text) + "'", alternatives(kDegradableNames),
                item.text == "allow" ? "'degrade: allow' belongs on the rule that may be left unenforced"
                                     : did_you_mean(item.text, kDegradableNames));
    }
  }

  void tests() {
    const Node* tests = map(document_, "tests");
    if (!tests) return;
    if (const Node* vars = map(*tests, "vars"))
      for (size_t i = 0; i < vars->keys.size(); ++i)
        if (vars->items[i].kind == Node::Kind::text)
          out_.test_variables[vars->keys[i].text] = {vars->items[i].text, vars->items[i].at};
    for (const Effect effect : {Effect::allow, Effect::deny})
      for (const Text& line : texts(tests->find(name(effect)))) out_.tests.push_back({line, effect});
  }

  const Node& document_;
  Problems& problems_;
  PolicyFile out_;
};

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && letter_or_digit(text[0]) &&
         std::ranges::all_of(text, [](char c) { return letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

PolicyFile read_policy_file(const Node& document, const std::string& name, Problems& problems) {
  validate(document, problems);
  return FileReader(document, name, problems).read();
}

}  // namespace alos::policy
