#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace alos {

// Stored as its bytes: numbers, enums, std::array and plain structs without padding; not std::optional, which may be
// trivially copyable too.
template <class T>
concept Flat = std::is_trivially_copyable_v<T> &&
               (!requires { typename T::value_type; } || requires { std::tuple_size<T>::value; });

// Bounded serialisation between programs of one installation (same build, same machine; never a wire format for
// what agents send). A type takes part by one function that lists its members, used for both directions:
//   template <class A> void fields(A& a, Mount& m) { a(m.path, m.rights); }
// Lengths are checked against what is left before anything is allocated; a reader that went wrong stays wrong.
class ArchiveWriter {
 public:
  template <class... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  std::string take() { return std::move(out_); }

 private:
  void raw(const void* data, size_t size) { out_.append(static_cast<const char*>(data), size); }
  void count(size_t n) {
    const auto size = static_cast<uint32_t>(n);
    raw(&size, sizeof size);
  }
  void put(const std::string& s) {
    count(s.size());
    raw(s.data(), s.size());
  }
  template <Flat T>
  void put(const T& value) {
    raw(&value, sizeof value);
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(static_cast<uint8_t>(value.has_value()));
    if (value) put(*value);
  }
  template <class T>
  void put(const std::vector<T>& values) {
    count(values.size());
    for (const T& value : values) put(value);
  }
  template <class K, class V>
  void put(const std::map<K, V>& values) {
    count(values.size());
    for (const auto& [key, value] : values) put(key), put(value);
  }
  template <class T>
    requires(!Flat<T>) && requires(ArchiveWriter& a, T& t) { fields(a, t); }
  void put(const T& value) {
    fields(*this, const_cast<T&>(value));  // lists members, does not change them
  }

  std::string out_;
};

class ArchiveReader {
 public:
  explicit ArchiveReader(std::string_view in) : in_(in) {}
  template <class... T>
  void operator()(T&... values) {
    (get(values), ...);
  }
  // For a fields() that finds what it read impossible.
  void refuse() { bad_ = true; }
  // Everything was there, and nothing is left.
  bool complete() const { return !bad_ && in_.empty(); }

 private:
  bool raw(void* data, size_t size) {
    if (bad_ || in_.size() < size) return bad_ = true, false;
    std::memcpy(data, in_.data(), size);
    in_.remove_prefix(size);
    return true;
  }
  // Every element takes at least one byte, so a count beyond what is left is a lie.
  size_t count() {
    uint32_t n = 0;
    if (!raw(&n, sizeof n) || n > in_.size()) return bad_ = true, 0;
    return n;
  }
  void get(std::string& s) {
    s.resize(count());
    raw(s.data(), s.size());
  }
  void get(bool& value) {
    uint8_t byte = 0;
    if (raw(&byte, 1) && byte > 1) bad_ = true;
    value = byte == 1;
  }
  template <Flat T>
  void get(T& value) {
    raw(&value, sizeof value);
  }
  template <class T>
  void get(std::optional<T>& value) {
    bool there = false;
    get(there);
    if (there) get(value.emplace());
  }
  template <class T>
  void get(std::vector<T>& values) {
    const size_t n = count();
    values.clear();
    for (size_t i = 0; i < n && !bad_; ++i) get(values.emplace_back());
  }
  template <class K, class V>
  void get(std::map<K, V>& values) {
    const size_t n = count();
    values.clear();
    for (size_t i = 0; i < n && !bad_; ++i) {
      K key;
      get(key);
      get(values[std::move(key)]);
    }
  }
  template <class T>
    requires(!Flat<T>) && requires(ArchiveReader& a, T& t) { fields(a, t); }
  void get(T& value) {
    fields(*this, value);
  }

  std::string_view in_;
  bool bad_ = false;
};

template <class T>
std::string encode(const T& value) {
  ArchiveWriter writer;
  writer(value);
  return writer.take();
}

// Errors: {"decode", what, EBADMSG} for anything truncated, too long or out of range.
template <class T>
Result<T> decode(std::string_view bytes, std::string_view what) {
  ArchiveReader reader(bytes);
  T value{};
  reader(value);
  if (!reader.complete()) return fail("decode", what, EBADMSG, "written by another version, or damaged");
  return value;
}

}  // namespace alos
