#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alos/broker.pb.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/decide.h"

namespace alos::broker {

// What a call ends with.
struct Answer {
  wire::Reply reply;
  UniqueFd descriptor;  // goes along with it
  // For the record alone.
  std::vector<std::pair<std::string, std::string>> details{};
};

// `partial`: part of the effect is there (ENOSPC in the middle of an append), or part of the content was sent.
Answer failed(const Error& error, bool partial = false);
Answer limited(std::string_view which, uint64_t value, std::string_view hint);
Answer unknown(std::string_view operation, std::string_view hint);
Answer denied(const policy::CompiledPolicy& policy, const policy::Decision& decision, const policy::Request& request);
// By the broker itself, for what no rule can give; `request` as it is shown.
Answer refused(std::string_view request, std::string_view reason, std::string_view remedy);

// So that it fits a frame: what a denial says of the request and the policy ends with how long it was. To be called
// when it is recorded, which is of the whole texts.
void cut_texts(wire::Reply& reply);

// "ok", "denied", "failed ENOENT", "limit ...": for the journal.
std::string outcome_of(const Answer& answer);
// Of the same record, what "ok" and "failed" do not say: how a command ended ("ok" says that it was carried out,
// whatever its code), and that what failed was done in part.
std::vector<std::pair<std::string, std::string>> details_of(const Answer& answer);

}  // namespace alos::broker
