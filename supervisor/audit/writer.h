#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "supervisor/audit/keys.h"
#include "supervisor/audit/record.h"
#include "supervisor/audit/segment.h"

namespace alos::audit {

// Records waiting for their place in the log: bodies (line.h), one after the other in one piece of memory.
class Batch {
 public:
  std::string& text() { return text_; }  // append one body here, then call end_body()
  void end_body(uint64_t number) { ends_.push_back({text_.size(), number}); }
  bool empty() const { return next_ == ends_.size(); }
  size_t bytes() const { return text_.size(); }
  size_t count() const { return ends_.size() - next_; }
  std::string_view body(size_t index) const;  // index < count()
  void drop(size_t count);                    // the first `count` have been written
  bool remove(uint64_t number);               // whether it was there

 private:
  std::string text_;
  struct End {
    size_t at;
    uint64_t number;
  };
  std::vector<End> ends_;
  size_t next_ = 0;
};

// Puts records at the end of the log: numbers and chains them, seals, rotates, repairs what a crash left. Several
// processes have one of these on the same directory; each takes the lock and looks where the log stands before it
// writes.
class Writer {
 public:
  struct Limits {
    uint64_t seal_every;    // each record whose number is a multiple of this is a seal; 4 to 1024
    uint64_t rotate_bytes;  // a segment that has reached this is followed by the next; at least 1500
  };
  static Result<Writer> open(const std::string& dir, Limits limits);

  enum class Seal : uint8_t { when_due, now };
  // Writes the whole batch in one write (one more for each rotation) and drops it. On an error nothing of what is still
  // in the batch is in the log: a piece that the disk took of it has been cut off again. EBADMSG: the log was changed
  // by someone else, and nothing is added to it any more.
  Result<void> append(Batch& batch, Seal seal);
  // Errors: EIO and the like; what was written since the last sync may not survive a power loss then.
  Result<void> sync();

  bool is_open() const { return static_cast<bool>(segment_); }  // false once moved from
  const Head& head() const { return chain_.head; }              // as of this writer's last append
  const Head& last_seal() const { return chain_.last_seal; }    // count 0 before this writer's first
  const Keys& keys() const { return keys_; }
  const std::string& id() const { return id_; }  // the same for all records of this writer

 private:
  struct Chain {
    Head head;
    bool sealed = false;  // the record at `head` is a seal
    Head last_seal{};     // of this writer
  };
  Writer() = default;
  Result<void> open_segment(unsigned number, int create);
  Result<void> catch_up();
  Result<bool> catch_up_once();
  Result<void> begin_segment();
  Result<void> cut_torn(uint64_t whole, uint64_t torn);
  Result<void> rotate();
  Result<void> write(std::string_view text, const Chain& after);
  void add(std::string& out, Chain& chain, std::string_view body);
  void add_seal(std::string& out, Chain& chain);
  void add_due_seal(std::string& out, Chain& chain);
  size_t fill(std::string& out, Chain& chain, const Batch& batch);
  std::string own_body(std::string_view action, const Detail& detail);

  std::string path_;
  std::string id_;
  Limits limits_{};
  Keys keys_{};
  UniqueFd dir_, lock_, segment_;
  unsigned number_ = 0;
  uint64_t size_ = 0;   // of the segment, at a record's end; meaningful when known_
  bool known_ = false;  // size_ and chain_ are those of segment_
  bool dirty_ = false;  // written since the last sync
  uint64_t own_ids_ = 0;
  Chain chain_;
  std::string torn_;  // body of the record about a torn write, until it is written
};

}  // namespace alos::audit
