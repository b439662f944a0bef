// What a broker sends to the client library: frames, with and without descriptors. Whatever it is, every call in flight
// ends, one that changes files and got no answer ends as unknown, and no descriptor is left open.
//
// The input: for each frame what goes along (bit 0: a sealed memfd, bit 1: one that is not), the size in two bytes, low
// byte first, and the bytes.

#include <fcntl.h>
#include <google/protobuf/stubs/logging.h>
#include <sys/socket.h>

#include <memory>

#include "base/sys.h"
#include "fuzz.h"
#include "shim/client/client.h"

namespace {

using namespace alos;
using namespace alos::client;

constexpr uint64_t kWrite = 2;  // the second call

template <class Call>
Pending<Call> start(const std::shared_ptr<Connection>& connection) {
  wire::Request request;
  (void)CallTraits<Call>::of(request);
  return {connection, connection->send(Pending<Call>::kAbout, request)};
}

// Sends the frames of the input, as many as the other side's buffer takes. Whether one of them answers the write.
bool send_all(int socket, std::string_view text) {
  const auto sealed = sys::memfd("content", "what it is", true), open = sys::memfd("content", "what it is", false);
  bool answered = false;
  while (text.size() >= 3) {
    const int with = text[0] & 1 ? sealed->get() : text[0] & 2 ? open->get() : -1;
    const size_t size = static_cast<unsigned char>(text[1]) + (static_cast<unsigned char>(text[2]) << 8U);
    const std::string frame(text.substr(3, size));
    text.remove_prefix(std::min(text.size(), 3 + size));
    wire::Reply reply;
    answered |= reply.ParseFromString(frame) && reply.id() == kWrite;
    if (!client::send(socket, frame, with)) break;
  }
  return answered;
}

int next_descriptor() {
  return UniqueFd(::fcntl(0, F_DUPFD_CLOEXEC, 3)).get();
}

void check(std::string_view text) {
  int ends[2];
  fuzz::must(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0, "there are sockets");
  UniqueFd broker(ends[1]);
  const auto connection = std::make_shared<Connection>(UniqueFd(ends[0]), "fuzz");
  auto read = start<wire::FsRead>(connection);
  auto write = start<wire::FsWrite>(connection);
  auto run = start<wire::ShellRun>(connection);
  auto opened = start<wire::FsOpen>(connection);
  {
    auto dropped = start<wire::ShellRun>(connection);
  }
  const bool answered = send_all(broker.get(), text);
  broker.reset();

  auto file = opened.wait();
  fuzz::must(!file || file->descriptor, "an opened file is there");
  fuzz::must(answered || write.wait().unknown(), "a write without an answer is unknown");
  (void)run.wait();
  (void)read.wait();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);  // it says on stderr what is no UTF-8
  const int before = next_descriptor();
  check(alos::fuzz::text_of(data, size));
  alos::fuzz::must(next_descriptor() == before, "no descriptor is left open");
  return 0;
}
