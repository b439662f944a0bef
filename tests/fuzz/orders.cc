// What launcher and supervisor read from each other and from the cache of compiled policies, damaged in any way: it is
// refused, or it is exactly what would be written again.

#include "base/archive.h"
#include "fuzz.h"
#include "supervisor/box/spec.h"

namespace {

using namespace alos;

template <class T>
void holds(std::string_view bytes) {
  const auto value = decode<T>(bytes, "input");
  if (!value) return;
  const std::string again = encode(*value);
  const auto twice = decode<T>(again, "again");
  fuzz::must(twice && encode(*twice) == again, "what was read is written and read again alike");
}

box::RunRequest request() {
  return {.id = "run_0123456789abcdef",
          .name = "n",
          .argv = {"/bin/sh", "-c", "true"},
          .env = {"A=1", "B=2"},
          .cwd = "/w",
          .host_uid = 1,
          .host_gid = 1,
          .degrade = {"memory"},
          .layer = "/l",
          .home = ""};
}

box::Compiled compiled() {
  box::Compiled out;
  out.sources.push_back({"/p.yaml", true, {}, false});
  out.plan.mounts.push_back({.path = "/usr", .tree = true, .rights = {}, .rule = "usr", .source = {"p.yaml", 1, 1}});
  out.filter.resize(5);
  return out;
}

// The bytes of a sound one, from a place that the input names on replaced by what it holds.
std::string changed(std::string sound, std::string_view input) {
  const size_t at =
      (static_cast<unsigned char>(input[1]) * 256u + static_cast<unsigned char>(input[2])) % (sound.size() + 1);
  const size_t size = static_cast<unsigned char>(input[3]);
  return sound.replace(at, std::min(size, sound.size() - at), input.substr(4));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  static const std::string run = encode(request()), policy = encode(compiled());
  const std::string_view input = fuzz::text_of(data, size);
  switch (data[0] % 5) {
    case 0:
      holds<box::RunRequest>(changed(run, input));
      break;
    case 1:
      holds<box::Compiled>(changed(policy, input));
      break;
    case 2:
      holds<box::CommandRequest>(input.substr(1));
      break;
    case 3:
      holds<box::RunRequest>(input.substr(1));
      break;
    default:
      holds<box::Compiled>(input.substr(1));
  }
  return 0;
}
