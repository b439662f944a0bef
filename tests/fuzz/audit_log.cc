// A log's file, written by whoever could write there: verify ends, with findings or none, and finds something in every
// file that is not the one that it was made from.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fuzz.h"
#include "supervisor/audit/log.h"
#include "supervisor/audit/segment.h"
#include "supervisor/audit/verify.h"

namespace {

using namespace alos;
namespace fs = std::filesystem;

// A sound log in a directory of its own; its one segment is what inputs replace or change.
class Log {
 public:
  Log() {
    char name[] = "/tmp/alos-fuzz-XXXXXX";
    fuzz::must(::mkdtemp(name) != nullptr, "a directory can be made");
    dir_ = name;
    auto log = audit::Log::open(dir_, {.seal_every = 8});
    fuzz::must(log.has_value(), "a log can be made");
    for (int i = 0; i < 20; ++i)
      log->append({.run = "r", .action = "fs.read", .target = "/w/" + std::to_string(i)}).value();
    head_ = log->close().value();
    segment_ = dir_ + "/" + audit::segment_name(1);
    std::ifstream in(segment_, std::ios::binary);
    sound_.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  ~Log() { fs::remove_all(dir_); }

  void judge(const std::string& content) const {
    const int fd = ::open(segment_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
    fuzz::must(fd >= 0 && ::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()),
               "it is written");
    ::close(fd);
    const auto verdict = audit::verify(dir_, {.anchor = head_});
    if (verdict && content == sound_) fuzz::must(verdict->sound(), "the log as it was written is sound");
    // Only what follows the anchored record may differ unseen: a torn last write.
    if (verdict && !content.starts_with(sound_)) fuzz::must(!verdict->sound(), "a changed log is found");
  }
  const std::string& sound() const { return sound_; }

 private:
  std::string dir_, segment_, sound_;
  audit::Head head_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Log log;
  const std::string_view text = fuzz::text_of(data, size);
  if (size < 4 || data[0] % 2 == 0) return log.judge(std::string(text.substr(std::min<size_t>(1, size)))), 0;
  std::string changed = log.sound();  // a place, a length to take out, text to put there
  const size_t at = (data[1] * 256u + data[2]) % (changed.size() + 1);
  changed.replace(at, std::min<size_t>(data[3], changed.size() - at), text.substr(4));
  log.judge(changed);
  return 0;
}
