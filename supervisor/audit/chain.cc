#include "supervisor/audit/chain.h"

#include <fmt/format.h>

#include <algorithm>

#include "supervisor/audit/segment.h"

namespace alos::audit {
namespace {

using Kind = Finding::Kind;

constexpr std::string_view kSignature = R"(,"signature":")";

// The body of a seal as it was signed: without the signature, which stands last in it.
std::string unsigned_body(std::string_view body) {
  return std::string(body.substr(0, body.find(kSignature))) + "}";
}

}  // namespace

void Chain::found(Kind kind, std::string what) {
  if (verdict_.findings.size() < kMostFindings)
    verdict_.findings.push_back({kind, segment_name(segment_), line_, std::move(what)});
  else
    ++verdict_.more_findings;
}

void Chain::begin_file(unsigned number, File kind) {
  line_ = 0;
  if (segment_ > 0 && lines_in_file_ == 0) found(Kind::segment, "is empty, and the log goes on after it");
  // Empty and last, after a file that does not point to it: a writer was stopped between making it and saying so.
  if (segment_ > 0 && lines_in_file_ > 0 && !rotated_ && kind != File::empty_last)
    found(Kind::segment, "does not end with the record that the log goes on in the next file: its end was cut");
  if (number > segment_ + 1) {
    ++segment_;
    found(Kind::segment, number == segment_ + 1
                             ? std::string("is missing")
                             : fmt::format("is missing, and so is each up to {}", segment_name(number - 1)));
  }
  segment_ = number;
  kind_ = kind;
  lines_in_file_ = 0;
}

void Chain::line(uint64_t number, std::string_view text) {
  auto line = parse_line(text);
  if (!line) return damaged(number, "is not a record as the log's writers make them");
  line_ = number;
  if (rotated_ && lines_in_file_ > 0) found(Kind::segment, "stands after the record that ends this file");
  if (hash_fits(*line)) {
    check_place(*line);
  } else {
    line->seq = verdict_.head.count + damaged_ + 1;  // its own number may be what was changed
  }
  ++lines_in_file_;
  if (lines_in_file_ == 1) check_first_of_file(*line);
  check_seal(*line);
  check_anchor(*line);
  verdict_.head = {line->seq, line->hash};
  ++verdict_.records;
  damaged_ = 0;
  rotated_ = line->action == "audit.rotate";
  const std::string time(text_in(line->body, "time").value_or(""));
  if (verdict_.first_time.empty()) verdict_.first_time = time;
  verdict_.last_time = time;
}

void Chain::damaged(uint64_t number, std::string what) {
  line_ = number;
  found(Kind::malformed, std::move(what));
  ++damaged_;
  ++lines_in_file_;
}

bool Chain::hash_fits(const Line& line) {
  const Digest before = computed_;
  computed_ = digest(line.hashed);
  if (computed_ == line.hash) {
    computed_before_ = before;
    return true;
  }
  found(Kind::edited,
        fmt::format("record {} was changed: its content does not match its hash", verdict_.head.count + damaged_ + 1));
  return false;
}

void Chain::check_place(const Line& line) {
  const uint64_t last = verdict_.head.count;
  const uint64_t expected = last + damaged_ + 1;
  if (line.seq > expected) {
    const uint64_t missing = line.seq - expected;
    found(Kind::gap, missing == 1
                         ? fmt::format("record {} is missing before this one", expected)
                         : fmt::format("records {} to {} are missing before this one", expected, line.seq - 1));
  } else if (line.seq <= last) {
    found(Kind::misplaced, fmt::format("record {} stands after record {}: a copy, or moved here", line.seq, last));
  } else if (damaged_ == 0 && line.prev != verdict_.head.hash && line.prev != computed_before_) {
    found(Kind::broken,
          last == 0 ? std::string("the first record says that another stood before it")
                    : fmt::format("record {} does not follow from record {} as it stands: one of the two was replaced",
                                  line.seq, last));
  }
}

void Chain::check_first_of_file(const Line& line) {
  if (line.action != "audit.segment" || number_in(line.body, "segment") != segment_)
    return found(Kind::segment,
                 fmt::format("does not begin as file {} of a log: its beginning was cut, or it is another",
                             segment_name(segment_)));
  const uint64_t every = number_in(line.body, "seal_every").value_or(0);
  if (seal_every_ != 0 && every != seal_every_)
    found(Kind::segment, "says another distance of seals than the file before");
  if (every < kLeastSealEvery || every > kMostSealEvery)
    found(Kind::segment, "says a distance of seals that no writer takes: it was written anew");
  seal_every_ = std::clamp(every, kLeastSealEvery, kMostSealEvery);
  if (text_in(line.body, "key") != hex(key_))
    found(Kind::foreign_key, "the file was begun with a key that is not the log's");
}

void Chain::check_seal(const Line& line) {
  ++unsealed_;
  if (line.action == "audit.seal") {
    check_seal_record(line);
    unsealed_ = 0;
    ++verdict_.seals;
  } else if (seal_every_ != 0 && line.seq % seal_every_ == 0) {
    found(Kind::seal, fmt::format("record {} must be a seal, as every {}th, and is none", line.seq, seal_every_));
  }
}

void Chain::check_seal_record(const Line& line) {
  if (text_in(line.body, "key") != hex(key_))
    return found(Kind::foreign_key, fmt::format("record {} is sealed with a key that is not the log's", line.seq));
  const Head before{line.seq - 1, line.prev};
  Signature signature;
  const bool fits = number_in(line.body, "count") == before.count && text_in(line.body, "head") == hex(before.hash) &&
                    unhex(text_in(line.body, "signature").value_or(""), signature) &&
                    alos::verify(key_, seal_text(before, unsigned_body(line.body)), signature);
  if (!fits)
    found(Kind::seal,
          fmt::format("the signature of seal {} does not fit the log before it: it was written anew", line.seq));
}

void Chain::check_anchor(const Line& line) {
  if (!anchor_ || line.seq != anchor_->count) return;
  if (computed_ != anchor_->hash)
    found(Kind::anchor, fmt::format("record {} is not the one of the anchor: the log was written anew", line.seq));
}

// A crash leaves the beginning of a record. Anything else behind the last newline was put there.
void Chain::torn(uint64_t number, std::string_view text) {
  line_ = number;
  if (kind_ != File::last) return found(Kind::segment, "is cut off in the middle of a record");
  const std::string start = fmt::format(R"({{"v":1,"seq":{},"id":")", verdict_.head.count + damaged_ + 1);
  const size_t end = text.rfind("\"}");
  const bool whole_and_more = end != text.npos && end + 2 < text.size() && parse_line(text.substr(0, end + 2));
  if (whole_and_more || !text.starts_with(std::string_view(start).substr(0, text.size())))
    return damaged(number, "has no end of line, and is not the beginning of a record either");
  verdict_.torn = true;
  verdict_.notes.push_back(
      fmt::format("{}:{}: the last write was cut short ({} bytes): a crash; no one was told that it was recorded. "
                  "The next writer takes it out and records that",
                  segment_name(segment_), number, text.size()));
}

void Chain::finish() {
  line_ = 0;
  if (rotated_ && lines_in_file_ > 0)
    found(Kind::segment, fmt::format("says that the log goes on in {}, which is missing", segment_name(segment_ + 1)));
  if (anchor_ && anchor_->count > verdict_.head.count)
    found(Kind::anchor, fmt::format("the log ends with record {}, the anchor knows {}: its end was cut off",
                                    verdict_.head.count, anchor_->count));
  if (unsealed_ > 0)
    verdict_.notes.push_back(
        fmt::format("the last {} record{} not sealed yet", unsealed_, unsealed_ == 1 ? " is" : "s are"));
}

}  // namespace alos::audit
