#include <unistd.h>

#include "syscall-broker/pipeline.h"
#include "syscall-broker/primitives/files.h"

namespace alos::broker {
namespace {

using policy::Right;

constexpr mode_t kPermissions = 0644;

std::unexpected<Answer> conflict(std::string_view path) {
  return give_up("version", path, ESTALE, "it is not the version that was named; read it again");
}

// What a mode of writing asks of the policy: making and changing are two rights.
std::initializer_list<Right> rights_of(wire::WriteMode mode) {
  static constexpr std::initializer_list<Right> kBoth{Right::write, Right::create}, kMake{Right::create},
      kChange{Right::write};
  return mode == wire::CREATE ? kMake : mode == wire::REPLACE ? kChange : kBoth;
}

// Where nothing is.
Right absent_of(wire::WriteMode mode) {
  return mode == wire::REPLACE ? Right::write : Right::create;
}

Attempt<void> must_suit(const Found& found, wire::WriteMode mode) {
  const std::string& path = found.place.path;
  if (found.there() && mode == wire::CREATE) return give_up("open", path, EEXIST, "");
  if (!found.there() && mode == wire::REPLACE) return give_up("open", path, ENOENT, "");
  if (found.there()) return must_be_content(found, Names::any);
  if (found.place.name == ".") return give_up("open", path, EISDIR, "");
  return {};
}

// Where nothing was and something has come since, it is looked at again, and decided on as what it is; but not for
// ever.
constexpr int kLooks = 16;
bool has_come(const Answer& answer, const Found& found, wire::WriteMode mode) {
  return !found.there() && mode != wire::CREATE && answer.reply.has_failed() && answer.reply.failed().code() == EEXIST;
}

// The version is of what this call has written, and of nothing where that cannot be told from what another wrote: who
// compares with it later would take the other's for its own, and write over it.
struct Written {
  Written(const ChangeLock::Writing& writing, const struct stat& st, bool is_new)
      : version(writing.is_alone() ? version_of(st) : ""), size(static_cast<uint64_t>(st.st_size)), created(is_new) {}
  template <class Result>
  void tell(Result& result) const {
    result.set_version(version);
    result.set_size(size);
    result.set_created(created);
  }
  std::string version;
  uint64_t size;
  bool created;
};

// That what is to be replaced is there still, and has the version.
Task<Attempt<bool>> must_be_as_found(const View& view, const Found& found, const std::string* if_version) {
  const std::string& path = found.place.path;
  auto now = co_await view.open(found.place, O_PATH);
  if (!now && now.error().code == ENOENT && if_version != nullptr) co_return conflict(path);
  ALOS_ATTEMPT(node, std::move(now));
  ALOS_ATTEMPT(st, look(node, path));
  if (if_version != nullptr && version_of(st) != *if_version) co_return conflict(path);
  co_return true;
}

// Nothing of what primitives change comes between the look and the rename. What was not there is made only where
// nothing has come since; what was there may be replaced by another's.
Task<Attempt<Written>> settle(ChangeLock& changes, const View& view, const Fresh& fresh, const Found& found,
                              wire::WriteMode mode, const std::string* if_version) {
  const bool compares = if_version != nullptr || mode == wire::REPLACE;
  const auto held = co_await changes.take(ChangeLock::alone_if(compares));
  if (compares) {
    auto same = co_await must_be_as_found(view, found, if_version);
    if (!same) {
      auto left = co_await throw_away(view, fresh, found.place, std::move(same).error());
      co_return std::unexpected(std::move(left));
    }
  }
  auto whole = look(fresh.fd, found.place.path);
  if (!whole) {
    auto left = co_await throw_away(view, fresh, found.place, std::move(whole).error());
    co_return std::unexpected(std::move(left));
  }
  const ChangeLock::Writing writing(changes, *whole);  // by its new name others may write it at once
  auto placed = co_await put_in_place(view, fresh, found.place, found.there() && mode != wire::CREATE);
  ALOS_ATTEMPT(done, std::move(placed));
  ALOS_ATTEMPT(st, look(fresh.fd, found.place.path));
  co_return Written(writing, st, !found.there());
}

// Whole, under another name first: whoever reads the file sees the old or the new content, and a failure leaves the
// old. `fill` puts the content in.
template <class Fill>
Task<Attempt<Written>> replace(Call& call, ChangeLock& changes, const Found& found, wire::WriteMode mode,
                               mode_t permissions, const std::string* if_version, bool sync, Fill fill) {
  ALOS_ATTEMPT(view, call.agent().view());
  auto made = co_await make_beside(*view, found.place, permissions);
  ALOS_ATTEMPT(fresh, std::move(made));
  Attempt<uint64_t> filled = co_await fill(fresh.fd);
  if (filled && sync) {
    auto synced = co_await sync_to_disk(call, fresh.fd, found.place.path, false);
    if (!synced) filled = std::unexpected(std::move(synced).error());
  }
  if (!filled) {
    // Of a file that nobody has seen, and that is taken away again.
    if (filled.error().reply.has_failed()) filled.error().reply.mutable_failed()->set_partial(false);
    auto left = co_await throw_away(*view, fresh, found.place, std::move(filled).error());
    co_return std::unexpected(std::move(left));
  }
  auto settled = co_await settle(changes, *view, fresh, found, mode, if_version);
  ALOS_ATTEMPT(written, std::move(settled));
  if (sync) {
    auto named = co_await sync_name(call, *view, found.place, fresh.fd);
    ALOS_ATTEMPT(on_disk, std::move(named));
  }
  co_return written;
}

class FsWrite final : public Primitive {
 public:
  FsWrite(Worker& worker, ChangeLock& changes) : worker_(worker), changes_(changes) {}

  Attempt<Plan> plan(Call& call) override {
    const wire::FsWrite& wanted = call.request().fs_write();
    auto path = path_argument(wanted.path());
    if (!path) return std::unexpected(std::move(path).error());
    if (!wire::WriteMode_IsValid(wanted.mode())) return give_up("write", *path, EINVAL, "no such mode");
    if (wanted.permissions() > 0777) return give_up("write", *path, EINVAL, "permissions are at most 0777");
    if (auto content = call.content(wanted.content()); !content) return std::unexpected(std::move(content).error());
    return demand(*path, rights_of(wanted.mode()));
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::FsWrite& wanted = call.request().fs_write();
    const std::string& asked = planned.demands.front().asked();
    ALOS_ATTEMPT(content, call.content(wanted.content()));
    for (int looks = 1;; ++looks) {
      auto search = co_await find(call, asked, {.rights = Right::write, .absent = absent_of(wanted.mode())});
      ALOS_ATTEMPT(found, std::move(search));
      ALOS_ATTEMPT(suits, must_suit(found, wanted.mode()));
      if (wanted.has_if_version() && (!found.there() || version_of(found.st) != wanted.if_version()))
        co_return conflict(found.place.path);
      auto work = wanted.in_place() && found.there() ? in_place(call, found, content, wanted)
                                                     : whole(call, found, content, wanted);
      auto done = co_await std::move(work);
      if (!done && looks < kLooks && has_come(done.error(), found, wanted.mode())) continue;
      ALOS_ATTEMPT(written, std::move(done));
      Answer out;
      written.tell(*out.reply.mutable_fs_write());
      co_return out;
    }
  }

 private:
  Task<Attempt<Written>> whole(Call& call, const Found& found, std::string_view content, const wire::FsWrite& wanted) {
    const mode_t permissions = wanted.has_permissions() ? wanted.permissions()
                               : found.there()          ? found.st.st_mode & 0777
                                                        : kPermissions;
    const std::string* const if_version = wanted.has_if_version() ? &wanted.if_version() : nullptr;
    auto fill = [&](const UniqueFd& fd) { return write_all(call, fd, content, 0, found.place.path); };
    auto done = co_await replace(call, changes_, found, wanted.mode(), permissions, if_version, wanted.sync(), fill);
    co_return done;
  }

  Task<Attempt<Written>> in_place(Call& call, const Found& found, std::string_view content,
                                  const wire::FsWrite& wanted) {
    ALOS_ATTEMPT(view, call.agent().view());
    auto done = co_await write_there(call, *view, found, content, wanted);
    ALOS_ATTEMPT(written, std::move(done));
    if (wanted.sync()) {
      auto synced = co_await sync_to_disk(call, written.first, found.place.path, true);
      ALOS_ATTEMPT(on_disk, std::move(synced));
    }
    co_return std::move(written.second);
  }

  Task<Attempt<std::pair<UniqueFd, Written>>> write_there(Call& call, const View& view, const Found& found,
                                                          std::string_view content, const wire::FsWrite& wanted) {
    const auto held = co_await changes_.take(ChangeLock::alone_if(wanted.has_if_version()));
    Found open;
    auto opened = co_await view.open(found.place, O_WRONLY);
    ALOS_ATTEMPT(fd, std::move(opened));
    open.place.path = found.place.path;
    open.place.brokered = found.place.brokered;
    open.node = std::move(fd);
    ALOS_ATTEMPT(st, look(open.node, open.place.path));
    open.st = st;
    ALOS_ATTEMPT(content_file, must_be_content(open, Names::one));
    // Of the file that is written: another may have got the name since.
    if (wanted.has_if_version() && version_of(open.st) != wanted.if_version()) co_return conflict(open.place.path);
    const ChangeLock::Writing writing(changes_, st);
    auto done = co_await write_all(call, open.node, content, 0, open.place.path);
    ALOS_ATTEMPT(size, std::move(done));
    if (static_cast<uint64_t>(st.st_size) > size) {
      int error = 0;
      const int none = co_await worker_.run(
          [&] { error = ::ftruncate(open.node.get(), static_cast<off_t>(size)) == 0 ? 0 : errno; });
      if (none != 0) co_return no_thread(open.place.path, none, size > 0);
      if (error != 0) co_return give_up("ftruncate", open.place.path, error, "", size > 0);
    }
    ALOS_ATTEMPT(now, look(open.node, open.place.path));
    co_return std::pair(std::move(open.node), Written(writing, now, false));
  }

  Worker& worker_;
  ChangeLock& changes_;
};

class FsAppend final : public Primitive {
 public:
  explicit FsAppend(ChangeLock& changes) : changes_(changes) {}

  Attempt<Plan> plan(Call& call) override {
    const wire::FsAppend& wanted = call.request().fs_append();
    auto path = path_argument(wanted.path());
    if (!path) return std::unexpected(std::move(path).error());
    if (auto content = call.content(wanted.content()); !content) return std::unexpected(std::move(content).error());
    if (wanted.create()) return demand(*path, {Right::append, Right::create});
    return demand(*path, {Right::append});
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    ALOS_ATTEMPT(content, call.content(call.request().fs_append().content()));
    Found found;
    bool made_here = false;
    auto added = co_await add(call, planned.demands.front().asked(), content, found, made_here);
    if (added && call.request().fs_append().sync()) {
      auto synced = co_await sync(call, found, made_here);
      if (!synced) added = std::unexpected(std::move(synced).error());
    }
    if (!added && made_here && added.error().reply.has_failed())
      added.error().reply.mutable_failed()->set_partial(true);  // the file is there
    co_return added;
  }

 private:
  Task<Attempt<Answer>> add(Call& call, const std::string& asked, std::string_view content, Found& found,
                            bool& made_here) {
    const wire::FsAppend& wanted = call.request().fs_append();
    const auto held = co_await changes_.take(ChangeLock::alone_if(wanted.has_if_version()));
    auto opened = co_await open(call, asked, found, made_here);
    ALOS_ATTEMPT(ready, std::move(opened));
    ALOS_ATTEMPT(suits, must_be_content(found, Names::one));
    if (wanted.has_if_version() && version_of(found.st) != wanted.if_version()) co_return conflict(found.place.path);
    const ChangeLock::Writing writing(changes_, found.st);
    auto done = co_await write_all(call, found.node, content, -1, found.place.path);
    ALOS_ATTEMPT(written, std::move(done));
    ALOS_ATTEMPT(now, look(found.node, found.place.path));
    const Written all(writing, now, made_here);
    Answer out;
    out.reply.mutable_fs_append()->set_version(all.version);
    out.reply.mutable_fs_append()->set_size(all.size);
    co_return out;
  }

  // What is there, or a new file; or what `found` says is not there.
  static Task<Attempt<bool>> open(Call& call, const std::string& asked, Found& found, bool& made_here) {
    const wire::FsAppend& wanted = call.request().fs_append();
    const Right absent = wanted.create() ? Right::create : Right::append;
    for (int looks = 1;; ++looks) {
      auto search = co_await find(
          call, asked, {.rights = Right::append, .absent = absent, .beside = false, .open = O_WRONLY | O_APPEND});
      ALOS_ATTEMPT(at, std::move(search));
      found = std::move(at);
      if (found.there() || !wanted.create() || found.place.name == ".") co_return true;
      if (wanted.has_if_version()) co_return conflict(found.place.path);
      ALOS_ATTEMPT(view, call.agent().view());
      auto made = co_await view->create(found.place, found.place.name, O_WRONLY | O_APPEND, kPermissions);
      if (!made && made.error().code == EEXIST && looks < kLooks) continue;
      ALOS_ATTEMPT(node, std::move(made));
      found.node = std::move(node);
      made_here = true;
      ALOS_ATTEMPT(st, look(found.node, found.place.path));
      found.st = st;
      co_return true;
    }
  }

  static Task<Attempt<bool>> sync(Call& call, const Found& found, bool made_here) {
    auto synced = co_await sync_to_disk(call, found.node, found.place.path, true);
    ALOS_ATTEMPT(on_disk, std::move(synced));
    if (!made_here) co_return true;
    ALOS_ATTEMPT(view, call.agent().view());
    co_return co_await sync_name(call, *view, found.place, found.node);
  }

  ChangeLock& changes_;
};

class FsCopy final : public Primitive {
 public:
  FsCopy(Worker& worker, ChangeLock& changes) : worker_(worker), changes_(changes) {}

  Attempt<Plan> plan(Call& call) override {
    const wire::FsCopy& wanted = call.request().fs_copy();
    auto from = path_argument(wanted.from());
    if (!from) return std::unexpected(std::move(from).error());
    auto to = path_argument(wanted.to());
    if (!to) return std::unexpected(std::move(to).error());
    if (!wire::WriteMode_IsValid(wanted.mode())) return give_up("copy", *to, EINVAL, "no such mode");
    return both(demand(*from, {Right::read}), demand(*to, rights_of(wanted.mode())));
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::FsCopy& wanted = call.request().fs_copy();
    const std::string& from = planned.demands.front().asked();
    const std::string& to = planned.demands.back().asked();
    for (int looks = 1;; ++looks) {
      auto first =
          co_await find(call, from, {.rights = Right::read, .absent = Right::read, .beside = false, .open = O_RDONLY});
      ALOS_ATTEMPT(source, std::move(first));
      ALOS_ATTEMPT(content, must_be_content(source, Names::any));
      auto second =
          co_await find(call, to, {.rights = Right::write, .absent = absent_of(wanted.mode()), .side = Call::Side::to});
      ALOS_ATTEMPT(target, std::move(second));
      ALOS_ATTEMPT(suits, must_suit(target, wanted.mode()));
      auto fill = [&](const UniqueFd& fd) { return copy(call, source, fd, target.place.path); };
      auto done =
          co_await replace(call, changes_, target, wanted.mode(),
                           target.there() ? target.st.st_mode & 0777 : source.st.st_mode & 0777, nullptr, false, fill);
      if (!done && looks < kLooks && has_come(done.error(), target, wanted.mode())) continue;
      ALOS_ATTEMPT(written, std::move(done));
      Answer out;
      written.tell(*out.reply.mutable_fs_copy());
      co_return out;
    }
  }

 private:
  // In steps, between which the call can be given up: a file can be as long as the disk is large.
  Task<Attempt<uint64_t>> copy(Call& call, const Found& source, const UniqueFd& into, const std::string& path) {
    constexpr size_t kStep = 8 << 20;
    uint64_t done = 0;
    for (;;) {
      if (call.is_cancelled()) co_return give_up("copy", path, ECANCELED, "");
      ssize_t n = 0;
      int error = 0;
      const int none = co_await worker_.run([&] {
        n = ::copy_file_range(source.node.get(), nullptr, into.get(), nullptr, kStep, 0);
        error = n < 0 ? errno : 0;
        // Between file systems that cannot (copy_file_range(2): EXDEV, EOPNOTSUPP, EINVAL).
        if (error == EXDEV || error == EOPNOTSUPP || error == EINVAL)
          std::tie(n, error) = by_hand(source.node.get(), into.get());
      });
      if (none != 0) co_return no_thread(path, none);
      if (error == EINTR) continue;
      if (error != 0) co_return give_up("copy", path, error, "");
      if (n == 0) co_return done;
      done += static_cast<uint64_t>(n);
    }
  }

  static std::pair<ssize_t, int> by_hand(int from, int to) {
    char buffer[64 << 10];
    const ssize_t n = ::read(from, buffer, sizeof buffer);
    if (n < 0) return {n, errno};
    for (ssize_t put = 0; put < n;) {
      const ssize_t w = ::write(to, buffer + put, static_cast<size_t>(n - put));
      if (w < 0 && errno == EINTR) continue;
      if (w <= 0) return {-1, w < 0 ? errno : EIO};
      put += w;
    }
    return {n, 0};
  }

  Worker& worker_;
  ChangeLock& changes_;
};

}  // namespace

void add_writing(Pipeline& pipeline, Worker& worker, ChangeLock& changes) {
  pipeline.add(wire::Request::kFsWrite, std::make_unique<FsWrite>(worker, changes));
  pipeline.add(wire::Request::kFsAppend, std::make_unique<FsAppend>(changes));
  pipeline.add(wire::Request::kFsCopy, std::make_unique<FsCopy>(worker, changes));
}

}  // namespace alos::broker
