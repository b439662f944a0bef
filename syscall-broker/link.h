#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/archive.h"
#include "policy/rules.h"

// What the broker and the supervisor that started it say to each other, over a SEQPACKET socket that the broker has as
// descriptor kLink: archives (base/archive.h) of one of the structs below, after a byte that says which. The broker may
// be in an agent's hands: the supervisor takes what it says as an agent's words, bounds it, and gives it nothing that
// the agent is not to have.
namespace alos::broker {

inline constexpr int kLink = 3;
inline constexpr int kInheritedRing = 4;
inline constexpr size_t kLongestMessage = 128 << 10;

// ---- supervisor to broker ----

// First. With it come the box's listener, and a sealed memfd of the policy, encoded; with `scripted` also one of the
// lines of the script (script.h).
struct Begin {
  static constexpr char kTag = 'b';
  std::string run;
  std::string workspace;
  std::vector<std::string> env;  // of commands, "K=V", before what a request adds
  std::vector<uint8_t> ring;     // io_uring_params, to map the file ring by
  // A clock that stands until Advance moves it.
  bool virtual_time = false;
  int64_t now_ns = 0, wall_ns = 0;
  bool scripted = false;
  int64_t begun_ns = 0;   // the run, by its own clock
  uint64_t slept_ms = 0;  // what was said by Slept
};

// Of a virtual clock (Broker::advance).
struct Advance {
  static constexpr char kTag = 't';
  uint64_t state = 0;
  int64_t now_ns = 0;
};

// What becomes of records that were waited for.
struct Recorded {
  uint64_t number = 0;
  int32_t error = 0;
  std::string text;
};
struct AllRecorded {
  static constexpr char kTag = 'r';
  std::vector<Recorded> records;
};

// With it come the box's mounts and, where the policy brokers anything, those of the other tree, both detached. For a
// broker once.
struct Identity {
  static constexpr char kTag = 'i';
  int32_t error = 0;  // there is none, because of `text`
  std::string text;
  uint16_t personality = 0, personality_of_files = 0;
  uint64_t mask_device = 0, mask = 0;  // View::Roots
};

// A box that was asked for runs, and with it comes its own listener, where it has one; or there is none, because of
// `text`. `refused`: not by a failure, but because the caller may not have such a run.
struct RunStarted {
  static constexpr char kTag = 's';
  uint32_t run = 0;
  int32_t error = 0;
  std::string text;
  bool refused = false;
};

// Nothing of it is left. `status` as of waitpid(2); `executed`: the program ran; otherwise `status` is the errno of
// starting it.
struct RunEnded {
  static constexpr char kTag = 'e';
  uint32_t run = 0;
  bool executed = false;
  int32_t status = 0;
};

// ---- broker to supervisor ----

struct RecordDetail {
  std::string name, value;
};
struct Record {
  uint64_t number = 0, parent = 0;
  std::string action, target;
  policy::Effect decision = policy::Effect::allow;
  std::string rule, source, reason, layer, outcome;
  std::vector<RecordDetail> details;
  bool waited_for = false;
};
struct Records {
  static constexpr char kTag = 'R';
  std::vector<Record> records;
};

struct WantIdentity {
  static constexpr char kTag = 'I';
  uint8_t nothing = 0;
};

// Nobody is left in the box: what is under way is given up, told of, and the broker ends.
struct Finish {
  static constexpr char kTag = 'f';
  uint8_t nothing = 0;
};

// A box for a command; with it come its stdin, stdout and stderr.
struct WantRun {
  static constexpr char kTag = 'W';
  uint32_t run = 0;      // the broker's number for it
  int32_t command = -1;  // index of the rule of `commands` that gives it more
  std::string program;
  std::vector<std::string> argv, env;
  std::string cwd;
};

struct EndRun {
  static constexpr char kTag = 'E';
  uint32_t run = 0;
};

// With a virtual clock: Host::Rest.
struct Rests {
  static constexpr char kTag = 'T';
  uint64_t state = 0;
  int64_t next_ns = 0;
  std::vector<int32_t> clients;
};

// An Advance with a state was followed.
struct Advanced {
  static constexpr char kTag = 'A';
  uint64_t state = 0;
};

// Host::slept().
struct Slept {
  static constexpr char kTag = 'S';
  uint64_t total_ms = 0;
};

template <class A>
void fields(A& a, Slept& s) {
  a(s.total_ms);
}
template <class A>
void fields(A& a, Advanced& v) {
  a(v.state);
}
template <class A>
void fields(A& a, Advance& v) {
  a(v.state, v.now_ns);
}
template <class A>
void fields(A& a, Rests& r) {
  a(r.state, r.next_ns, r.clients);
}
template <class A>
void fields(A& a, RunStarted& r) {
  a(r.run, r.error, r.text, r.refused);
}
template <class A>
void fields(A& a, RunEnded& r) {
  a(r.run, r.executed, r.status);
}
template <class A>
void fields(A& a, WantRun& r) {
  a(r.run, r.command, r.program, r.argv, r.env, r.cwd);
}
template <class A>
void fields(A& a, EndRun& r) {
  a(r.run);
}
template <class A>
void fields(A& a, Begin& b) {
  a(b.run, b.workspace, b.env, b.ring, b.virtual_time, b.now_ns, b.wall_ns, b.scripted, b.begun_ns, b.slept_ms);
}
template <class A>
void fields(A& a, Recorded& r) {
  a(r.number, r.error, r.text);
}
template <class A>
void fields(A& a, AllRecorded& r) {
  a(r.records);
}
template <class A>
void fields(A& a, Identity& i) {
  a(i.error, i.text, i.personality, i.personality_of_files, i.mask_device, i.mask);
}
template <class A>
void fields(A& a, RecordDetail& d) {
  a(d.name, d.value);
}
template <class A>
void fields(A& a, Record& r) {
  a(r.number, r.parent, r.action, r.target, r.decision, r.rule, r.source, r.reason, r.layer, r.outcome, r.details,
    r.waited_for);
}
template <class A>
void fields(A& a, Records& r) {
  a(r.records);
}
template <class A>
void fields(A& a, Finish& f) {
  a(f.nothing);
}
template <class A>
void fields(A& a, WantIdentity& w) {
  a(w.nothing);
}

template <class T>
std::string message(const T& value) {
  return T::kTag + encode(value);
}

}  // namespace alos::broker
