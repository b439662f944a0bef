#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace alos::audit {

// Where a log stands: how many records it has and the hash of the last. Kept elsewhere (store, journal, a person's
// note) it is an anchor: a log cut or rewritten later no longer matches it.
struct Head {
  uint64_t count = 0;
  Digest hash{};

  std::string text() const;  // "COUNT:HASH"
  bool operator==(const Head&) const = default;
};
// Errors: {"anchor", text, EINVAL}.
Result<Head> parse_head(std::string_view text);

enum class Decision : uint8_t { none, allow, ask, deny };
std::string_view name(Decision decision);

// Who pays for a record's bytes. A run has a budget; what the supervisor itself has to say about it (started, ended)
// comes out of a reserve that the agent cannot spend; and how often the log counted instead of writing out of the
// budget, and then out of a second reserve: how many such counts there are is the agent's doing.
enum class Charge : uint8_t { run, supervisor, counts };

struct Payload;

// The open part of a record: named texts and numbers, in the order added. Names are the program's own, values
// anybody's.
class Detail {
 public:
  Detail& add(std::string_view name, std::string_view text);
  Detail& add(std::string_view name, const char* text) { return add(name, std::string_view(text)); }
  Detail& add(std::string_view name, uint64_t number);
  Detail& add(std::string_view name, const Payload& payload);

  bool empty() const { return members_.empty(); }
  std::string json() const { return "{" + members_ + "}"; }
  // For what is written at once: the members without the braces.
  std::string_view members() const { return members_; }

 private:
  void begin(std::string_view name);
  std::string members_;
};

// One fact for the log. Views are read during append() only. Fields longer than kMaxText are cut, and say so.
struct Record {
  std::string_view run{};
  std::string_view process{};
  std::string_view action{};  // "fs.read", "run.start"; never "audit.*", which are the log's own
  std::string_view target{};
  Decision decision = Decision::none;
  std::string_view rule{};
  std::string_view source{};   // file:line:column of the rule
  std::string_view outcome{};  // "ok", "failed EIO", ...
  Detail detail{};
  std::string_view parent{};  // id of the record that this one follows from: an outcome names its intent
  Charge charge = Charge::run;
};

inline constexpr size_t kMaxText = 8192;       // bytes of one field
inline constexpr size_t kMaxLine = 512 << 10;  // bytes of one record; a longer one is refused (EMSGSIZE)

}  // namespace alos::audit
