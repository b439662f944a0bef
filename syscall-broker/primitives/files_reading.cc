#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <queue>
#include <utility>

#include "base/file_time.h"
#include "base/paths.h"
#include "syscall-broker/frame.h"
#include "syscall-broker/pipeline.h"
#include "syscall-broker/primitives/files.h"

namespace alos::broker {
namespace {

using policy::Right;
using policy::Rights;

uint64_t left_of(const struct stat& st, uint64_t offset) {
  const auto size = static_cast<uint64_t>(st.st_size);
  return offset < size ? size - offset : 0;
}

class FsRead final : public Primitive {
 public:
  static constexpr uint64_t kMost = 64 << 20;

  Attempt<Plan> plan(Call& call) override {
    auto path = path_argument(call.request().fs_read().path());
    if (!path) return std::unexpected(std::move(path).error());
    if (call.request().fs_read().offset() > INT64_MAX)
      return give_up("read", *path, EINVAL, "the offset is beyond what a file can have");
    return demand(*path, {Right::read});
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::FsRead& wanted = call.request().fs_read();
    const std::string& asked = planned.demands.front().asked();
    auto search =
        co_await find(call, asked, {.rights = Right::read, .absent = Right::read, .beside = false, .open = O_RDONLY});
    ALOS_ATTEMPT(found, std::move(search));
    ALOS_ATTEMPT(content, must_be_content(found, Names::any));
    const uint64_t most = std::min(wanted.has_length() ? wanted.length() : kMost, kMost);
    Answer out;
    wire::FsRead::Result& result = *out.reply.mutable_fs_read();
    // Before its content: what is read may be newer than its version says, never older.
    result.set_version(version_of(found.st));
    std::string buffer;
    uint64_t done = 0;
    // What fits is one frame; the rest goes before it, as fast as the client reads.
    for (bool last = false; !last && !call.is_cancelled();) {
      const uint64_t left = left_of(found.st, wanted.offset() + done);
      const uint64_t step = std::min({most - done, left == 0 ? kMaxInline : left, uint64_t{kMaxInline}});
      // Nothing is written before it is read. (The library of g++ 12 passes more than the size that was asked for.)
      buffer.resize_and_overwrite(step, [step](char*, size_t) { return step; });
      int n = 0;
      if (step > 0) n = co_await call.reactor().files().read(found.node.get(), buffer, wanted.offset() + done);
      if (n == -EINTR || n == -EAGAIN) continue;
      if (n < 0) co_return give_up("read", found.place.path, -n, "", done > 0);
      buffer.resize(static_cast<size_t>(n));
      done += static_cast<uint64_t>(n);
      // Most of what is in /proc has no size, and comes in parts of the kernel's choice.
      const bool sized = found.st.st_size != 0;
      last = n == 0 || done == most || (sized && (static_cast<uint64_t>(n) < step || static_cast<uint64_t>(n) == left));
      if (last) break;
      auto use = co_await call.recorded();
      ALOS_ATTEMPT(noted, std::move(use));
      wire::Output part;
      part.set_data(std::exchange(buffer, {}));
      call.put(std::move(part));
      co_await call.room();
    }
    if (call.is_cancelled()) co_return give_up("read", found.place.path, ECANCELED, "", done > 0);
    ALOS_ATTEMPT(now, look(found.node, found.place.path));
    result.set_content(std::move(buffer));
    result.set_size(static_cast<uint64_t>(now.st_size));
    result.set_truncated(left_of(now, wanted.offset() + done) > 0);
    co_return out;
  }
};

class FsStat final : public Primitive {
 public:
  Attempt<Plan> plan(Call& call) override {
    auto path = path_argument(call.request().fs_stat().path());
    if (!path) return std::unexpected(std::move(path).error());
    return demand(*path, {Right::stat});
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::FsStat& wanted = call.request().fs_stat();
    const std::string& asked = planned.demands.front().asked();
    auto search = co_await find(
        call, asked, {.rights = Right::stat, .absent = Right::stat, .follow = !wanted.no_follow(), .beside = false});
    ALOS_ATTEMPT(found, std::move(search));
    if (!found.there()) co_return give_up("stat", found.place.path, ENOENT, "");
    Answer out;
    wire::FsStat::Result& result = *out.reply.mutable_fs_stat();
    const struct stat& st = found.st;
    result.set_type(type_of(st.st_mode));
    result.set_size(static_cast<uint64_t>(st.st_size));
    result.set_permissions(st.st_mode & 07777);
    result.set_modified_ns(ns_of(st.st_mtim));
    result.set_links(st.st_nlink);
    result.set_version(version_of(st));
    if (S_ISLNK(st.st_mode)) {
      std::string target(PATH_MAX, '\0');
      const ssize_t n = ::readlinkat(found.node.get(), "", target.data(), target.size());
      if (n < 0) co_return give_up("readlink", found.place.path, errno, "");
      target.resize(static_cast<size_t>(n));
      result.set_target(std::move(target));
    }
    co_return out;
  }
};

struct Name {
  std::string text;
  unsigned char type;
  bool operator<(const Name& other) const { return text < other.text; }
};
struct Page {
  std::vector<Name> names;  // in order
  bool more = false;
  int error = 0;
};

wire::FileType type_of_entry(unsigned char type) {
  return type_of(DTTOIF(type));
}

// The first names after one, as many as fit: the directory is read whole, and only that much of it is kept. On the
// worker's thread, where others wait: it ends when the call is given up.
Page read_page(const Call& call, int directory, const std::string& after, size_t count, size_t bytes) {
  Page out;
  std::priority_queue<Name> kept;  // the last name on top
  size_t size = 0;
  alignas(dirent64) char buffer[32 << 10];
  for (;;) {
    if (call.is_cancelled()) {
      out.error = ECANCELED;
      break;
    }
    const long n = ::syscall(SYS_getdents64, directory, buffer, sizeof buffer);
    if (n < 0) out.error = errno;
    if (n <= 0) break;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      at += entry->d_reclen;
      const std::string_view name = entry->d_name;
      if (name == "." || name == ".." || name <= after) continue;
      kept.push({std::string(name), entry->d_type});
      size += name.size() + 16;
      while (kept.size() > count || size > bytes) {
        size -= kept.top().text.size() + 16;
        kept.pop();
        out.more = true;
      }
    }
  }
  out.names.reserve(kept.size());
  for (; !kept.empty(); kept.pop()) out.names.push_back(kept.top());
  std::ranges::reverse(out.names);
  return out;
}

class FsList final : public Primitive {
 public:
  explicit FsList(Worker& worker) : worker_(worker) {}

  Attempt<Plan> plan(Call& call) override {
    auto path = path_argument(call.request().fs_list().path());
    if (!path) return std::unexpected(std::move(path).error());
    return demand(*path, {Right::list});
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::FsList& wanted = call.request().fs_list();
    const std::string& asked = planned.demands.front().asked();
    auto search =
        co_await find(call, asked, {.rights = Right::list, .absent = Right::list, .beside = false, .open = O_RDONLY});
    ALOS_ATTEMPT(found, std::move(search));
    if (!found.there()) co_return give_up("open", found.place.path, ENOENT, "");
    if (!S_ISDIR(found.st.st_mode)) co_return give_up("open", found.place.path, ENOTDIR, "");
    const size_t count = wanted.count() == 0 ? SIZE_MAX : wanted.count();
    Page page;
    const int none =
        co_await worker_.run([&] { page = read_page(call, found.node.get(), wanted.after(), count, kMaxInline); });
    if (none != 0) co_return no_thread(found.place.path, none);
    if (page.error != 0) co_return give_up("getdents64", found.place.path, page.error, "");
    Answer out;
    wire::FsList::Result& result = *out.reply.mutable_fs_list();
    for (Name& name : page.names) {
      wire::FsList::Entry& entry = *result.add_entries();
      entry.set_name(std::move(name.text));
      entry.set_type(type_of_entry(name.type));
    }
    result.set_more(page.more);
    co_return out;
  }

 private:
  Worker& worker_;
};

// A descriptor outlives what is decided later, so it is given for what the box itself could open at any time, and for
// nothing that is reached through the broker alone.
class FsOpen final : public Primitive {
 public:
  Attempt<Plan> plan(Call& call) override {
    const wire::FsOpen& wanted = call.request().fs_open();
    auto path = path_argument(wanted.path());
    if (!path) return std::unexpected(std::move(path).error());
    if (!wire::OpenAccess_IsValid(wanted.access())) return give_up("open", *path, EINVAL, "no such access");
    // Whoever has a descriptor can take O_APPEND off it (fcntl(2), F_SETFL).
    if (wanted.access() == wire::OPEN_APPEND) return demand(*path, {Right::append, Right::write});
    return demand(*path, {wanted.access() == wire::OPEN_READ ? Right::read : Right::write});
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::FsOpen& wanted = call.request().fs_open();
    const std::string& asked = planned.demands.front().asked();
    const bool reading = wanted.access() == wire::OPEN_READ;
    const uint64_t flags = reading ? O_RDONLY : wanted.access() == wire::OPEN_WRITE ? O_WRONLY : O_WRONLY | O_APPEND;
    const policy::Rights rights = reading ? Rights(Right::read) : Rights(Right::write);
    auto search = co_await find(call, asked, {.rights = rights, .absent = rights, .beside = false, .open = flags});
    ALOS_ATTEMPT(found, std::move(search));
    ALOS_ATTEMPT(content, must_be_content(found, reading ? Names::any : Names::one));
    if (found.place.brokered)
      co_return std::unexpected(refused("fs.open " + printable(asked),
                                        "each use of this file is recorded, and uses of a descriptor are not seen",
                                        "use fs.read, fs.write and fs.append"));
    if (!call.promise_descriptor())
      co_return std::unexpected(limited("descriptors not received", Channel::kDescriptors,
                                        "read the answers first, of connections that are over as well"));
    Answer out;
    out.reply.set_attached(true);
    out.reply.mutable_fs_open()->set_size(static_cast<uint64_t>(found.st.st_size));
    out.reply.mutable_fs_open()->set_version(version_of(found.st));
    out.descriptor = std::move(found.node);
    co_return out;
  }
};

}  // namespace

void add_reading(Pipeline& pipeline, Worker& worker) {
  pipeline.add(wire::Request::kFsRead, std::make_unique<FsRead>());
  pipeline.add(wire::Request::kFsStat, std::make_unique<FsStat>());
  pipeline.add(wire::Request::kFsList, std::make_unique<FsList>(worker));
  pipeline.add(wire::Request::kFsOpen, std::make_unique<FsOpen>());
}

}  // namespace alos::broker
