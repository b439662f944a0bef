#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "syscall-broker/pipeline.h"
#include "syscall-broker/primitives/files.h"

namespace alos::broker {
namespace {

using policy::Right;

constexpr mode_t kPermissions = 0755;

// The name itself is worked on: of "." there is none.
Attempt<void> must_be_a_name(const View::Place& place, std::string_view operation) {
  if (place.name == ".") return give_up(operation, place.path, EBUSY, "it is the root");
  return {};
}

const policy::FileRule* takes_away_below(const Call& call, std::string_view directory) {
  const auto may_match = [&](const std::vector<policy::PathPattern>& patterns) {
    return std::ranges::any_of(patterns,
                               [&](const policy::PathPattern& one) { return one.pattern.may_match_below(directory); });
  };
  for (const policy::FileRule& rule : call.agent().policy().rules())
    if (may_match(rule.effect == policy::Effect::deny ? rule.paths : rule.except)) return &rule;
  return nullptr;
}

// What a rule takes away by name below a directory would have another name once that is renamed, and what may be made
// elsewhere would come to have such a name. In the agent's box such files are covered, and the cover stays; what is
// reached through the broker alone can come to be there after that was looked for.
Attempt<void> must_carry_no_denial(const Call& call, const Found& source, const Found& target) {
  if (!source.place.brokered || !S_ISDIR(source.st.st_mode)) return {};
  if (const policy::FileRule* rule = takes_away_below(call, source.place.path))
    return give_up("rename", source.place.path, EPERM,
                   "rule '" + rule->name + "' takes away what may lie in it, which would have another name then");
  if (const policy::FileRule* rule = takes_away_below(call, target.place.path))
    return give_up("rename", target.place.path, EPERM,
                   "rule '" + rule->name + "' takes away what may lie in it then; make the directory there instead");
  return {};
}

// Making is what a rename asks for at the new name.
constexpr policy::Rights kKept = policy::kAll - Right::create;

policy::Rights rights_by(const Call& call, const std::string& path) {
  policy::Rights out;
  for (uint16_t bit = 1; bit <= policy::kAll.bits(); bit = static_cast<uint16_t>(bit << 1)) {
    const auto request = policy::Request::file(static_cast<Right>(bit), path);
    if (request && policy::decide(call.agent().policy(), *request).effect == policy::Effect::allow)
      out = out | static_cast<Right>(bit);
  }
  return out;
}

std::unexpected<Answer> more_by(const policy::Rights more, const Found& source, const std::string& what) {
  return give_up("rename", source.place.path, EPERM,
                 "by its new name the policy gives " + more.text() + " to " + what + ", and by this one it does not");
}

// By no name may more be done with it than by the one that it has. Landlock holds the same of the places that rules
// are of (LANDLOCK_ACCESS_FS_REFER), but knows no patterns, and nothing of an exception that another rule's rights
// leave reachable.
Attempt<void> must_give_no_right(const Call& call, const Found& source, const Found& target) {
  if (!source.place.brokered) return {};
  const policy::Rights more = (rights_by(call, target.place.path) - rights_by(call, source.place.path)) & kKept;
  if (!more.empty()) return more_by(more, source, "it");
  if (!S_ISDIR(source.st.st_mode)) return {};
  const auto below = policy::Pattern::parse(policy::Pattern::escape(source.place.path) + "/**");
  if (!below) return std::unexpected(failed(below.error()));
  const auto is_of_all = [&](const policy::PathPattern& one) { return one.pattern.includes(*below); };
  policy::Rights has;  // all that lies in it
  for (const policy::FileRule& rule : call.agent().policy().rules())
    if (rule.effect == policy::Effect::allow && std::ranges::any_of(rule.paths, is_of_all)) has = has | rule.rights;
  const auto may_match = [&](const policy::PathPattern& one) { return one.pattern.may_match_below(target.place.path); };
  for (const policy::FileRule& rule : call.agent().policy().rules())
    if (const policy::Rights gained = (rule.rights - has) & kKept;
        rule.effect == policy::Effect::allow && !gained.empty() && std::ranges::any_of(rule.paths, may_match))
      return more_by(gained, source, "what lies in it");
  return {};
}

class FsMkdir final : public Primitive {
 public:
  Attempt<Plan> plan(Call& call) override {
    const wire::FsMkdir& wanted = call.request().fs_mkdir();
    auto path = path_argument(wanted.path());
    if (!path) return std::unexpected(std::move(path).error());
    if (wanted.permissions() > 0777) return give_up("mkdir", *path, EINVAL, "permissions are at most 0777");
    return demand(*path, {Right::create});
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::FsMkdir& wanted = call.request().fs_mkdir();
    const std::string& asked = planned.demands.front().asked();
    auto search = co_await find(call, asked, {.rights = Right::create, .absent = Right::create, .follow = false});
    ALOS_ATTEMPT(found, std::move(search));
    ALOS_ATTEMPT(named, must_be_a_name(found.place, "mkdir"));
    ALOS_ATTEMPT(view, call.agent().view());
    const int rc = co_await view->ring().mkdirat(view->who(), found.place.directory.get(), found.place.name.c_str(),
                                                 wanted.has_permissions() ? wanted.permissions() : kPermissions);
    if (rc != 0) co_return give_up(ring_error("mkdir", found.place.path, rc).error());
    Answer out;
    out.reply.mutable_fs_mkdir();
    co_return out;
  }
};

class FsRemove final : public Primitive {
 public:
  Attempt<Plan> plan(Call& call) override {
    auto path = path_argument(call.request().fs_remove().path());
    if (!path) return std::unexpected(std::move(path).error());
    return demand(*path, {Right::remove});
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::FsRemove& wanted = call.request().fs_remove();
    const std::string& asked = planned.demands.front().asked();
    auto search = co_await find(call, asked, {.rights = Right::remove, .absent = Right::remove, .follow = false});
    ALOS_ATTEMPT(found, std::move(search));
    ALOS_ATTEMPT(named, must_be_a_name(found.place, "remove"));
    if (!found.there()) co_return give_up("unlink", found.place.path, ENOENT, "");
    if (wanted.has_if_version() && version_of(found.st) != wanted.if_version())
      co_return give_up("version", found.place.path, ESTALE, "it is not the version that was named");
    ALOS_ATTEMPT(view, call.agent().view());
    const int rc = co_await view->ring().unlinkat(view->who(), found.place.directory.get(), found.place.name.c_str(),
                                                  wanted.directory() ? AT_REMOVEDIR : 0);
    if (rc != 0) co_return give_up(ring_error("unlink", found.place.path, rc).error());
    Answer out;
    out.reply.mutable_fs_remove();
    co_return out;
  }
};

class FsRename final : public Primitive {
 public:
  Attempt<Plan> plan(Call& call) override {
    const wire::FsRename& wanted = call.request().fs_rename();
    auto from = path_argument(wanted.from());
    if (!from) return std::unexpected(std::move(from).error());
    auto to = path_argument(wanted.to());
    if (!to) return std::unexpected(std::move(to).error());
    return both(demand(*from, {Right::rename}),
                wanted.replace() ? demand(*to, {Right::create, Right::write}) : demand(*to, {Right::create}));
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::FsRename& wanted = call.request().fs_rename();
    const std::string& from = planned.demands.front().asked();
    const std::string& to = planned.demands.back().asked();
    auto first = co_await find(call, from, {.rights = Right::rename, .absent = Right::rename, .follow = false});
    ALOS_ATTEMPT(source, std::move(first));
    ALOS_ATTEMPT(named, must_be_a_name(source.place, "rename"));
    if (!source.there()) co_return give_up("rename", source.place.path, ENOENT, "");
    const policy::Rights onto =
        wanted.replace() ? policy::Rights(Right::create) | Right::write : policy::Rights(Right::create);
    auto second = co_await find(call, to, {.rights = onto, .absent = onto, .follow = false, .side = Call::Side::to});
    ALOS_ATTEMPT(target, std::move(second));
    ALOS_ATTEMPT(to_name, must_be_a_name(target.place, "rename"));
    ALOS_ATTEMPT(carries, must_carry_no_denial(call, source, target));
    ALOS_ATTEMPT(gives, must_give_no_right(call, source, target));
    ALOS_ATTEMPT(view, call.agent().view());
    // What must_carry_no_denial() says of a directory is of its names, and holds for any that has come to be there.
    auto moved =
        co_await view->rename(S_ISDIR(source.st.st_mode) ? View::Moves::anything : View::Moves::file, source.place,
                              source.place.name, target.place, target.place.name, wanted.replace());
    if (!moved) co_return give_up(moved.error());
    Answer out;
    out.reply.mutable_fs_rename();
    co_return out;
  }
};

}  // namespace

void add_naming(Pipeline& pipeline) {
  pipeline.add(wire::Request::kFsMkdir, std::make_unique<FsMkdir>());
  pipeline.add(wire::Request::kFsRemove, std::make_unique<FsRemove>());
  pipeline.add(wire::Request::kFsRename, std::make_unique<FsRename>());
}

}  // namespace alos::broker
