#pragma once

#include <string>
#include <vector>

#include "supervisor/workspace/apply.h"
#include "supervisor/workspace/changes.h"
#include "supervisor/workspace/gc.h"
#include "supervisor/workspace/tree.h"

// What people and programs read of a layer. All text that an agent chose goes through printable().
namespace alos::workspace {

struct Style {
  bool colour = false;
  static Style for_stdout();  // a terminal, and NO_COLOR unset
};

std::string size_text(uint64_t bytes);  // "1.2 KiB"

// One line a path: first what `alos apply` brings to the host, then what it leaves, with the reason.
enum class Purpose : uint8_t { look, drop };
void show_changes(const std::vector<Change>& changes, Purpose purpose, Style style);
// Unified diffs of the text files among them; others and huge ones in one line.
void show_texts(const std::vector<Change>& changes, Tree& host, Tree& content, Style style);
void show_report(const ApplyReport& report, Effect effect, Style style);
void show_layers(const std::vector<Candidate>& layers, int64_t now_ns);

std::string json_of(const Layer& layer, const std::string& holder, const std::vector<Change>& changes);
std::string json_of(const ApplyReport& report, Effect effect);
std::string json_of(const std::vector<Candidate>& layers, const std::vector<std::string>& removed);

}  // namespace alos::workspace
