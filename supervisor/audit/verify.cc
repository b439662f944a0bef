#include "supervisor/audit/verify.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/sys.h"
#include "supervisor/audit/chain.h"
#include "supervisor/audit/lines.h"
#include "supervisor/audit/segment.h"

namespace alos::audit {
namespace {

Result<void> read_segment(Chain& chain, Lines& lines) {
  for (;;) {
    const Lines::Next next = TRY(lines.next());
    switch (next.kind) {
      case Lines::Kind::line:
        chain.line(lines.line(), next.text);
        break;
      case Lines::Kind::overlong:
        chain.damaged(lines.line(), "is longer than any record");
        break;
      case Lines::Kind::torn:
        chain.torn(lines.line() + 1, next.text);
        return {};
      case Lines::Kind::end:
        return {};
    }
  }
}

Result<Verdict> verify_snapshot(int dir, const Snapshot& snapshot, const SealKey& key, const VerifyOptions& options) {
  Verdict verdict;
  Chain chain(verdict, key, options.anchor);
  for (const unsigned number : snapshot.segments) {
    const bool last = number == snapshot.segments.back();
    // A writer that goes on in a next file makes that first: killed before it has said so, it ended in the one before.
    const bool ends = last || (snapshot.last_size == 0 && number + 1 == snapshot.segments.back());
    UniqueFd fd = TRY(sys::openat(dir, segment_name(number), O_RDONLY | O_NOFOLLOW));
    const uint64_t size = last ? snapshot.last_size : static_cast<uint64_t>(TRY(sys::fstat(fd.get())).st_size);
    chain.begin_file(number, size == 0 && last ? Chain::File::empty_last
                             : ends            ? Chain::File::last
                                               : Chain::File::other);
    Lines lines(std::move(fd), segment_name(number), size);
    TRY(read_segment(chain, lines));
  }
  chain.finish();
  verdict.files = snapshot.segments.size();
  return verdict;
}

}  // namespace

std::string_view name(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::malformed:
      return "malformed";
    case Finding::Kind::edited:
      return "edited";
    case Finding::Kind::broken:
      return "broken";
    case Finding::Kind::gap:
      return "gap";
    case Finding::Kind::misplaced:
      return "misplaced";
    case Finding::Kind::seal:
      return "seal";
    case Finding::Kind::foreign_key:
      return "foreign key";
    case Finding::Kind::segment:
      return "segment";
    case Finding::Kind::anchor:
      return "anchor";
  }
  return "?";
}

std::string Finding::text() const {
  return fmt::format("{}{}: {}: {}", file, line ? ":" + std::to_string(line) : "", name(kind), what);
}

Result<Verdict> verify(const std::string& path, const VerifyOptions& options) {
  const UniqueFd dir = TRY(sys::open(path, O_RDONLY | O_DIRECTORY));
  Snapshot snapshot = TRY(take_snapshot(dir.get(), path));
  SealKey key;
  if (options.key) {
    key = *options.key;
  } else {
    auto own = load_seal_key(dir.get());
    if (!own) own.error().hint = "without the log's public key no seal can be checked; restore it or give --key";
    key = TRY(std::move(own));
  }
  // A writer that comes back cuts what a crash had left torn while this reads: then the torn end seen here was no end.
  for (int attempt = 0;; ++attempt) {
    Verdict verdict = TRY(verify_snapshot(dir.get(), snapshot, key, options));
    const Snapshot now = TRY(take_snapshot(dir.get(), path));
    if (!verdict.torn || now == snapshot || attempt == 3) return verdict;
    snapshot = now;
  }
}

}  // namespace alos::audit
