#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace alos::escape {

enum class Who : uint8_t { user, root };  // whom a sandbox is started by

// The part of a machine that payloads attack: secrets, another process, services, shared places; all below one
// directory of its own, which goes with it. Everything belongs to the user that the sandbox is started by, so that it
// is the sandbox and not a file's owner that stands in the way. Started by root, `user` is nobody (65534).
//
// Payloads are told by targets:
//   ESCAPE_SECRET         a file that holds a token         ESCAPE_VICTIM_FILE    a file that must not change
//   ESCAPE_WORKSPACE      the directory given to the box    ESCAPE_HOME           a home of the host, with keys
//   ESCAPE_TMP            a directory in the host's /tmp    ESCAPE_SHM            a token in the host's /dev/shm
//   ESCAPE_HOST_PID       a process outside                 ESCAPE_TOKEN_ADDRESS  of a token in its memory
//   ESCAPE_SOCKETS        docker.sock and log.sock, in the workspace
//   ESCAPE_HOST_SOCKET    a socket elsewhere                ESCAPE_ABSTRACT       an abstract name
//   ESCAPE_SETUID         a setuid root program, where the host side is root
//   ESCAPE_SCRATCH        where a box may write much        ESCAPE_LIMIT          set by the row
//   ESCAPE_POLICY         the policy that confines          ESCAPE_STATE          audit log and layers
//   ESCAPE_CACHE          compiled policies                 ESCAPE_PROGRAMS       the programs that confine
class Host {
 public:
  explicit Host(Who who);
  ~Host();
  Host(const Host&) = delete;

  uid_t uid() const { return uid_; }
  std::string path(const std::string& name) const { return root_ + "/" + name; }
  std::string workspace() const { return path("workspace"); }
  // Copies the payload into the workspace, where every sandbox has it; returns its path.
  std::string install(const std::string& payload) const;
  std::vector<std::string> targets() const;  // "NAME=VALUE"
  // A file of the host's user below the host's directory; returns its path.
  std::string add(const std::string& name, const std::string& content) const;
  // For a sandbox that keeps no policy, state or programs of its own: files in their places.
  void pretend_own_files() const;

  // What a payload did to the host.
  bool victim_was_signalled() const;
  bool victim_file_changed() const;
  bool a_datagram_arrived() const { return datagrams_ > 0; }
  // Whether a payload's mark is in the content or the name of a file below own/ or the programs of alos.
  bool own_files_marked() const;
  // `name` is "workspace/...", "home/...", "tmp/..." or "shm". True for anything that lies there, whatever its mode.
  bool left_behind(const std::string& name) const;

  // Descriptors that a careless starter leaves open in the sandbox: the secret, and its directory.
  const std::vector<int>& careless_descriptors();

 private:
  void write(const std::string& name, const std::string& content, mode_t mode = 0644) const;
  void make_setuid_program() const;
  void start_victim();
  void start_services();
  void serve();

  uid_t uid_;
  std::string root_, shm_, abstract_, token_address_;
  pid_t victim_ = -1;
  std::vector<UniqueFd> streams_, datagram_sockets_, careless_;
  std::vector<int> careless_numbers_;
  std::atomic<int> datagrams_ = 0;
  std::atomic<bool> ending_ = false;
  std::thread services_;
};

}  // namespace alos::escape
