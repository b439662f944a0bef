#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "supervisor/audit/reader.h"

namespace alos::cli {

enum class Colour : uint8_t { off, on };
// On when `out` is a terminal and NO_COLOR is unset.
Colour colour_for(std::FILE* out);

// Records as lines in columns, a heading for each day. The widths come from the first records: they are held back until
// there are enough, or until flush().
class Table {
 public:
  Table(std::FILE* out, Colour colour) : out_(out), colour_(colour) {}
  void add(audit::Entry entry);
  void flush();
  size_t rows() const { return rows_; }

 private:
  void print(const audit::Entry& entry);

  std::FILE* out_;
  Colour colour_;
  std::vector<audit::Entry> held_;
  bool measured_ = false;
  size_t run_width_ = 0, rule_width_ = 0;
  size_t rows_ = 0;
  std::string day_;
};

}  // namespace alos::cli
