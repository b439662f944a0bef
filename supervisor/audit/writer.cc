#include "supervisor/audit/writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/sys.h"
#include "supervisor/audit/line.h"

namespace alos::audit {
namespace {

constexpr std::string_view kCut = "the log was cut or removed while it was in use; see 'alos audit verify'";

// More than a segment's first record: one that is full with it would be followed by the next without end.
constexpr uint64_t kLeastRotate = 1500;

std::string_view hint_for(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      return "the disk that holds the audit log is full; free space there: nothing runs unrecorded";
    case EROFS:
    case EACCES:
    case EPERM:
      return "the audit log cannot be written; make its directory writable for this user: nothing runs unrecorded";
    default:
      return "the audit log cannot be written: nothing runs unrecorded";
  }
}

// Says which log and what to do where the system call alone was named.
template <class T>
Result<T> about(const std::string& path, Result<T> result) {
  if (!result && result.error().hint.empty()) {
    result.error().object = path;
    result.error().hint = hint_for(result.error().code);
  }
  return result;
}

Result<void> check_directory(int dir, const std::string& path) {
  const auto st = TRY(sys::fstat(dir));
  if (st.st_uid != ::geteuid() || (st.st_mode & 022) != 0)
    return fail("open", path, EPERM, "the audit directory must belong to this user and be writable by nobody else");
  return {};
}

}  // namespace

std::string_view Batch::body(size_t index) const {
  const size_t at = next_ + index;
  const size_t start = at == 0 ? 0 : ends_[at - 1].at;
  return std::string_view(text_).substr(start, ends_[at].at - start);
}

void Batch::drop(size_t count) {
  next_ += count;
  if (!empty()) return;
  text_.clear();
  ends_.clear();
  next_ = 0;
}

bool Batch::remove(uint64_t number) {
  const auto end = ends_.end();
  const auto found = std::find_if(ends_.begin() + static_cast<ptrdiff_t>(next_), end,
                                  [&](const End& one) { return one.number == number; });
  if (found == end) return false;
  const size_t start = found == ends_.begin() ? 0 : std::prev(found)->at;
  const size_t size = found->at - start;
  text_.erase(start, size);
  for (auto later = ends_.erase(found); later != ends_.end(); ++later) later->at -= size;
  drop(0);
  return true;
}

Result<Writer> Writer::open(const std::string& dir, Limits limits) {
  Writer out;
  out.path_ = dir;
  out.id_ = random_hex(6);
  out.limits_ = limits;
  out.limits_.seal_every = std::clamp(limits.seal_every, kLeastSealEvery, kMostSealEvery);
  out.limits_.rotate_bytes = std::max(limits.rotate_bytes, kLeastRotate);
  TRY(about(dir, sys::make_dirs(dir, 0700)));
  out.dir_ = TRY(about(dir, sys::open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
  TRY(check_directory(out.dir_.get(), dir));
  out.lock_ = TRY(about(dir, sys::openat(out.dir_.get(), kLockFile, O_RDWR | O_CREAT | O_NOFOLLOW, 0600)));
  const LogLock lock = TRY(LogLock::take(out.lock_.get(), LogLock::Mode::write));
  const auto segments = TRY(list_segments(out.dir_.get()));
  out.keys_ = TRY(about(dir, load_keys(out.dir_.get(), segments.empty() ? IfMissing::make : IfMissing::refuse)));
  TRY(about(dir, out.open_segment(segments.empty() ? 1 : segments.back(), segments.empty() ? O_CREAT : 0)));
  TRY(about(dir, out.catch_up()));
  return out;
}

Result<void> Writer::open_segment(unsigned number, int create) {
  const std::string name = segment_name(number);
  auto fd = sys::openat(dir_.get(), name, O_RDWR | O_APPEND | O_NOFOLLOW | create, 0600);
  if (!fd && fd.error().code == ENOENT) fd.error().hint = kCut;
  segment_ = TRY(std::move(fd));
  number_ = number;
  size_ = 0;
  known_ = false;
  return {};
}

Result<void> Writer::catch_up() {
  while (!TRY(catch_up_once())) continue;
  return {};
}

// One look at the segment; true when size_ and chain_ are those of the log's end.
Result<bool> Writer::catch_up_once() {
  const auto st = TRY(sys::fstat(segment_.get()));
  const auto size = static_cast<uint64_t>(st.st_size);
  if (known_ && size == size_ && st.st_nlink > 0) return true;
  if (size < size_ || st.st_nlink == 0) return fail("append", path_ + "/" + segment_name(number_), EBADMSG, kCut);
  const Tail tail = TRY(read_tail(segment_.get(), segment_name(number_), size));
  if (tail.whole == 0) {
    // A crash between making a segment and its first record: the log ends in the one before.
    const bool first = number_ == 1;
    if (!first && chain_.head.count == 0) {
      TRY(open_segment(number_ - 1, 0));
      return false;
    }
    TRY(cut_torn(0, tail.torn));
    TRY(begin_segment());
    return true;
  }
  // Where seals stand was fixed by whoever began the log; verify reads it from the same place.
  if (!known_) limits_.seal_every = TRY(read_seal_every(segment_.get(), segment_name(number_)));
  TRY(cut_torn(tail.whole, tail.torn));
  chain_ = {tail.head, tail.sealed, chain_.last_seal};
  size_ = tail.whole;
  known_ = true;
  if (!tail.rotated) return true;
  TRY(open_segment(number_ + 1, 0));
  return false;
}

// Bytes after the last newline are a write that never returned, so nobody was told that they are in the log. They are
// the only bytes that this program ever takes out of a log, and a record says how many and their hash.
Result<void> Writer::cut_torn(uint64_t whole, uint64_t torn) {
  if (torn == 0) return {};
  std::string bytes(std::min<uint64_t>(torn, kMaxLine), '\0');
  const ssize_t got = ::pread(segment_.get(), bytes.data(), bytes.size(), static_cast<off_t>(whole));
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  if (::ftruncate(segment_.get(), static_cast<off_t>(whole)) != 0)
    return fail_errno("ftruncate", segment_name(number_));
  Detail detail;
  detail.add("segment", number_).add("at", whole).add("bytes", torn).add("content", hex(digest(bytes)));
  torn_ = own_body("audit.torn", detail);
  return {};
}

Result<void> Writer::begin_segment() {
  Detail detail;
  detail.add("segment", number_)
      .add("count", chain_.head.count)
      .add("head", hex(chain_.head.hash))
      .add("seal_every", limits_.seal_every)
      .add("key", hex(keys_.seal.verify));
  std::string out;
  Chain chain = chain_;
  add(out, chain, own_body("audit.segment", detail));
  size_ = 0;
  TRY(write(out, chain));
  known_ = true;
  return sys::fsync(dir_.get());
}

Result<void> Writer::append(Batch& batch, Seal seal) {
  const LogLock lock = TRY(LogLock::take(lock_.get(), LogLock::Mode::write));
  for (;;) {
    TRY(about(path_, catch_up()));
    const bool nothing_to_seal = seal == Seal::when_due || chain_.sealed;
    if (batch.empty() && torn_.empty() && nothing_to_seal) return {};
    std::string out;
    Chain chain = chain_;
    if (!torn_.empty()) add(out, chain, torn_);
    const size_t count = fill(out, chain, batch);
    if (seal == Seal::now && count == batch.count() && !chain.sealed) add_seal(out, chain);
    TRY(about(path_, write(out, chain)));
    torn_.clear();
    batch.drop(count);
    if (batch.empty()) seal = Seal::when_due;
    if (size_ >= limits_.rotate_bytes) TRY(about(path_, rotate()));
  }
}

size_t Writer::fill(std::string& out, Chain& chain, const Batch& batch) {
  size_t count = 0;
  for (; count < batch.count() && size_ + out.size() < limits_.rotate_bytes; ++count)
    add(out, chain, batch.body(count));
  return count;
}

// The next segment exists before this one says that it goes on there: a rotate record without a next file always means
// that the file was taken away.
Result<void> Writer::rotate() {
  const unsigned next = number_ + 1;
  TRY(sys::openat(dir_.get(), segment_name(next), O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  const auto seal_falls_on = [&](uint64_t count) { return count % limits_.seal_every == 0; };
  std::string out;
  Chain chain = chain_;
  while (!chain.sealed || seal_falls_on(chain.head.count + 1) || seal_falls_on(chain.head.count + 2))
    add_seal(out, chain);
  Detail detail;
  detail.add("next", segment_name(next));
  add(out, chain, own_body("audit.rotate", detail));
  TRY(write(out, chain));
  TRY(sync());
  return open_segment(next, 0);
}

Result<void> Writer::write(std::string_view text, const Chain& after) {
  dirty_ = true;
  if (auto written = sys::write_all(segment_.get(), text); !written) {
    // Best undone here; if even that fails, whoever looks next finds a torn tail and cuts it.
    if (::ftruncate(segment_.get(), static_cast<off_t>(size_)) != 0) known_ = false;
    return written;
  }
  size_ += text.size();
  chain_ = after;
  return {};
}

Result<void> Writer::sync() {
  if (!dirty_) return {};
  if (::fdatasync(segment_.get()) != 0)
    return fail("fdatasync", path_ + "/" + segment_name(number_), errno,
                "records may not survive a power loss; check the disk");
  dirty_ = false;
  return {};
}

void Writer::add(std::string& out, Chain& chain, std::string_view body) {
  add_due_seal(out, chain);
  ++chain.head.count;
  chain.head.hash = append_line(out, chain.head.count, body, chain.head.hash);
  chain.sealed = false;
}

void Writer::add_due_seal(std::string& out, Chain& chain) {
  if ((chain.head.count + 1) % limits_.seal_every == 0) add_seal(out, chain);
}

// The signature is over where the log stands and over all of the seal's own line that stands before it.
void Writer::add_seal(std::string& out, Chain& chain) {
  Detail detail;
  detail.add("count", chain.head.count).add("head", hex(chain.head.hash)).add("key", hex(keys_.seal.verify));
  std::string body = own_body("audit.seal", detail);
  const Signature signature = sign(keys_.seal, seal_text(chain.head, body));
  body.insert(body.size() - 1, R"(,"signature":")" + hex(signature) + "\"");
  ++chain.head.count;
  chain.head.hash = append_line(out, chain.head.count, body, chain.head.hash);
  chain.sealed = true;
  chain.last_seal = chain.head;
}

std::string Writer::own_body(std::string_view action, const Detail& detail) {
  std::string out;
  append_body(out, Record{.action = action, .detail = detail}, id_ + "-s" + std::to_string(++own_ids_), wall_ns());
  return out;
}

}  // namespace alos::audit
