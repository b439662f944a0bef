#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "syscall-broker/pipeline.h"
#include "syscall-broker/primitives/files.h"

namespace alos::broker {
namespace {

using policy::Right;

constexpr mode_t kPermissions = 0755;
constexpr policy::Rights kOfContent = policy::Rights(Right::read) | Right::write | Right::append;

// The name itself is worked on: of "." there is none.
Attempt<void> must_be_a_name(const View::Place& place, std::string_view operation) {
  if (place.name == ".") return give_up(operation, place.path, EBUSY, "it is the root");
  return {};
}

// A rule that takes something away by the name of a directory, of one above it, or of what may lie in it.
const policy::FileRule* takes_away_at(const Call& call, std::string_view directory) {
  const auto is_near = [&](const policy::PathPattern& one) {
    if (one.pattern.may_match_below(directory)) return true;
    for (std::string_view at = directory; !at.empty(); at = at.substr(0, at.rfind('/')))
      if (one.pattern.matches(at)) return true;
    return false;
  };
  for (const policy::FileRule& rule : call.agent().policy().rules())
    if (std::ranges::any_of(rule.effect == policy::Effect::deny ? rule.paths : rule.except, is_near)) return &rule;
  return nullptr;
}

// What allows give in a directory, by what is left of their patterns there.
std::map<std::string, policy::Rights> allowed_below(const Call& call, std::string_view directory) {
  std::map<std::string, policy::Rights> out;
  for (const policy::FileRule& rule : call.agent().policy().rules())
    if (rule.effect == policy::Effect::allow)
      for (const policy::PathPattern& path : rule.paths)
        for (const std::string& left : path.pattern.left_below(directory)) out[left] = out[left] | rule.rights;
  return out;
}

// Whatever lies in a directory has another name once that is renamed. In the agent's box what a rule takes away is
// covered, and the cover stays; what is reached through the broker alone can come to be there after that was looked
// for. So no directory gets a name by which the policy says anything else of what may be in it, be it less: what is
// under way in it was decided on by its old name.
Attempt<void> must_stay_what_it_is(const Call& call, const Found& source, const Found& target) {
  const std::string &from = source.place.path, &to = target.place.path;
  if (const policy::FileRule* rule = takes_away_at(call, from))
    return give_up("rename", from, EPERM,
                   "rule '" + rule->name + "' takes away what may lie in it, which would have another name then");
  if (const policy::FileRule* rule = takes_away_at(call, to))
    return give_up("rename", from, EPERM,
                   "rule '" + rule->name + "' takes away what may lie in it then; make the directory there instead");
  if (allowed_below(call, from) != allowed_below(call, to))
    return give_up("rename", from, EPERM,
                   "the policy allows other things in it by its new name; make the directory there instead");
  return {};
}

policy::Rights rights_by(const Call& call, const std::string& path) {
  policy::Rights out;
  for (uint16_t bit = 1; bit <= policy::kAll.bits(); bit = static_cast<uint16_t>(bit << 1)) {
    const auto request = policy::Request::file(static_cast<Right>(bit), path);
    if (request && policy::decide(call.agent().policy(), *request).effect == policy::Effect::allow)
      out = out | static_cast<Right>(bit);
  }
  return out;
}

// By no name may more be done with a file than by the one that it has, but making it, which is what a rename asks for.
// Landlock holds the same of the places that rules are of (LANDLOCK_ACCESS_FS_REFER), but knows no patterns, and
// nothing of an exception that another rule's rights leave reachable. Nor may less be done with what is in it: a call
// that has it open goes on by the old name's rights.
Attempt<void> must_have_the_same_rights(const Call& call, const Found& source, const Found& target) {
  const std::string& path = source.place.path;
  const policy::Rights before = rights_by(call, path), after = rights_by(call, target.place.path);
  if (const policy::Rights more = after - before - Right::create; !more.empty())
    return give_up("rename", path, EPERM,
                   "by its new name the policy gives " + more.text() + " to it, and by this one it does not");
  if (const policy::Rights less = (before - after) & kOfContent; !less.empty())
    return give_up("rename", path, EPERM,
                   "by its new name the policy does not give " + less.text() +
                       " to it, and who has it open by this one would go on; copy it instead");
  return {};
}

// Of two names of one file the kernel leaves both, and says that it has renamed it (rename(2)).
Attempt<void> must_be_two_files(const Found& source, const Found& target) {
  const bool is_one = target.there() && source.st.st_dev == target.st.st_dev && source.st.st_ino == target.st.st_ino;
  if (!is_one || source.place.path == target.place.path) return {};
  return give_up("rename", source.place.path, EMLINK, "both are names of one file; remove one of them");
}

Attempt<void> must_fit_its_name(const Call& call, const Found& source, const Found& target) {
  if (!source.place.brokered) return {};
  return S_ISDIR(source.st.st_mode) ? must_stay_what_it_is(call, source, target)
                                    : must_have_the_same_rights(call, source, target);
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
  explicit FsRemove(ChangeLock& changes) : changes_(changes) {}

  Attempt<Plan> plan(Call& call) override {
    auto path = path_argument(call.request().fs_remove().path());
    if (!path) return std::unexpected(std::move(path).error());
    return demand(*path, {Right::remove});
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::FsRemove& wanted = call.request().fs_remove();
    const std::string& asked = planned.demands.front().asked();
    const auto held = co_await changes_.take(ChangeLock::alone_if(wanted.has_if_version()));
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

 private:
  ChangeLock& changes_;
};

class FsRename final : public Primitive {
 public:
  explicit FsRename(ChangeLock& changes) : changes_(changes) {}

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
    // With `replace`, what goes is told from what takes its place.
    const auto held = co_await changes_.take(ChangeLock::alone_if(wanted.replace()));
    auto first = co_await find(call, from, {.rights = Right::rename, .absent = Right::rename, .follow = false});
    ALOS_ATTEMPT(source, std::move(first));
    ALOS_ATTEMPT(named, must_be_a_name(source.place, "rename"));
    if (!source.there()) co_return give_up("rename", source.place.path, ENOENT, "");
    const policy::Rights onto =
        wanted.replace() ? policy::Rights(Right::create) | Right::write : policy::Rights(Right::create);
    auto second = co_await find(call, to, {.rights = onto, .absent = onto, .follow = false, .side = Call::Side::to});
    ALOS_ATTEMPT(target, std::move(second));
    ALOS_ATTEMPT(to_name, must_be_a_name(target.place, "rename"));
    if (wanted.replace()) {
      ALOS_ATTEMPT(differ, must_be_two_files(source, target));
    }
    ALOS_ATTEMPT(suits, must_fit_its_name(call, source, target));
    ALOS_ATTEMPT(view, call.agent().view());
    // What must_fit_its_name() says of a directory is of its names, and holds for any that has come to be there.
    auto moved =
        co_await view->rename(S_ISDIR(source.st.st_mode) ? View::Moves::anything : View::Moves::file, source.place,
                              source.place.name, target.place, target.place.name, wanted.replace());
    if (!moved) co_return give_up(moved.error());
    Answer out;
    out.reply.mutable_fs_rename();
    co_return out;
  }

 private:
  ChangeLock& changes_;
};

}  // namespace

void add_naming(Pipeline& pipeline, ChangeLock& changes) {
  pipeline.add(wire::Request::kFsMkdir, std::make_unique<FsMkdir>());
  pipeline.add(wire::Request::kFsRemove, std::make_unique<FsRemove>(changes));
  pipeline.add(wire::Request::kFsRename, std::make_unique<FsRename>(changes));
}

}  // namespace alos::broker
