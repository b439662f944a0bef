#include "supervisor/cli/help.h"

#include <cctype>
#include <sstream>

#include "base/paths.h"
#include "policy/problem.h"

namespace alos::cli {
namespace {

constexpr size_t kColumn = 28;  // where descriptions begin
constexpr size_t kWidth = 100;  // where they end

// "  NAME      text", the text wrapped at words and on a line of its own where the name leaves no room.
void row(std::ostream& out, const std::string& name, const std::string& text) {
  out << "  " << name;
  size_t at = 2 + name.size();
  if (at + 2 > kColumn) {
    out << "\n";
    at = 0;
  }
  out << std::string(kColumn - at, ' ');
  at = kColumn;
  std::istringstream words(text);
  bool first = true;
  for (std::string word; words >> word; first = false) {
    if (!first && at + 1 + word.size() > kWidth) {
      out << "\n" << std::string(kColumn, ' ');
      at = kColumn;
      first = true;
    }
    out << (first ? "" : " ") << word;
    at += word.size() + (first ? 0 : 1);
  }
  out << "\n";
}

bool has_argument(const CLI::Option& option) {
  return option.get_type_size() != 0;
}

std::string spelled(const CLI::Option& option) {
  std::string out;
  for (const std::string& name : option.get_snames()) out += (out.empty() ? "-" : ", -") + name;
  if (out.empty()) out = "   ";
  for (const std::string& name : option.get_lnames()) out += (out == "   " ? " --" : ", --") + name;
  return has_argument(option) ? out + " " + option.get_type_name() : out;
}

std::string described(const CLI::Option& option) {
  std::string out = option.get_description();
  if (!option.get_default_str().empty()) out += " (default: " + option.get_default_str() + ")";
  for (const CLI::Option* other : option.get_excludes()) out += "; not with " + other->get_name();
  return out;
}

// What a list says in passing stands as a sentence on a page of its own.
std::string sentence(std::string text) {
  if (text.empty()) return text;
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text.back() == '.' ? text : text + ".";
}

std::vector<const CLI::Option*> of(const CLI::App& app, bool positional) {
  return app.get_options([positional](const CLI::Option* one) { return one->get_positional() == positional; });
}

class HouseHelp : public CLI::Formatter {
 public:
  explicit HouseHelp(std::string_view rest) : rest_(rest) {}

  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const override {
    std::ostringstream out;
    out << usage(*app, name) << "\n" << sentence(app->get_description()) << "\n";
    positionals(out, *app);
    options(out, *app);
    commands(out, *app);
    if (!app->get_footer().empty()) out << "\n" << app->get_footer() << "\n";
    return out.str();
  }

 private:
  std::string usage(const CLI::App& app, const std::string& name) const {
    std::string out = "Usage: " + name + " [OPTION]...";
    for (const CLI::Option* one : of(app, true)) {
      const std::string many = one->get_expected_max() >= CLI::detail::expected_max_vector_size ? "..." : "";
      out += one->get_required() ? " " + one->get_name(true) + many : " [" + one->get_name(true) + "]" + many;
    }
    if (!app.get_subcommands({}).empty()) out += " COMMAND";
    return out + (rest_.empty() ? "\n" : " " + rest_ + "\n");
  }

  static void positionals(std::ostream& out, const CLI::App& app) {
    const auto all = of(app, true);
    if (!all.empty()) out << "\nArguments:\n";
    for (const CLI::Option* one : all) row(out, one->get_name(true), described(*one));
  }

  static void options(std::ostream& out, const CLI::App& app) {
    out << "\nOptions:\n";
    for (const CLI::Option* one : of(app, false)) row(out, spelled(*one), described(*one));
  }

  static void commands(std::ostream& out, const CLI::App& app) {
    const auto all = app.get_subcommands([](const CLI::App* one) { return !one->get_name().empty(); });
    if (!all.empty()) out << "\nCommands:\n";
    for (const CLI::App* one : all) row(out, one->get_name(), one->get_description());
  }

  std::string rest_;
};

// "alos run: unknown option '--polcy'; did you mean '--policy'?"
std::string complaint(const CLI::App* app, const CLI::Error& error, const std::string& rest) {
  const auto chosen = app->get_subcommands();
  if (!chosen.empty()) return complaint(chosen.back(), error, rest);
  std::string name = app->get_name();
  for (const CLI::App* up = app->get_parent(); up; up = up->get_parent()) name = up->get_name() + " " + name;
  std::string text = error.what();
  const auto extra = app->remaining(true);
  const bool misspelt = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError) ||
                        !app->get_subcommands({}).empty();  // then a command is what is missing
  if (misspelt && !extra.empty()) {
    std::vector<std::string> known;
    for (const CLI::Option* one : of(*app, false))
      for (const std::string& word : one->get_lnames()) known.push_back("--" + word);
    for (const CLI::App* one : app->get_subcommands({})) known.push_back(one->get_name());
    text = (extra[0].starts_with('-')          ? "unknown option '"
            : app->get_subcommands({}).empty() ? "unexpected argument '"
                                               : "no command '") +
           printable(extra[0]) + "'";
    if (const std::string near = policy::did_you_mean(extra[0], known); !near.empty()) text += "; " + near;
    if (!rest.empty() && !extra[0].starts_with('-')) text += "; what is to be run stands after '--'";
  }
  if (error.get_name() == "RequiredError" && !app->get_subcommands({}).empty() && extra.empty()) {
    text = "a command is missing";
  }
  return name + ": " + text + "\n'" + name + " --help' tells more.\n";
}

}  // namespace

void use_house_help(CLI::App& app, std::string_view rest) {
  app.formatter(std::make_shared<HouseHelp>(rest));
  app.failure_message([rest = std::string(rest)](const CLI::App* failed, const CLI::Error& error) {
    return complaint(failed, error, rest);
  });
  app.set_help_flag("-h,--help", "print this and exit");
}

}  // namespace alos::cli
