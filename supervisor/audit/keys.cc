#include "supervisor/audit/keys.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "base/sys.h"

namespace alos::audit {
namespace {

constexpr const char* kPayload = "key";
constexpr const char* kSeal = "seal.key";
constexpr const char* kVerify = "seal.pub";

template <size_t N>
Result<std::array<uint8_t, N>> read_hex(int dir, const char* file) {
  const UniqueFd fd = TRY(sys::openat(dir, file, O_RDONLY | O_NOFOLLOW));
  std::string text = TRY(sys::read_file(fd.get(), 2 * N + 1));
  if (text.ends_with('\n')) text.pop_back();
  std::array<uint8_t, N> out;
  if (!unhex(text, out)) return fail("read", file, EINVAL, "the file is not a key; restore it from a copy");
  return out;
}

template <size_t N>
Result<std::array<uint8_t, N>> read_secret(int dir, const char* file) {
  const auto st = TRY(sys::lstatat(dir, file));
  if (!S_ISREG(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 077) != 0)
    return fail("read", file, EPERM, "a key must be a plain file of the log's owner, mode 0600");
  return read_hex<N>(dir, file);
}

Result<void> write_key(int dir, const char* file, std::span<const uint8_t> key, mode_t mode) {
  const UniqueFd fd = TRY(sys::openat(dir, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
  TRY(sys::write_all(fd.get(), hex(key) + "\n"));
  return sys::fsync(fd.get());
}

// Made under other names first, so that a crash in between leaves no key that is half there; seal.key comes last and is
// what says that all are there.
Result<void> make_keys(int dir) {
  Key payload;
  random_bytes(payload);
  const SigningKey seal = make_signing_key();
  const std::array<std::tuple<const char*, std::span<const uint8_t>, mode_t>, 3> all{
      {{kPayload, payload, 0600}, {kVerify, seal.verify, 0644}, {kSeal, seal.secret, 0600}}};
  for (const auto& [file, key, mode] : all) {
    const std::string fresh = std::string(file) + ".new";
    ::unlinkat(dir, fresh.c_str(), 0);
    TRY(write_key(dir, fresh.c_str(), key, mode));
    TRY(sys::renameat2(dir, fresh, dir, file, 0));
  }
  return sys::fsync(dir);
}

}  // namespace

Result<Keys> load_keys(int dir, IfMissing if_missing) {
  if (::faccessat(dir, kSeal, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
    if (if_missing == IfMissing::refuse)
      return fail("open", kSeal, ENOENT,
                  "the log's key is gone; restore it, or move the whole audit directory away to begin a new log");
    TRY(make_keys(dir));
  }
  Keys keys;
  keys.payload = TRY(read_secret<sizeof(Key)>(dir, kPayload));
  keys.seal.secret = TRY(read_secret<sizeof keys.seal.secret>(dir, kSeal));
  // An Ed25519 secret key of libsodium is seed and public key (RFC 8032 5.1.5): the public half is derived, so that a
  // seal.pub that was replaced cannot hide behind a key pair that does not fit.
  std::ranges::copy(std::span(keys.seal.secret).last<32>(), keys.seal.verify.begin());
  if (TRY(load_seal_key(dir)) != keys.seal.verify)
    return fail("read", kVerify, EINVAL, "seal.pub does not belong to seal.key; restore it from a copy");
  return keys;
}

Result<SealKey> load_seal_key(int dir) {
  return read_hex<32>(dir, kVerify);
}

}  // namespace alos::audit
