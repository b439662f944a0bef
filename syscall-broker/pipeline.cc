#include "syscall-broker/pipeline.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "base/paths.h"
#include "base/sys.h"
#include "policy/way.h"

namespace alos::broker {

void Pipeline::add(wire::Request::CallCase call, std::unique_ptr<Primitive> primitive) {
  primitives_[call] = std::move(primitive);
}

void Pipeline::take(Agent& agent, std::shared_ptr<Channel> channel, Received received) {
  ++changes_;
  const uint64_t id = received.request.id();
  if (received.request.call_case() == wire::Request::kCancel) return cancel(*channel, received.request.cancel().call());
  auto& of_channel = running_[channel.get()];
  if (of_channel.contains(id)) {
    wire::Reply reply = failed({"frame", "id", EEXIST, "a call of this connection that is under way has it"}).reply;
    reply.set_id(id);
    return channel->reply(reply);
  }
  if (auto limit = admit(received.request, *channel)) {
    if (of_channel.empty()) running_.erase(channel.get());
    limit->reply.set_id(id);
    return channel->reply(limit->reply);
  }
  auto call = std::make_unique<Call>(*this, agent, std::move(channel), std::move(received));
  of_channel[id] = call.get();
  carry(std::move(call));
}

Job Pipeline::carry(std::unique_ptr<Call> call) {
  Answer answer = co_await this->answer(*call);
  record_denial(*call, answer);
  // A denial stands whether it can be recorded or not; waiting for the record keeps a flood of them at its pace.
  if (call->denial_ != 0) co_await Written{journal_, call->denial_};
  ++changes_;
  give_back(*call);
  if (const auto of_channel = running_.find(&call->channel()); of_channel != running_.end()) {
    of_channel->second.erase(call->id());
    if (of_channel->second.empty()) running_.erase(of_channel);
  }
  answer.reply.set_id(call->id());
  cut_texts(answer.reply);
  if (call->promised_) call->channel().descriptor_is_due();
  call->channel().reply(answer.reply, std::move(answer.descriptor));
}

namespace {

Answer unrecorded(const Error& error) {
  if (error.code == EDQUOT) return limited("audit", 0, "this run has used up what it may put into the audit log");
  return failed(error);
}

// What an answer says of where a link leads is taken out of it. That an error is about the one path or the other is not
// told either: whoever guesses where it leads would see that it is right.
void conceal(const Plan& plan, Answer& answer) {
  if (answer.reply.has_denied() && answer.reply.denied().layer() != "broker")
    answer.reply.mutable_denied()->set_remedy("a link that this agent may not stat leads on; the audit says where to");
  if (!answer.reply.has_failed()) return;
  const std::string& from = plan.demands.front().asked();
  const std::string& to = plan.demands.back().asked();
  answer.reply.mutable_failed()->set_object(from == to ? from : from + " -> " + to);
}

}  // namespace

// ---- the ten steps; the first two are the channel's ----

Task<Answer> Pipeline::answer(Call& call) {
  const PrimitiveRow& row = row_of(call.request().call_case());
  Primitive& primitive = *primitives_.at(row.call);
  if (primitive.prepares()) {
    Attempt<bool> prepared = co_await primitive.prepare(call);
    call.reached_ = {};  // by a search for a word; how this ends may be about another
    call.sought_ = {};
    if (!prepared) co_return std::move(prepared).error();
  }
  Attempt<Plan> plan = primitive.plan(call);
  if (!plan) co_return std::move(plan).error();
  call.rule_.clear();  // what was looked at before is not what it is allowed by
  call.ruled_ = false;
  for (const policy::Request& demand : plan->demands) {
    if (auto denial = decide(call, demand)) co_return std::move(*denial);
    call.ruled_ = call.recorded_;
  }
  // Looking leaves no trace, unless what is looked at is reached through the broker alone: then each use is recorded,
  // and what cannot be recorded is not answered.
  const bool effect = row.effect != EffectClass::observe;
  Answer out;
  Result<void> written;
  if (effect) {
    // A sleep's as well, which changes nothing: what is sent to the log has no other bound than who waits for it.
    call.intent_ = record(call, row, *plan, "", plan->details);
    written = co_await Written{journal_, call.intent_};
  }
  if (written) {
    call.plan_ = &*plan;
    Attempt<Answer> done = co_await primitive.carry_out(call, *plan);
    out = done ? std::move(*done) : std::move(done).error();
    auto denial = co_await denial_above(call, *plan, out);
    if (denial) out = std::move(*denial);
    const std::string outcome = outcome_of(out);
    if (call.intent_ != 0) {
      record_denial(call, out);
      // What happened cannot be taken back where it cannot be recorded; the intent stands for it.
      record(call, row, *plan, outcome, details_of(out));
    } else if (call.recorded_ || call.scripted_) {
      const uint64_t number = record(call, row, *plan, outcome, plan->details);
      written = co_await Written{journal_, number};
    }
  }
  // A denial stands, and is counted, whether it can be recorded or not.
  if (!written && !out.reply.has_denied()) co_return unrecorded(written.error());
  if (call.untold_) conceal(*plan, out);
  co_return out;
}

Task<Attempt<bool>> Pipeline::intend(Call& call) {
  if (call.intent_ != 0 || !(call.recorded_ || call.scripted_)) co_return true;
  const PrimitiveRow& row = row_of(call.request().call_case());
  call.intent_ = record(call, row, *call.plan_, "", call.plan_->details);
  const Result<void> written = co_await Written{journal_, call.intent_};
  if (written) co_return true;
  // Nothing is given out: there is no use of which the record would be the end.
  call.intent_ = 0;
  call.recorded_ = false;
  call.scripted_.reset();
  co_return std::unexpected(unrecorded(written.error()));
}

std::optional<Answer> Pipeline::decide(Call& call, const policy::Request& request) {
  const policy::Decision decision = policy::decide(call.agent().policy(), request);
  if (decision.effect == policy::Effect::allow) {
    const bool used = decision.rule && decision.rule->brokered && !call.ruled_;
    if (used) call.recorded_ = true;
    // That by which a link may be looked at says nothing of what it leads to.
    if (call.rule_.empty() || used) {
      call.rule_ = decision.rule_name();
      call.source_ = decision.source().text();
    }
    return std::nullopt;
  }
  return denied(call.agent().policy(), decision, request);
}

Task<std::optional<Answer>> Pipeline::denial_above(const Call& call, const Plan& plan, const Answer& out) {
  for (const policy::Request& demand : plan.demands) {
    if (demand.kind() != policy::Request::Kind::file) continue;
    const auto side = demand.asked() == plan.demands.front().asked() ? Call::Side::from : Call::Side::to;
    auto no = co_await call.covered(demand.right(), demand.asked(), side, out);
    if (no) co_return no;
  }
  co_return std::nullopt;
}

// Whoever denied it: awaited in this turn, as every record that is waited for. And only what the call ends by: a place
// of a search that is denied does not end the search.
void Pipeline::record_denial(Call& call, const Answer& answer) {
  if (!answer.reply.has_denied() || call.denial_ != 0) return;
  const wire::Denied& denied = answer.reply.denied();
  Journal::Entry entry;
  entry.action = row_of(call.request().call_case()).name;
  entry.target = denied.request();
  entry.decision = policy::Effect::deny;
  entry.rule = denied.rule();
  entry.source = denied.source();
  entry.reason = denied.reason();
  entry.layer = denied.layer();
  entry.parent = call.intent_;
  add_way(call, entry);
  call.denial_ = journal_.write(entry);
}

// From the first byte on, and not only once it is allowed: what is looked up, and a denial that waits for its record,
// hold memory and a client's turn as well.
std::optional<Answer> Pipeline::admit(const wire::Request& request, Channel& channel) {
  if (request.call_case() == wire::Request::kClockSleep) {
    if (sleeps_ >= kSleeps) return limited("sleeps under way", kSleeps, "wait for one of them");
    ++sleeps_;
    return std::nullopt;
  }
  if (channel.calls >= kCallsOfChannel)
    return limited("calls under way on a connection", kCallsOfChannel, "wait for one of them");
  // One for each connection in any case: those of others that read no answers keep none from going on. Calls of those
  // that ended count until they have.
  if (calls_ >= (channel.calls > 0 ? kCalls : kMostCalls))
    return limited("calls under way", kCalls, "wait for one of them");
  ++calls_;
  ++channel.calls;
  return std::nullopt;
}

void Pipeline::give_back(Call& call) {
  if (call.request().call_case() == wire::Request::kClockSleep) {
    --sleeps_;
    return;
  }
  --calls_;
  --call.channel().calls;
}

// What its paths led to, and by which links.
void Pipeline::add_way(const Call& call, Journal::Entry& entry) {
  constexpr std::array kReached{"reached", "to_reached"};
  for (size_t side = 0; side < kReached.size(); ++side)
    if (!call.reached_[side].empty()) entry.details.emplace_back(kReached[side], printable(call.reached_[side]));
  for (size_t i = 0; i < call.by_.size(); ++i)
    entry.details.emplace_back(i == 0 ? "by" : fmt::format("by{}", i + 1), call.by_[i]);
  if (call.went_by_ > call.by_.size())
    entry.details.emplace_back("by_more", std::to_string(call.went_by_ - call.by_.size()));
  if (!call.stopped_.empty()) entry.details.emplace_back("stopped", call.stopped_);
}

uint64_t Pipeline::record(const Call& call, const PrimitiveRow& row, const Plan& plan, std::string_view outcome,
                          const std::vector<std::pair<std::string, std::string>>& details) {
  const std::string target = plan.demands.empty() ? plan.target : plan.demands.front().shown();
  Journal::Entry entry;
  entry.action = row.name;
  entry.target = target;
  entry.outcome = outcome;
  entry.rule = call.rule_;
  entry.source = call.source_;
  entry.parent = call.intent_;
  for (const auto& [name, value] : details) entry.details.emplace_back(name, value);
  add_way(call, entry);
  if (call.scripted_) entry.details.emplace_back("scripted", fmt::format("[{}]", *call.scripted_));
  return journal_.write(entry);
}

void Pipeline::Written::await_suspend(std::coroutine_handle<> waiting) {
  journal.when_written(number, [this, waiting](Result<void> how) {
    result = std::move(how);
    waiting.resume();
  });
}

Pipeline::Unanswered Pipeline::unanswered() const {
  Unanswered out;
  for (const auto& [channel, calls] : running_) {
    out.calls += calls.size();
    out.clients.push_back(channel->client);
  }
  return out;
}

// ---- waiting for a client, and giving up ----

void Pipeline::may_write(Channel& channel) {
  std::vector<std::coroutine_handle<>> ready;
  std::erase_if(for_room_, [&](const auto& waiting) {
    if (waiting.first != &channel) return false;
    ready.push_back(waiting.second);
    return true;
  });
  for (const auto& one : ready) one.resume();
  if (const auto of_channel = running_.find(&channel); of_channel != running_.end())
    for (const auto& [id, call] : of_channel->second)
      if (call->has_room_) call->has_room_();
}

void Pipeline::cancel(Channel& channel, uint64_t id) {
  const auto of_channel = running_.find(&channel);
  if (of_channel == running_.end()) return;
  const auto found = of_channel->second.find(id);
  if (found == of_channel->second.end() || found->second->cancelled_) return;
  found->second->cancelled_ = true;
  if (const auto what = std::exchange(found->second->cancel_, {})) what();
}

void Pipeline::left(Channel& channel) {
  may_write(channel);
  const auto of_channel = running_.find(&channel);
  if (of_channel == running_.end()) return;
  std::vector<uint64_t> ids;
  for (const auto& [id, call] : of_channel->second) ids.push_back(id);
  for (const uint64_t id : ids) cancel(channel, id);
}

// ---- a call ----

Call::Call(Pipeline& pipeline, Agent& agent, std::shared_ptr<Channel> channel, Received received)
    : pipeline_(pipeline), agent_(agent), channel_(std::move(channel)), received_(std::move(received)) {}

Attempt<std::string_view> Call::content(const std::string& in_frame) {
  if (!received_.request.attached()) return std::string_view(in_frame);
  if (!in_frame.empty()) return give_up("frame", "content", EINVAL, "it is in the frame and attached");
  const auto st = sys::fstat(received_.content.get());
  if (!st) return give_up(st.error());
  const auto size = static_cast<uint64_t>(st->st_size);
  if (size > kMaxContent) return std::unexpected(limited("content", kMaxContent, "write it in parts, with fs.append"));
  if (size == 0) return std::string_view();
  // Reading a hole by a mapping makes a page of it, which is the reader's, and stays while the memfd does. Its seals
  // keep it from getting holes later.
  constexpr uint64_t kPage = 4096, kBlock = 512;
  if (static_cast<uint64_t>(st->st_blocks) * kBlock < (size + kPage - 1) / kPage * kPage)
    return give_up("content", "memfd", EINVAL, "it has holes: write every byte of it");
  void* const at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, received_.content.get(), 0);
  if (at == MAP_FAILED) return give_up("mmap", "content", errno);
  mapping_ = {at, [size](void* mapped) { ::munmap(mapped, size); }};
  return std::string_view(static_cast<const char*>(at), size);
}

Task<Attempt<bool>> Call::recorded() {
  return pipeline_.intend(*this);
}

Reactor& Call::reactor() const {
  return pipeline_.reactor();
}

std::optional<Answer> Call::denial(policy::Right right, std::string_view asked, std::string_view reached) {
  auto request = policy::Request::file(right, asked, reached);
  if (!request) return failed(request.error());
  return pipeline_.decide(*this, *request);
}

Task<std::optional<Answer>> Call::covered(policy::Right right, const std::string& asked, Side side,
                                          const Answer& failure) const {
  constexpr int kMost = 40;                             // of such directories in one another
  const wire::Failed& failed = failure.reply.failed();  // of another answer it has no code
  // EXDEV: what covers it is a mount.
  const bool refused = failed.code() == EACCES || failed.code() == EROFS || failed.code() == EXDEV;
  const auto view = agent_.view();
  if (!refused || failed.partial() || scripted_ || !sought_[static_cast<size_t>(side)] || !view) co_return std::nullopt;
  const std::string& led_to = reached_[static_cast<size_t>(side)];
  const std::string& path = led_to.empty() ? asked : led_to;
  const auto request = policy::Request::file(right, asked, path);
  auto above = policy::covered_on_way(agent_.policy(), right, path);
  for (int i = 0; i < kMost && above && request; ++i) {
    const auto at = co_await (*view)->place(View::Tree::box, above->directory, true);
    bool is_covered = false;
    if (at) is_covered = co_await (*view)->is_mount(*at);
    if (is_covered) co_return denied(agent_.policy(), above->decision, *request);
    above = policy::covered_on_way(agent_.policy(), right, above->directory);
  }
  co_return std::nullopt;
}

void Call::reaches(Side side, const std::string& asked, const std::string& path) {
  reached_[static_cast<size_t>(side)] = path == asked ? "" : path;
}

void Call::seeks(Side side) {
  reached_[static_cast<size_t>(side)].clear();
  sought_[static_cast<size_t>(side)] = true;
}

void Call::goes_by(const std::string& asked, const std::string& link, const std::string& rule) {
  constexpr size_t kNamed = 8;  // a record is not longer for a longer way
  const auto looked_at = policy::Request::file(policy::Right::stat, link);
  if (!looked_at || policy::decide(agent_.policy(), *looked_at).effect != policy::Effect::allow) untold_ = true;
  if (link == asked) return;  // the record is of that
  recorded_ = true;
  std::string named = fmt::format("{} ({})", printable(link), rule);
  if (std::ranges::find(by_, named) != by_.end()) return;
  if (++went_by_ <= kNamed) by_.push_back(std::move(named));
}

void Call::stops_at(const std::string& path, std::string_view why) {
  stopped_ = fmt::format("{} ({})", printable(path), why);
}

void Call::put(wire::Output output) {
  wire::Reply reply;
  reply.set_id(id());
  *reply.mutable_output() = std::move(output);
  channel_->reply(reply);
}

void Call::on_cancel(std::function<void()> what) {
  if (!cancelled_)
    cancel_ = std::move(what);
  else if (what)
    what();
}

bool Call::Room::await_ready() const {
  return !call.channel_->is_open() || call.channel_->backlog() < Channel::kEnough;
}

void Call::Room::await_suspend(std::coroutine_handle<> waiting) {
  call.pipeline_.for_room_.emplace_back(call.channel_.get(), waiting);
}

}  // namespace alos::broker
