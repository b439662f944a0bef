// Runs a program as on a kernel that lacks something:
//
//   without_syscall openat2=ENOSYS,unshare&0x10000000=EPERM,seccomp@1&0x20=EINVAL -- CMD [ARG...]
//
// NAME=ERRNO fails every such call, NAME&BITS=ERRNO those whose first argument has all of the bits, NAME@N&BITS=ERRNO
// those whose argument N, from 0, has them. The calls of a 32-bit entry are not looked at.

#include <seccomp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <string>

namespace {

std::optional<int> errno_of(const std::string& name) {
  for (int number = 1; number < 134; ++number)
    if (const char* known = ::strerrorname_np(number); known && name == known) return number;
  return std::nullopt;
}

// One "NAME[[@N]&BITS]=ERRNO".
bool add(scmp_filter_ctx filter, const std::string& rule) {
  const size_t equals = rule.find('='), bits_at = rule.find('&');
  if (equals == std::string::npos) return false;
  const std::string target = rule.substr(0, std::min(bits_at, equals));
  const size_t at = target.find('@');
  const int call = ::seccomp_syscall_resolve_name(target.substr(0, at).c_str());
  const auto error = errno_of(rule.substr(equals + 1));
  if (call == __NR_SCMP_ERROR || !error) return false;
  const uint32_t action = SCMP_ACT_ERRNO(static_cast<uint16_t>(*error));
  if (bits_at == std::string::npos) return ::seccomp_rule_add_array(filter, action, call, 0, nullptr) == 0;
  const uint64_t bits = std::strtoull(rule.c_str() + bits_at + 1, nullptr, 0);
  const unsigned argument = at == std::string::npos ? 0 : static_cast<unsigned>(std::atoi(target.c_str() + at + 1));
  const scmp_arg_cmp compare{.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits, .datum_b = bits};
  return ::seccomp_rule_add_array(filter, action, call, 1, &compare) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || std::strcmp(argv[2], "--") != 0) {
    std::fprintf(stderr, "usage: %s NAME[[@N]&BITS]=ERRNO[,...] -- CMD [ARG...]\n", argv[0]);
    return 2;
  }
  const scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_ALLOW);
  std::istringstream rules(argv[1]);
  for (std::string rule; std::getline(rules, rule, ',');)
    if (!add(filter, rule)) {
      std::fprintf(stderr, "%s: not NAME[[@N]&BITS]=ERRNO\n", rule.c_str());
      return 2;
    }
  if (const int rc = ::seccomp_load(filter); rc != 0) {
    std::fprintf(stderr, "seccomp_load: %s\n", ::strerror(-rc));
    return 2;
  }
  ::execvp(argv[3], argv + 3);
  std::fprintf(stderr, "%s: %s\n", argv[3], ::strerror(errno));
  return 2;
}
