// Not an attack: asks for every primitive by the client library, in the order of broker_test.cc, each allowed, denied
// and failing. Prints a line of JSON for each, as alos-call does.
//   client WORKSPACE

#include "shim/client/client.h"

#include <cstdio>
#include <string>

namespace {

using namespace alos;
using client::Client;

template <class T>
void say(const client::Outcome<T>& outcome) {
  if (outcome)
    std::puts("{\"ok\":{}}");
  else if (const auto* denied = outcome.denied())
    std::printf("{\"denied\":{\"rule\":\"%s\",\"layer\":\"%s\"}}\n", denied->rule().c_str(), denied->layer().c_str());
  else if (const auto* failed = outcome.failed())
    std::printf("{\"failed\":{\"name\":\"%s\"}}\n", failed->name().c_str());
  else if (const auto* limit = outcome.limit())
    std::printf("{\"limit\":{\"which\":\"%s\"}}\n", limit->which().c_str());
  else
    std::puts("{\"unknown\":{}}");
}

template <class Call>
Call at(const std::string& path) {
  Call call;
  call.set_path(path);
  return call;
}

template <class Call>
Call between(const std::string& from, const std::string& to) {
  Call call;
  call.set_from(from);
  call.set_to(to);
  return call;
}

template <class Call>
Call with(const std::string& path, const std::string& content) {
  Call call = at<Call>(path);
  call.set_content(content);
  return call;
}

void files(Client& c, const std::string& w) {
  for (const char* name : {"/file", "/.env", "/absent"}) say(c.fs_read(at<wire::FsRead>(w + name)));
  for (const char* name : {"/new", "/.env", "/absent/x"}) say(c.fs_write(with<wire::FsWrite>(w + name, "x")));
  for (const char* name : {"/file", "/.env", "/absent"}) say(c.fs_append(with<wire::FsAppend>(w + name, "x")));
  for (const std::string& path : {w, std::string("/srv"), w + "/file"}) say(c.fs_list(at<wire::FsList>(path)));
  for (const char* name : {"/file", "/.env", "/absent"}) say(c.fs_stat(at<wire::FsStat>(w + name)));
  for (const std::string& path : {w + "/dir", std::string("/srv/dir"), w + "/file/x"})
    say(c.fs_mkdir(at<wire::FsMkdir>(path)));
  for (const char* name : {"/dir", "/.env", "/absent"}) {
    auto call = at<wire::FsRemove>(w + name);
    call.set_directory(std::string(name) == "/dir");
    say(c.fs_remove(call));
  }
  for (const char* name : {"/new", "/.env", "/absent"})
    say(c.fs_rename(between<wire::FsRename>(w + name, w + "/newer")));
  for (const char* name : {"/file", "/.env", "/absent"}) say(c.fs_copy(between<wire::FsCopy>(w + name, w + "/copy")));
  for (const char* name : {"/file", "/.env", "/absent"}) say(c.fs_open(at<wire::FsOpen>(w + name)));
}

void others(Client& c, const std::string& w) {
  for (const char* program : {"true", "id", "no-such-program"}) {
    wire::ShellRun call;
    call.add_argv(program);
    say(c.shell_run(call));
  }
  for (const char* zone : {"+02:00", "Nowhere"}) {
    wire::ClockNow call;
    call.set_zone(zone);
    say(c.clock_now(call));
  }
  for (const unsigned long ms : {1, 2500, 1999, 1001}) {
    wire::ClockSleep call;
    call.set_duration_ms(ms);
    say(c.clock_sleep(call));
  }
  for (const std::string& request : {"fs.read " + w + "/.env", std::string("no request")}) {
    wire::PolicyWhy call;
    call.set_request(request);
    say(c.policy_why(call));
  }
}

}  // namespace

int main(int argc, char** argv) {
  auto client = Client::connect();
  if (argc != 2 || !client) return 2;
  files(*client, argv[1]);
  others(*client, argv[1]);
  return 0;
}
