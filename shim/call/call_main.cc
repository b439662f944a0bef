// The primitives as commands, for shells and for programs in any language in a box.

#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/child.h"
#include "base/paths.h"
#include "base/print.h"
#include "base/sys.h"
#include "shim/call/exchange.h"
#include "shim/call/help.h"
#include "shim/call/show.h"
#include "shim/client/frame.h"

namespace alos::call {
namespace {

using Words = std::vector<std::string>;

// A socket would have the number of a closed stream, and be written to in its place.
void open_closed_streams() {
  for (const int fd : {0, 1, 2})
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int say(std::string_view text) {
  if (sys::write_all(1, text)) return kOk;
  print_error("alos-call: cannot write to standard output: {}\n", strerrordesc_np(errno));
  return kNoBroker;
}

// `code`, unless what it stands for could not be told.
int say(std::string_view text, int code) {
  const int said = say(text);
  return said == kOk ? code : said;
}

int wrong_usage(const Entry& entry, const Error& error) {
  const std::string what = error.operation == "usage" ? error.object + " " + error.hint : error.text();
  print_error("alos-call: {}: {}\n  usage: {}\n  'alos-call {} --help' says more\n", entry.about.name(), what,
              usage(entry), entry.about.name());
  return kUsage;
}

int no_broker(const Command& command, const Error& error) {
  print_error(
      "alos-call: cannot ask for {}: no broker: {}\n"
      "  run it in a box whose run has a broker ('alos run -- alos-call ...'), or name its socket in ALOS_SOCKET\n",
      command.entry->about.name(), error.text());
  return kNoBroker;
}

// Becomes the command that the descriptor is for.
int hand_over(Command& command, const UniqueFd& descriptor) {
  const auto& call = static_cast<const wire::FsOpen&>(command.call());
  ::dup2(descriptor.get(), call.access() == wire::OPEN_READ ? 0 : 1);
  ::execvp(command.then[0].c_str(), sys::pointers_to(command.then).data());
  const int why = errno;
  print_error("alos-call: cannot execute {}: {}\n", printable(command.then[0]), strerrordesc_np(why));
  return why == ENOENT ? 127 : 126;
}

int raw_end(const Entry& entry, const wire::Reply& reply) {
  if (reply.has_shell_run()) {
    const wire::ShellRun::Result& run = reply.shell_run();
    if (run.timed_out()) print_error("alos-call: shell.run: ended at its timeout\n");
    if (!run.started()) print_error("alos-call: shell.run: the program could not be executed\n");
    if (run.output_truncated() || run.error_truncated())
      print_error("alos-call: shell.run: more was written than is shown; see --output-limit\n");
    return run.code();
  }
  const auto& result = reply.GetReflection()->GetMessage(reply, entry.reply_field);
  const auto* content = entry.result->FindFieldByName("content");
  const auto* truncated = entry.result->FindFieldByName("truncated");
  if (truncated && result.GetReflection()->GetBool(result, truncated))
    print_error("alos-call: {}: it goes on after what is shown; see --offset and --length\n", entry.about.name());
  return say(result.GetReflection()->GetString(result, content));
}

int carry_out(Command command) {
  const std::string path = client::socket_path();
  const auto socket = client::connect(path);
  if (!socket) return no_broker(command, socket.error());
  std::string output, error;
  int lost = kOk;
  const Ended ended = exchange(socket->get(), command, [&](std::string_view data, bool is_error) {
    if (!command.raw)
      (is_error ? error : output).append(data);
    else if (is_error)
      (void)sys::write_all(2, data);
    else if (lost == kOk)
      lost = say(data);
  });
  const int code = exit_code(ended.reply);
  const std::string words = in_words(*command.entry, ended.reply);
  if (!words.empty()) print_error("{}", words);
  if (code == kOk && !command.then.empty()) return hand_over(command, ended.descriptor);
  if (command.raw) return code != kOk ? code : lost != kOk ? lost : raw_end(*command.entry, ended.reply);
  Json json = ending(*command.entry, ended.reply);
  if (gives_output(*command.entry) && (code == kOk || !output.empty() || !error.empty())) {
    json.begin().value()["output"] = bytes(output);
    json.begin().value()["error"] = bytes(error);
  }
  return say(json.dump() + "\n", code);
}

std::string joined(const Words& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

int run(Words words) {
  if (words.empty()) return print_error("{}", overview()), kUsage;
  std::string name = words[0];
  words.erase(words.begin());
  if (name == "--help") return say(overview());
  if (name == "--list") return say(list());
  if (name == "--reference") return say(reference());
  const bool asks_for_help =
      std::find(words.begin(), std::ranges::find(words, "--"), "--help") != std::ranges::find(words, "--");
  if (name == "why") {
    name = "policy.why";
    if (!words.empty() && !asks_for_help) words = {"--", joined(words)};
  }
  const Entry* entry = find(name);
  if (!entry) {
    print_error("alos-call: there is no primitive {}; 'alos-call --list' says which there are\n", printable(name));
    return kUsage;
  }
  if (asks_for_help) return say(help(*entry));
  auto command = parse(*entry, words);
  return command ? carry_out(*std::move(command)) : wrong_usage(*entry, command.error());
}

}  // namespace
}  // namespace alos::call

#ifdef ALOS_ADDRESS_SANITIZER
// The leak checker traces the process, which no box lets anything do.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0";
}
#endif

int main(int argc, char** argv) {
  alos::call::open_closed_streams();
  google::protobuf::SetLogHandler(nullptr);  // what it says of a malformed frame is no message of ours
  return alos::call::run({argv + std::min(argc, 1), argv + argc});
}
