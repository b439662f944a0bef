#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace alos {

// BLAKE2b-256 (RFC 7693), the one hash of the project; `b2sum -l 256` computes the same. libsodium and not OpenSSL: its
// first hash costs 30 us where OpenSSL 3 spends 2 ms loading providers, which is more than a launch may cost.
using Digest = std::array<uint8_t, 32>;
using Key = std::array<uint8_t, 32>;

Digest digest(std::span<const std::byte> data);
Digest digest(std::string_view data);

// Keyed (a MAC): for payloads short enough to be guessed from their plain hash.
Digest keyed_digest(const Key& key, std::string_view data);

class Hasher {
 public:
  Hasher();
  explicit Hasher(const Key& key);
  void add(std::string_view data);
  // Adds length and bytes, so that ("ab","c") and ("a","bc") differ.
  void add_field(std::string_view data);
  Digest finish();

 private:
  alignas(64) std::array<std::byte, 512> state_;
};

// Ed25519 (RFC 8032), detached.
struct SigningKey {
  std::array<uint8_t, 64> secret;
  std::array<uint8_t, 32> verify;
};
using Signature = std::array<uint8_t, 64>;
SigningKey make_signing_key();
Signature sign(const SigningKey& key, std::string_view data);
bool verify(const std::array<uint8_t, 32>& verify_key, std::string_view data, const Signature& signature);

// From the kernel's generator.
void random_bytes(std::span<uint8_t> out);
std::string random_hex(size_t bytes);

std::string hex(std::span<const uint8_t> bytes);
// Errors: {"hex", text, EINVAL} unless `text` is exactly the hexadecimal of out.size() bytes.
Result<void> unhex(std::string_view text, std::span<uint8_t> out);

}  // namespace alos
