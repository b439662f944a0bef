#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/audit/keys.h"
#include "supervisor/audit/line.h"
#include "supervisor/audit/verify.h"

namespace alos::audit {

// Follows a log from record to record and says where it is not as writers leave it. After a finding it goes on from
// what stands there, so that one change gives one finding, or two where it has two ends.
class Chain {
 public:
  Chain(Verdict& verdict, const SealKey& key, std::optional<Head> anchor)
      : verdict_(verdict), key_(key), anchor_(anchor) {}

  enum class File : uint8_t { other, last, empty_last };
  void begin_file(unsigned number, File file);
  void line(uint64_t number, std::string_view text);
  void damaged(uint64_t number, std::string what);    // a line that cannot be looked at
  void torn(uint64_t number, std::string_view text);  // what stands after the last newline
  void finish();

 private:
  void found(Finding::Kind kind, std::string what);
  bool hash_fits(const Line& line);
  void check_place(const Line& line);
  void check_first_of_file(const Line& line);
  void check_seal(const Line& line);
  void check_seal_record(const Line& line);
  void check_anchor(const Line& line);

  Verdict& verdict_;
  const SealKey& key_;
  std::optional<Head> anchor_;

  unsigned segment_ = 0;
  File kind_ = File::other;
  uint64_t line_ = 0;
  uint64_t lines_in_file_ = 0;
  bool rotated_ = false;  // the last record says that the log goes on in the next file

  Digest computed_{};         // of the last record as it stands; it says another itself when it was edited
  Digest computed_before_{};  // of the one before it
  uint64_t damaged_ = 0;      // lines since the last record that could not be read as one
  uint64_t seal_every_ = 0;
  uint64_t unsealed_ = 0;  // records since the last seal
};

}  // namespace alos::audit
