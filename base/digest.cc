#include "base/digest.h"

#include <sodium.h>

#include <cstdlib>

namespace alos {
namespace {

void ready() {
  static const bool ok = sodium_init() >= 0;
  // sodium_init fails only where the kernel gives no randomness; nothing of this project is safe to go on then.
  if (!ok) std::abort();
}

const unsigned char* bytes_of(std::string_view data) {
  return reinterpret_cast<const unsigned char*>(data.data());
}

crypto_generichash_state* state_of(std::array<std::byte, 512>& raw) {
  static_assert(sizeof(crypto_generichash_state) <= 512);
  return reinterpret_cast<crypto_generichash_state*>(raw.data());
}

}  // namespace

Hasher::Hasher() {
  ready();
  crypto_generichash_init(state_of(state_), nullptr, 0, sizeof(Digest));
}

Hasher::Hasher(const Key& key) {
  ready();
  crypto_generichash_init(state_of(state_), key.data(), key.size(), sizeof(Digest));
}

void Hasher::add(std::string_view data) {
  crypto_generichash_update(state_of(state_), bytes_of(data), data.size());
}

void Hasher::add_field(std::string_view data) {
  const uint64_t size = data.size();
  add({reinterpret_cast<const char*>(&size), sizeof size});
  add(data);
}

Digest Hasher::finish() {
  Digest out;
  crypto_generichash_final(state_of(state_), out.data(), out.size());
  return out;
}

Digest digest(std::string_view data) {
  Hasher hasher;
  hasher.add(data);
  return hasher.finish();
}

Digest digest(std::span<const std::byte> data) {
  return digest(std::string_view(reinterpret_cast<const char*>(data.data()), data.size()));
}

Digest keyed_digest(const Key& key, std::string_view data) {
  Hasher hasher(key);
  hasher.add(data);
  return hasher.finish();
}

SigningKey make_signing_key() {
  ready();
  SigningKey key;
  crypto_sign_keypair(key.verify.data(), key.secret.data());
  return key;
}

Signature sign(const SigningKey& key, std::string_view data) {
  ready();
  Signature out;
  crypto_sign_detached(out.data(), nullptr, bytes_of(data), data.size(), key.secret.data());
  return out;
}

bool verify(const std::array<uint8_t, 32>& verify_key, std::string_view data, const Signature& signature) {
  ready();
  return crypto_sign_verify_detached(signature.data(), bytes_of(data), data.size(), verify_key.data()) == 0;
}

void random_bytes(std::span<uint8_t> out) {
  ready();
  randombytes_buf(out.data(), out.size());
}

std::string random_hex(size_t bytes) {
  std::string raw(bytes, '\0');
  random_bytes({reinterpret_cast<uint8_t*>(raw.data()), raw.size()});
  return hex({reinterpret_cast<const uint8_t*>(raw.data()), raw.size()});
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string out(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(out.data(), out.size(), bytes.data(), bytes.size());
  out.pop_back();
  return out;
}

Result<void> unhex(std::string_view text, std::span<uint8_t> out) {
  size_t got = 0;
  const char* end = nullptr;
  const int rc = sodium_hex2bin(out.data(), out.size(), text.data(), text.size(), nullptr, &got, &end);
  if (rc != 0 || got != out.size() || end != text.data() + text.size()) return fail("hex", text, EINVAL);
  return {};
}

}  // namespace alos
