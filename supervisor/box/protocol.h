#pragma once

#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "supervisor/box/step.h"

namespace alos::box {

// Where a box reaches its supervisor: connected to by SOCK_SEQPACKET. ALOS_SOCKET in its environment says so.
inline constexpr std::string_view kSocketPath = "/dev/alos";

// Fixed structs between the supervisor and the launcher (SEQPACKET, both of one installation). A message of another
// size or magic ends the connection.

// Where the launcher finds what it inherits.
inline constexpr int kLauncherSocket = 3;
inline constexpr int kRing = 4;  // the file ring (base/file_ring.h), which cannot be sent

// Descriptors go along in this order: compiled policy, RunRequest (both sealed memfds), stdin, stdout, stderr, and
// those that the flags name.
struct LaunchMessage {
  static constexpr uint32_t kMagic = 0x32534f4c;
  uint32_t magic = kMagic;
  uint8_t has_workspace = 0;  // the host directory
  uint8_t has_layer = 0;      // the layer's directory
  uint8_t has_image = 0;      // a detached mount that holds the layer instead (workspace/image.h)
  uint8_t has_home = 0;       // the directory of a home that lasts
  uint8_t has_ring = 0;       // the file ring is descriptor kRing, inherited
  uint8_t locks = 0;          // of layer, id and home: held by being open
  uint8_t rootless = 0;
};

// Supervisor -> launcher, while the box runs.
struct LauncherOrder {
  enum class Kind : uint8_t {
    kill,      // everything of the run
    freeze,    //
    thaw,      //
    identity,  // have the agent's credentials registered on the file ring: answered by identity or identity_failed
    run,       // a further box; descriptors: CommandRequest (sealed memfd), stdin, stdout, stderr. Answered by
               // run_started or run_failed, when that is known: other orders are obeyed meanwhile
    end_run,   // that box is ended; its pidfd says when it has
  };
  Kind kind = Kind::kill;
  uint32_t run = 0;      // of run and end_run: the supervisor's number for it
  int32_t command = -1;  // of run: index of the plan's command that it is, -1: what the agent may do itself
};

// How many further boxes a run may have at a time.
inline constexpr size_t kMostRuns = 32;

struct LauncherReport {
  enum class Kind : uint8_t {
    started,  // text: limits given up because nothing here holds them; descriptors: pidfd of the box's init, init's
              // control socket, with has_listener the socket at kSocketPath, and the pty's master where one was asked
              // for
    failed,   // step, error and text; no process of the box is left
    full,     // the disk below what the box writes has no room left: its writes answer ENOSPC
    limit,    // text: the limit that was reached, and on a second line why, where it was not measured; the box is being
              // ended
    ended,    // the boxes of the run and its cgroup are gone
    identity,         // personality; descriptors: the box's mounts, and those of what is brokered, where the policy
                      // brokers anything; both detached, to be mounted by one broker
    identity_failed,  // step, error and text
    run_started,      // run and pid; descriptors as of started, without a terminal
    run_failed,       // run, step, error and text; pid: of a child that is left to be reaped, 0: none was made
  };
  Kind kind = Kind::failed;
  Step step = Step::request;
  int32_t error = 0;
  int32_t pid = 0;
  uint32_t run = 0;
  int32_t personality = 0, personality_of_files = 0;  // the latter 0 where there is none
  uint64_t mask_device = 0, mask = 0;                 // identity: st_dev and st_ino of what covers a denied file
  uint8_t can_freeze = 0;                             // started: the box has a group that can be frozen
  uint8_t has_listener = 0;
  uint8_t refused = 0;  // run_failed: what it was to be handed is not its caller's to hand over, text says why
  uint64_t cpu_ms = 0;  // ended: what was used, 0 where nothing measures it
  uint64_t memory_peak = 0;
  uint64_t processes_peak = 0;
  uint64_t memory_kills = 0;
  uint64_t fork_refusals = 0;
  std::array<char, 1024> text{};

  void say(std::string_view words) {
    size_t n = std::min(words.size(), text.size() - 1);
    while (n > 0 && n < words.size() && (words[n] & 0xC0) == 0x80) --n;  // no part of a character
    std::copy_n(words.begin(), n, text.begin());
    text[n] = '\0';
  }
};

}  // namespace alos::box
