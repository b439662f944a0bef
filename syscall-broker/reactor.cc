#include "syscall-broker/reactor.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <utility>

#include "base/clock.h"
#include "base/let_go.h"
#include "base/passed_fds.h"
#include "syscall-broker/frame.h"

namespace alos::broker {
namespace {

constexpr unsigned kEntries = 256;
constexpr uint16_t kGroup = 0;
// Descriptors of the broker's own: connections, and of 576 calls files and pipes, some four of each.
constexpr uint64_t kOwnDescriptors = 2560;

// Every frame that is received may bring as many descriptors as a message can have. What there is no room for the
// kernel closes, in the thread that receives, and waits where let_go() does not.
unsigned frames_at_once() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  const uint64_t left = limit.rlim_cur - std::min<uint64_t>(limit.rlim_cur, kOwnDescriptors);
  return static_cast<unsigned>(std::clamp<uint64_t>(left / kMostPassedFds, 1, Reactor::kBuffers));
}

// Of a cancellation itself nothing is told.
class Nobody final : public Completion {
 public:
  void completed(int, unsigned) override {}
};
Nobody nobody;

Result<void> restrict(io_uring& ring) {
  constexpr std::array kOperations{IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_ACCEPT, IORING_OP_RECVMSG,
                                   IORING_OP_SENDMSG,  IORING_OP_READ,         IORING_OP_WRITE};
  std::array<io_uring_restriction, kOperations.size() + 1> list{};
  for (size_t i = 0; i < kOperations.size(); ++i) {
    list[i].opcode = IORING_RESTRICTION_SQE_OP;
    list[i].sqe_op = static_cast<uint8_t>(kOperations[i]);
  }
  // Without this entry every flag is refused.
  list.back().opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
  list.back().sqe_flags = IOSQE_BUFFER_SELECT;
  if (const int rc = ::io_uring_register_restrictions(&ring, list.data(), list.size()); rc != 0)
    return fail("io_uring_register", "restrictions of the control ring", -rc);
  if (const int rc = ::io_uring_enable_rings(&ring); rc != 0)
    return fail("io_uring_register", "enabling the control ring", -rc);
  return {};
}

}  // namespace

Result<std::unique_ptr<Reactor>> Reactor::create(FileRing files) {
  std::unique_ptr<Reactor> out(new Reactor(std::move(files)));
  TRY(out->set_up());
  return out;
}

Result<void> Reactor::set_up() {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED;
  if (const int rc = ::io_uring_queue_init_params(kEntries, &ring_, &params); rc != 0)
    return fail("io_uring_setup", "control ring", -rc,
                "it needs kernel 6.1, and io_uring permitted; see 'alos doctor'");
  made_ = true;
  // Untouched pages of it cost nothing: an idle run has none.
  memory_ = std::make_unique_for_overwrite<char[]>(kBuffers * kMaxFrame);
  void* ring_memory = nullptr;
  if (::posix_memalign(&ring_memory, 4096, 4096) != 0) return fail("posix_memalign", "buffers", ENOMEM);
  buffers_ = static_cast<io_uring_buf_ring*>(ring_memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(buffers_);
  registration.ring_entries = kBuffers;
  registration.bgid = kGroup;
  if (const int rc = ::io_uring_register_buf_ring(&ring_, &registration, 0); rc != 0)
    return fail("io_uring_register", "buffers", -rc);
  ::io_uring_buf_ring_init(buffers_);
  const unsigned frames = frames_at_once();
  for (unsigned i = 0; i < frames; ++i)
    ::io_uring_buf_ring_add(buffers_, memory_.get() + i * kMaxFrame, kMaxFrame, static_cast<uint16_t>(i),
                            ::io_uring_buf_ring_mask(kBuffers), static_cast<int>(i));
  ::io_uring_buf_ring_advance(buffers_, static_cast<int>(frames));
  return restrict(ring_);
}

Reactor::~Reactor() {
  alos::let_go(std::move(leaving_));
  if (!made_) return;
  ::io_uring_queue_exit(&ring_);  // ends what is under way; nobody is told any more
  std::free(buffers_);
  for (Watch* watch : watched_) delete watch;
}

io_uring_sqe* Reactor::entry() {
  io_uring_sqe* out = ::io_uring_get_sqe(&ring_);
  while (!out) {
    (void)::io_uring_submit(&ring_);
    out = ::io_uring_get_sqe(&ring_);
  }
  return out;
}

void Reactor::accept(int listener, Completion& to) {
  io_uring_sqe* out = entry();
  ::io_uring_prep_multishot_accept(out, listener, nullptr, nullptr, SOCK_CLOEXEC);
  ::io_uring_sqe_set_data(out, &to);
}

void Reactor::receive(int socket, msghdr& header, Completion& to) {
  io_uring_sqe* out = entry();
  ::io_uring_prep_recvmsg(out, socket, &header, MSG_CMSG_CLOEXEC);
  ::io_uring_sqe_set_flags(out, IOSQE_BUFFER_SELECT);
  out->buf_group = kGroup;
  ::io_uring_sqe_set_data(out, &to);
}

void Reactor::send(int socket, const msghdr& header, Completion& to) {
  io_uring_sqe* out = entry();
  ::io_uring_prep_sendmsg(out, socket, &header, MSG_NOSIGNAL);
  ::io_uring_sqe_set_data(out, &to);
}

void Reactor::read(int fd, std::span<char> into, Completion& to) {
  io_uring_sqe* out = entry();
  ::io_uring_prep_read(out, fd, into.data(), static_cast<unsigned>(into.size()), static_cast<uint64_t>(-1));
  ::io_uring_sqe_set_data(out, &to);
}

void Reactor::write(int fd, std::string_view from, Completion& to) {
  io_uring_sqe* out = entry();
  ::io_uring_prep_write(out, fd, from.data(), static_cast<unsigned>(from.size()), static_cast<uint64_t>(-1));
  ::io_uring_sqe_set_data(out, &to);
}

void Reactor::watch(int fd, short events, Completion& to) {
  io_uring_sqe* out = entry();
  ::io_uring_prep_poll_add(out, fd, static_cast<unsigned>(events));
  ::io_uring_sqe_set_data(out, &to);
}

void Reactor::cancel(Completion& what) {
  io_uring_sqe* out = entry();
  ::io_uring_prep_cancel(out, &what, IORING_ASYNC_CANCEL_ALL);
  ::io_uring_sqe_set_data(out, &nobody);
}

std::string_view Reactor::buffer(unsigned flags, size_t size) const {
  return {memory_.get() + (flags >> IORING_CQE_BUFFER_SHIFT) * kMaxFrame, size};
}

void Reactor::release(unsigned flags) {
  if (!has_buffer(flags)) return;
  const unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
  ::io_uring_buf_ring_add(buffers_, memory_.get() + id * kMaxFrame, kMaxFrame, static_cast<uint16_t>(id),
                          ::io_uring_buf_ring_mask(kBuffers), 0);
  ::io_uring_buf_ring_advance(buffers_, 1);
}

void Reactor::let_go(std::vector<UniqueFd> fds) {
  if (fds.empty()) return;
  if (leaving_.empty()) at_end_of_turn([this] { alos::let_go(std::exchange(leaving_, {})); });
  std::ranges::move(fds, std::back_inserter(leaving_));
}

void Reactor::let_go(UniqueFd fd) {
  std::vector<UniqueFd> one;
  one.push_back(std::move(fd));
  let_go(std::move(one));
}

// ---- what others wait for ----

void Reactor::Watch::completed(int result, unsigned) {
  armed = false;
  ready = result > 0 ? static_cast<short>(result) : result == -ECANCELED ? short{0} : static_cast<short>(POLLERR);
  if (!forgotten) return;
  --*forgotten;
  delete this;
}

void Reactor::forget(Watch*& watch) {
  if (watch->armed) {
    watch->forgotten = &forgotten_;
    ++forgotten_;
    cancel(*watch);
  } else {
    delete watch;
  }
  watch = nullptr;
}

void Reactor::arm(std::span<pollfd> others) {
  watched_.resize(std::max(watched_.size(), others.size()));
  for (size_t i = 0; i < watched_.size(); ++i) {
    const pollfd wanted = i < others.size() ? others[i] : pollfd{.fd = -1, .events = 0, .revents = 0};
    Watch*& now = watched_[i];
    if (now && (now->fd != wanted.fd || now->events != wanted.events)) forget(now);
    if (wanted.fd < 0) continue;
    if (!now) {
      now = new Watch;
      now->fd = wanted.fd;
      now->events = wanted.events;
    }
    if (now->armed) continue;
    now->armed = true;
    now->ready = 0;
    watch(now->fd, now->events, *now);
  }
}

bool Reactor::report(std::span<pollfd> others) {
  bool any = false;
  for (size_t i = 0; i < others.size(); ++i) {
    others[i].revents = watched_[i] ? watched_[i]->ready : short{0};
    any = any || others[i].revents != 0;
  }
  return any;
}

void Reactor::stop_watching() {
  arm({});
  (void)::io_uring_submit_and_get_events(&ring_);
  drain();
  // Of much that ends at a time the kernel tells a part in one call.
  while (forgotten_ > 0) {
    const int rc = ::io_uring_submit_and_wait(&ring_, 1);
    if (rc < 0 && rc != -EINTR) return;
    drain();
  }
}

// ---- the loop ----

bool Reactor::drain() {
  bool any = false;
  io_uring_cqe* answer = nullptr;
  while (::io_uring_peek_cqe(&ring_, &answer) == 0) {
    auto* to = static_cast<Completion*>(::io_uring_cqe_get_data(answer));
    const int result = answer->res;
    const unsigned flags = answer->flags;
    ::io_uring_cqe_seen(&ring_, answer);
    any = true;
    to->completed(result, flags);
  }
  return any;
}

// False when the kernel took less than there is, and it is to be tried again soon.
bool Reactor::turn(const Time& time) {
  bool taken = true;
  for (bool more = true; more;) {
    more = drain();
    timers_.run(time.now_ns());
    if (real_timers_.size() > 0) real_timers_.run(boot_ns());
    taken = files_.run();
    for (std::vector<std::function<void()>> last; !at_end_.empty(); last.clear()) {
      last.swap(at_end_);
      for (const auto& what : last) what();
      taken = files_.run() && taken;
      more = true;
    }
  }
  return taken;
}

void Reactor::sleep(const Time& time, std::optional<int64_t> until_ns, bool soon) {
  if (!files_ready_.armed && files_.outstanding() > 0) {
    files_ready_.armed = true;
    watch(files_.fd(), POLLIN, files_ready_);
  }
  std::optional<int64_t> length;
  const auto at_most = [&](int64_t ns) { length = std::max<int64_t>(0, length ? std::min(*length, ns) : ns); };
  if (until_ns) at_most(*until_ns - boot_ns());
  if (const auto next = timers_.next_ns(); next && time.real) at_most(*next - time.now_ns());
  if (const auto next = real_timers_.next_ns()) at_most(*next - boot_ns());
  if (soon) at_most(1'000'000);
  io_uring_cqe* answer = nullptr;
  __kernel_timespec timeout{.tv_sec = length.value_or(0) / 1'000'000'000,
                            .tv_nsec = length.value_or(0) % 1'000'000'000};
  (void)::io_uring_submit_and_wait_timeout(&ring_, &answer, 1, length ? &timeout : nullptr, nullptr);
}

void Reactor::wait(std::span<pollfd> others, const Time& time, std::optional<int64_t> until_ns) {
  arm(others);
  for (;;) {
    const bool taken = turn(time);
    if (report(others) || (until_ns && boot_ns() >= *until_ns)) return;
    if (time.rests && taken) {
      (void)::io_uring_submit(&ring_);  // answers are on their way before it is said that nothing is
      time.rests();
    }
    sleep(time, until_ns, !taken);
  }
}

}  // namespace alos::broker
