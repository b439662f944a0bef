#include "base/paths.h"
#include "policy/remedy.h"
#include "policy/way.h"
#include "syscall-broker/primitive.h"
#include "syscall-broker/primitives/primitives.h"

namespace alos::broker {
namespace {

class PolicyWhy final : public Primitive {
 public:
  Attempt<Plan> plan(Call& call) override {
    auto request = policy::Request::parse(call.request().policy_why().request());
    if (!request) return std::unexpected(failed(request.error()));
    return Plan{.demands = {}, .target = request->shown()};
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan&) override {
    const auto request = policy::Request::parse(call.request().policy_why().request());
    policy::Decision decision = policy::decide(call.agent().policy(), *request);
    if (decision.effect == policy::Effect::allow && request->kind() == policy::Request::Kind::file &&
        decision.layer == policy::Layer::policy)
      if (auto above = policy::covered_on_way(call.agent().policy(), request->right(), request->reached()))
        decision = above->decision;
    Answer out;
    wire::PolicyWhy::Result& result = *out.reply.mutable_policy_why();
    result.set_request(request->shown());
    result.set_effect(std::string(name(decision.effect)));
    result.set_layer(std::string(name(decision.layer)));
    result.set_rule(std::string(decision.rule_name()));
    result.set_source(decision.source().text());
    result.set_reason(std::string(decision.reason()));
    if (decision.effect != policy::Effect::allow)
      result.set_remedy(policy::remedy(call.agent().policy(), *request, decision));
    else
      result.set_enforcer(decision.rule && !decision.rule->brokered ? "box" : "broker");
    co_return out;
  }
};

}  // namespace

void add_policy_primitives(Pipeline& pipeline) {
  pipeline.add(wire::Request::kPolicyWhy, std::make_unique<PolicyWhy>());
}

}  // namespace alos::broker
