#include "supervisor/audit/verify.h"

#include <poll.h>

#include <functional>
#include <random>

#include "base/sys.h"
#include "scratch.h"
#include "supervisor/audit/line.h"

namespace alos::audit {
namespace {

using Kind = Finding::Kind;
using Lines = std::vector<std::string>;

Lines split(std::string_view text) {
  Lines out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string join(const Lines& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

void replace(std::string& text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  ASSERT_NE(at, text.npos);
  text.replace(at, from.size(), to);
}

// What someone does who knows the format but not the key: numbers and hashes from `from` on are made to fit.
void rechain(Lines& lines, size_t from) {
  Digest prev{};
  if (from > 0) prev = parse_line(lines[from - 1])->hash;
  for (size_t i = from; i < lines.size(); ++i) {
    const std::string body(parse_line(lines[i])->body);
    std::string out;
    prev = append_line(out, i + 1, body, prev);
    out.pop_back();
    lines[i] = out;
  }
}

// A log of 60 records in one file: a seal at each multiple of 16, the last record is the seal of closing.
constexpr int kRecords = 55;
class VerifyTest : public Scratch {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    Log log = open({.seal_every = 16});
    for (int i = 0; i < kRecords; ++i)
      log.append({.run = "r", .action = "fs.read", .target = "/w/" + std::to_string(i), .decision = Decision::allow})
          .value();
    head_ = log.close().value();
    ASSERT_EQ(head_.count, 60u);
  }
  Head head_;
};

struct Tampering {
  const char* name;
  std::function<void(Lines&)> edit;
  Kind kind;
  uint64_t line;        // where verify must point
  bool anchor = false;  // found only with the anchor
};

class Tampered : public VerifyTest, public testing::WithParamInterface<Tampering> {};

TEST_P(Tampered, is_found_and_its_place_is_named) {
  ASSERT_THAT(verdict({.anchor = head_, .key = {}}), IsSound());
  Lines lines = split(content());
  GetParam().edit(lines);
  ASSERT_TRUE(sys::replace_file(file(), join(lines), 0600));
  if (GetParam().anchor) {
    EXPECT_THAT(verdict(), IsSound()) << "the anchor is not needed for this one";
  }
  const Verdict found = verdict(GetParam().anchor ? VerifyOptions{.anchor = head_, .key = {}} : VerifyOptions{});
  ASSERT_FALSE(found.sound());
  EXPECT_EQ(name(found.findings[0].kind), name(GetParam().kind)) << found.findings[0].text();
  EXPECT_EQ(found.findings[0].line, GetParam().line) << found.findings[0].text();
  EXPECT_EQ(found.findings[0].file, "000001.log");
  EXPECT_LE(found.findings.size(), 5u) << "one change is one finding, and one for each seal after it";
}

std::string forged_seal(const std::string& line) {
  const auto old = parse_line(line);
  std::string body(old->body);
  const SigningKey key = make_signing_key();
  replace(body, text_in(body, "key").value(), hex(key.verify));
  const size_t at = body.find(",\"signature\":\"");
  const std::string unsigned_body = body.substr(0, at) + "}";
  body = body.substr(0, at) + ",\"signature\":\"" +
         hex(sign(key, seal_text({old->seq - 1, old->prev}, unsigned_body))) + "\"}";
  std::string out;
  append_line(out, old->seq, body, old->prev);
  out.pop_back();
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    Each, Tampered,
    testing::Values(
        Tampering{"a_field_edited", [](Lines& l) { replace(l[20], "/w/", "/x/"); }, Kind::edited, 21},
        Tampering{"a_field_of_the_first_record_edited", [](Lines& l) { replace(l[0], "\"id\":\"", "\"id\":\"0"); },
                  Kind::edited, 1},
        Tampering{"a_decision_edited_and_hashed_again",
                  [](Lines& l) {
                    replace(l[20], "allow", "deny");
                    const auto old = *parse_line(l[20]);
                    std::string out;
                    append_line(out, old.seq, std::string(old.body), old.prev);
                    l[20] = out.substr(0, out.size() - 1);
                  },
                  Kind::broken, 22},
        Tampering{"a_decision_edited_and_the_rest_chained_again",
                  [](Lines& l) { replace(l[20], "allow", "deny"), rechain(l, 20); }, Kind::seal, 32},
        Tampering{"two_records_swapped", [](Lines& l) { std::swap(l[20], l[21]); }, Kind::gap, 21},
        Tampering{"two_records_swapped_and_chained_again", [](Lines& l) { std::swap(l[20], l[21]), rechain(l, 20); },
                  Kind::seal, 32},
        Tampering{"a_record_taken_out", [](Lines& l) { l.erase(l.begin() + 20); }, Kind::gap, 21},
        Tampering{"several_records_taken_out", [](Lines& l) { l.erase(l.begin() + 20, l.begin() + 25); }, Kind::gap,
                  21},
        Tampering{"a_record_taken_out_and_the_rest_chained_again",
                  [](Lines& l) { l.erase(l.begin() + 20), rechain(l, 20); }, Kind::seal, 31},
        Tampering{"the_first_records_taken_out", [](Lines& l) { l.erase(l.begin(), l.begin() + 20); }, Kind::gap, 1},
        Tampering{"a_record_twice", [](Lines& l) { l.insert(l.begin() + 20, l[20]); }, Kind::misplaced, 22},
        Tampering{"an_old_record_again_at_the_end", [](Lines& l) { l.push_back(l[20]); }, Kind::misplaced, 61},
        Tampering{"a_made_up_record_put_in",
                  [](Lines& l) {
                    std::string out;
                    append_line(out, 21, ",\"id\":\"x-1\",\"action\":\"run.start\"", parse_line(l[19])->hash);
                    l.insert(l.begin() + 20, out.substr(0, out.size() - 1));
                  },
                  Kind::misplaced, 22},
        Tampering{"a_made_up_record_added_with_a_wrong_hash",
                  [](Lines& l) {
                    std::string out;
                    append_line(out, 61, ",\"id\":\"x-1\",\"action\":\"run.start\"", Digest{});
                    l.push_back(out.substr(0, out.size() - 1));
                  },
                  Kind::broken, 61},
        Tampering{"a_line_of_something_else", [](Lines& l) { l.insert(l.begin() + 20, "{\"hello\":1}"); },
                  Kind::malformed, 21},
        Tampering{"an_empty_line", [](Lines& l) { l.insert(l.begin() + 20, ""); }, Kind::malformed, 21},
        Tampering{"a_seal_taken_out_and_the_rest_chained_again",
                  [](Lines& l) { l.erase(l.begin() + 31), rechain(l, 31); }, Kind::seal, 32},
        Tampering{"a_signature_edited_and_chained_again",
                  [](Lines& l) {
                    const size_t at = l[31].find("\"signature\":\"") + 13;
                    l[31][at] = l[31][at] == '0' ? '1' : '0';
                    rechain(l, 31);
                  },
                  Kind::seal, 32},
        Tampering{"the_time_of_the_last_seal_edited_and_chained_again",
                  [](Lines& l) { replace(l[59], "\"time\":\"2", "\"time\":\"3"), rechain(l, 59); }, Kind::seal, 60},
        Tampering{"a_seal_by_another_key", [](Lines& l) { l[59] = forged_seal(l[59]); }, Kind::foreign_key, 60},
        Tampering{"the_tail_cut", [](Lines& l) { l.resize(50); }, Kind::anchor, 0, true},
        Tampering{"the_tail_cut_before_the_last_seal", [](Lines& l) { l.resize(59); }, Kind::anchor, 0, true},
        Tampering{"a_beginning_of_another_file",
                  [](Lines& l) { replace(l[0], "\"segment\":1", "\"segment\":2"), rechain(l, 0); }, Kind::segment, 1}),
    [](const auto& each) { return each.param.name; });

TEST_F(VerifyTest, one_changed_byte_anywhere_is_found) {
  ASSERT_TRUE(sys::remove_below(sys::open(dir_, O_RDONLY | O_DIRECTORY)->get()));
  {
    Log log = open({.seal_every = 32});
    for (int i = 0; i < 200; ++i)
      log.append({.run = "r", .action = "fs.read", .target = "/w/" + std::to_string(i), .decision = Decision::allow})
          .value();
  }
  const std::string sound = content();
  ASSERT_THAT(verdict(), IsSound());
  std::minstd_rand random(std::random_device{}());
  const auto fd = sys::open(file(), O_WRONLY);
  const auto put = [&](size_t at, char c) { ASSERT_EQ(::pwrite(fd->get(), &c, 1, static_cast<off_t>(at)), 1); };
  for (int i = 0; i < 1000; ++i) {
    // The last line's end is where mistakes would hide: every byte of it, then anywhere.
    const size_t at = i < 300 ? sound.size() - 1 - static_cast<size_t>(i) : random() % sound.size();
    char to = static_cast<char>(random());
    if (random() % 4 == 0) to = '\n';
    if (to == sound[at]) to ^= 1;
    put(at, to);
    ASSERT_FALSE(verdict().sound()) << "byte " << at << " from " << int{sound[at]} << " to " << int{to};
    put(at, sound[at]);
  }
  EXPECT_THAT(verdict(), IsSound());
}

// Who has no key can make records, and hashes to them, but no seals: so many without one are no log of ours.
TEST_F(VerifyTest, a_log_forged_without_the_key_cannot_put_its_seals_off) {
  for (const char* every : {"4611686018427387904", "0", "1025"}) {
    Lines lines = split(content());
    std::erase_if(lines, [](const std::string& line) { return parse_line(line)->action == "audit.seal"; });
    replace(lines[0], "\"seal_every\":16", "\"seal_every\":" + std::string(every));
    while (lines.size() < 1500) lines.push_back(lines[1]);
    rechain(lines, 0);
    const std::string sound = content();
    ASSERT_TRUE(sys::replace_file(file(), join(lines), 0600));
    EXPECT_FALSE(verdict().sound()) << every;
    EXPECT_FALSE(Log::open(dir_)) << "nor is it continued";
    ASSERT_TRUE(sys::replace_file(file(), sound, 0600));
  }
}

TEST_F(VerifyTest, no_writer_puts_its_seals_further_apart_than_verify_takes) {
  ASSERT_TRUE(sys::remove_below(sys::open(dir_, O_RDONLY | O_DIRECTORY)->get()));
  {
    Log log = open({.seal_every = 1 << 20});
    for (int i = 0; i < 1500; ++i) log.append({.run = "r", .action = "fs.read", .target = "/w"}).value();
  }
  EXPECT_THAT(verdict(), IsSound());
  EXPECT_GE(verdict().seals, 2u);
}

TEST_F(VerifyTest, an_anchor_from_any_time_holds_and_one_of_another_log_does_not) {
  const Lines lines = split(content());
  for (size_t i : {0u, 7u, 31u, 59u})
    EXPECT_THAT(verdict({.anchor = Head{i + 1, parse_line(lines[i])->hash}, .key = {}}), IsSound());
  const Verdict found = verdict({.anchor = Head{8, digest("another")}, .key = {}});
  ASSERT_EQ(found.findings.size(), 1u);
  EXPECT_EQ(found.findings[0].text(),
            "000001.log:8: anchor: record 8 is not the one of the anchor: the log was written anew");
}

TEST_F(VerifyTest, a_log_written_anew_with_a_key_of_its_own_shows_against_the_key_kept_elsewhere) {
  const SealKey kept = load_seal_key(sys::open(dir_, O_RDONLY | O_DIRECTORY)->get()).value();
  EXPECT_THAT(verdict({.anchor = {}, .key = kept}), IsSound());
  ASSERT_TRUE(sys::remove_below(sys::open(dir_, O_RDONLY | O_DIRECTORY)->get()));
  open().append({.action = "forged"}).value();
  EXPECT_THAT(verdict(), IsSound()) << "by itself it is a sound log";
  EXPECT_EQ(verdict({.anchor = {}, .key = kept}).findings.at(0).kind, Kind::foreign_key);
}

class VerifyFiles : public Scratch {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    Log log = open({.seal_every = 8, .rotate_bytes = 3000});
    for (int i = 0; i < 40; ++i) log.append({.action = "a"}).value();
    head_ = log.close().value();
    files_ = static_cast<unsigned>(verdict().files);
    ASSERT_GE(files_, 4u);
  }
  Finding first_finding(const VerifyOptions& options = {}) const {
    const Verdict found = verdict(options);
    return found.findings.empty() ? Finding{Kind::edited, "", 0, "nothing found"} : found.findings[0];
  }
  Head head_;
  unsigned files_ = 0;
};

TEST_F(VerifyFiles, a_file_that_is_gone_is_named) {
  for (unsigned gone = 1; gone <= files_; ++gone) {
    const std::string bytes = content(gone);
    ASSERT_EQ(::unlink(file(gone).c_str()), 0);
    const Finding found = first_finding();
    EXPECT_EQ(found.kind, Kind::segment) << found.text();
    EXPECT_TRUE((found.file + found.what).find(segment_name(gone)) != std::string::npos) << found.text();
    ASSERT_TRUE(sys::replace_file(file(gone), bytes, 0600));
    ASSERT_THAT(verdict(), IsSound());
  }
}

TEST_F(VerifyFiles, a_file_that_is_cut_emptied_or_swapped_is_named) {
  const std::string one = content(1), two = content(2);
  const auto with = [&](unsigned number, std::string_view bytes) {
    EXPECT_TRUE(sys::replace_file(file(number), bytes, 0600));
    return first_finding();
  };
  EXPECT_EQ(with(2, "").text(), "000002.log: segment: is empty, and the log goes on after it");
  const size_t last_line = two.rfind('\n', two.size() - 2) + 1;
  EXPECT_EQ(with(2, two.substr(0, last_line)).text(),
            "000002.log: segment: does not end with the record that the log goes on in the next file: its end was cut");
  EXPECT_EQ(with(2, two.substr(0, two.size() - 10)).kind, Kind::segment);
  EXPECT_EQ(with(2, two.substr(two.find('\n') + 1)).kind, Kind::gap);
  EXPECT_EQ(with(2, one).kind, Kind::misplaced);
}

TEST_F(VerifyFiles, nothing_can_be_said_without_a_log_or_its_key) {
  ASSERT_EQ(::unlink((dir_ + "/seal.pub").c_str()), 0);
  EXPECT_EQ(verify(dir_).error().code, ENOENT);
  EXPECT_EQ(verify(base_).error().code, ENOENT);
  EXPECT_EQ(verify(dir_ + "/none").error().code, ENOENT);
}

TEST_F(VerifyFiles, a_copy_without_lock_can_be_verified) {
  ASSERT_EQ(::unlink((dir_ + "/lock").c_str()), 0);
  ASSERT_EQ(::unlink((dir_ + "/seal.key").c_str()), 0);
  EXPECT_THAT(verdict({.anchor = head_, .key = {}}), IsSound());
}

TEST_F(VerifyFiles, while_others_write_nothing_is_found) {
  auto gate = sys::pipe();
  ASSERT_TRUE(gate);
  const pid_t writer = in_child([&] {
    gate->b.reset();
    auto log = Log::open(dir_);
    // A pause, or each look would meet as many new records as it read.
    for (pollfd over{.fd = gate->a.get(), .events = POLLIN, .revents = 0}; ::poll(&over, 1, 1) == 0;)
      if (!log || !log->append({.action = "b"}) || !log->flush(Durability::process)) return 1;
    return 0;
  });
  uint64_t first = 0, last = 0;
  for (int look = 0; look < 20; ++look) {
    const auto seen = verdict();
    EXPECT_THAT(seen, IsSound());
    (look == 0 ? first : last) = seen.records;
  }
  gate->b.reset();
  EXPECT_EQ(exit_code(writer), 0);
  EXPECT_GT(last, first) << "nobody wrote meanwhile";
}

}  // namespace
}  // namespace alos::audit
