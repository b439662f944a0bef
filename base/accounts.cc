#include "base/accounts.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/sys.h"

namespace alos {
namespace {

constexpr size_t kMost = 16 << 20;

}  // namespace

Result<std::vector<Account>> accounts(const std::string& file) {
  const std::string content = TRY(sys::read_regular(file, kMost));
  std::vector<Account> out;
  for (std::string_view text = content; !text.empty();) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::vector<std::string_view> fields;  // name, password, uid, gid, comment, home; the shell is left in the line
    for (size_t colon; (colon = line.find(':')) != line.npos; line.remove_prefix(colon + 1))
      fields.push_back(line.substr(0, colon));
    if (fields.size() != 6) continue;
    Account account{std::string(fields[0]), 0, std::string(fields[5])};
    const std::string_view uid = fields[2];
    const auto [at, error] = std::from_chars(uid.begin(), uid.end(), account.uid);
    if (error != std::errc() || at != uid.end()) continue;
    out.push_back(std::move(account));
  }
  return out;
}

}  // namespace alos
