// Random sequences of the file primitives, and of what others do to the same files, against a model in memory: after
// every step the reply and the whole tree are those of the model.

#include "tests/unit/broker/model.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <random>

#include "base/paths.h"
#include "tests/skip.h"
#include "tests/unit/broker/served.h"

namespace alos::broker::test {
namespace {

// Since 6.13 a change that somebody could tell from the one before gets another time (multigrain timestamps).
bool stamps_are_fine() {
  utsname name{};
  int major = 0, minor = 0;
  return ::uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         std::pair(major, minor) >= std::pair(6, 13);
}

using policy::Effect;
using policy::kAll;
using policy::kRead;
using Kind = Model::Node::Kind;

Setting model_rules() {
  return {.policy = rules({rule(Effect::allow, kAll, {"/w/**"}, "work"), rule(Effect::allow, kRead, {"/r/**"}, "read"),
                           rule(Effect::deny, kAll, {"/w/secret/**", "/w/**/.env"}, "secrets")})};
}

std::string text_of(const wire::Reply& reply) {
  if (reply.has_denied()) return "denied by " + reply.denied().rule();
  if (reply.has_failed()) return "failed " + reply.failed().name() + (reply.failed().partial() ? " partially" : "");
  std::string out = fmt::format("case {}: ", static_cast<int>(reply.answer_case()));
  if (reply.has_fs_list())
    for (const auto& entry : reply.fs_list().entries())
      out += fmt::format("{} {}, ", printable(entry.name()), static_cast<int>(entry.type()));
  return out + printable(reply.SerializeAsString());
}

std::string text_of(const wire::Request& request) {
  return fmt::format("call {}: {}", static_cast<int>(request.call_case()), printable(request.SerializeAsString()));
}

std::string success(int call) {
  return fmt::format("call {}", call);
}

// A name below a directory, as Model::text() has it.
void add_text(int directory, const std::string& path, std::string& out) {
  std::map<std::string, struct stat> names;
  DIR* all = ::fdopendir(directory);
  while (const dirent* entry = ::readdir(all)) {
    const std::string name = entry->d_name;
    struct stat st{};
    if (name == "." || name == "..") continue;
    EXPECT_EQ(::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW), 0);
    names[name] = st;
  }
  for (const auto& [name, st] : names) {
    std::string content;
    int type = wire::FIFO;
    if (S_ISREG(st.st_mode)) {
      type = wire::REGULAR;
      const UniqueFd fd(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC));
      content.resize(static_cast<size_t>(st.st_size));
      EXPECT_EQ(::read(fd.get(), content.data(), content.size()), st.st_size);
    } else if (S_ISLNK(st.st_mode)) {
      type = wire::LINK;
      content.resize(static_cast<size_t>(st.st_size));
      EXPECT_EQ(::readlinkat(directory, name.c_str(), content.data(), content.size()), st.st_size);
    } else if (S_ISDIR(st.st_mode)) {
      type = wire::DIRECTORY;
    }
    const std::string at = path + "/" + name;
    out += fmt::format("{} {} {:o} {} {}\n", at, type, st.st_mode & 07777, type == wire::DIRECTORY ? 0 : st.st_nlink,
                       content);
    if (type == wire::DIRECTORY) add_text(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC), at, out);
  }
  ::closedir(all);
}

class Steps {
 public:
  // `seen`: how many replies there were of each kind.
  Steps(unsigned seed, std::map<std::string, int>& seen) : random_(seed), seen_(seen) {
    for (const char* top : {"/w", "/r", "/x", "/w/secret"}) {
      served_.make_directory(top);
      model_.put(top, make_node(Kind::directory, 0755));
    }
    for (const char* file : {"/r/a", "/x/a", "/w/secret/a"}) {
      served_.write(file, std::string("in ") + file);
      model_.put(file, make_node(Kind::file, 0644, std::string("in ") + file));
    }
  }

  // False where they differ.
  bool step() {
    std::string what;
    if (one_in(5)) {
      what = by_others();
    } else {
      const wire::Request request = this->request();
      what = text_of(request);
      if (!same_reply(request)) return false;
    }
    std::string real;
    add_text(::open(served_.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "", real);
    EXPECT_EQ(real, model_.text()) << what;
    return real == model_.text();
  }

 private:
  unsigned below(size_t n) { return static_cast<unsigned>(random_() % n); }
  bool one_in(unsigned n) { return below(n) == 0; }
  template <class T>
  T any(std::initializer_list<T> of) {
    return *(of.begin() + below(of.size()));
  }

  std::string name() {
    if (one_in(60)) return std::string(255 + below(2), 'n');
    return any<const char*>({"a", "b", "c", "d e", "e (deleted)", "\xff\n", "\\n", "...", ".env", "secret", "a\x01"});
  }
  // Mostly where the agent may do something.
  std::string that_is_there() {
    std::vector<std::string> all = model_.paths();
    if (!one_in(6))
      std::erase_if(all, [](const std::string& at) { return !at.starts_with("/w") || at.starts_with("/w/secret"); });
    return all[below(all.size())];
  }
  // Of something that is there, or may be.
  std::string place() {
    std::string out = one_in(8) ? any<const char*>({"/w", "/w", "/r", "/x", "/w/secret"}) : that_is_there();
    const bool directory = model_.at(out)->kind == Kind::directory;
    if (out == "/w" || one_in(directory ? 2 : 8)) out += "/" + name();
    return std::ranges::count(out, '/') > 5 ? "/w/" + name() : out;
  }
  // The same with other words.
  std::string spelled(std::string path) {
    if (one_in(10)) path.insert(path.rfind('/'), any<const char*>({"/", "/.", "/x/..", "/../w/.."}));
    if (one_in(20)) path += any<const char*>({"/", "/.", "//"});
    if (one_in(20)) path.erase(0, 1);
    if (one_in(200)) return std::string(any({0, 5, 5000}), '/') + (one_in(2) ? std::string(1, '\0') : "");
    return path;
  }
  std::string path() { return spelled(place()); }
  std::string content() {
    if (one_in(100)) return std::string(200'000, static_cast<char>('a' + below(26)));
    return std::string(below(20), static_cast<char>('a' + below(26)));
  }
  mode_t file_mode() {
    return one_in(4) && ::geteuid() == 0 ? any<mode_t>({0, 0200, 0400}) : any<mode_t>({0644, 0600, 0444, 0666, 0755});
  }
  mode_t directory_mode() {
    return one_in(4) && ::geteuid() == 0 ? any<mode_t>({0, 0300, 0600}) : any<mode_t>({0755, 0700, 0777, 0500});
  }
  wire::WriteMode write_mode() { return any({wire::CREATE_OR_REPLACE, wire::CREATE, wire::REPLACE}); }
  // Of the file at that place, now or once.
  std::string version(const std::string& of) {
    const Model::Ref node = model_.at(of);
    if (!node || node->version.empty() || one_in(8)) return "1.2.3.4";
    // Two states of one size within a tick may have one version (SECURITY.md).
    if (node->version_of != node->changes && !stamps_are_fine()) return "1.2.3.4";
    return node->version;
  }

  wire::Request request() {
    wire::Request out;
    switch (below(10)) {
      case 0:
        out.mutable_fs_read()->set_path(path());
        if (one_in(3)) out.mutable_fs_read()->set_offset(one_in(20) ? UINT64_MAX - below(9) : below(25));
        if (one_in(3)) out.mutable_fs_read()->set_length(below(25));
        break;
      case 1:
        write(*out.mutable_fs_write());
        break;
      case 2: {
        const std::string at = place();
        out.mutable_fs_append()->set_path(spelled(at));
        out.mutable_fs_append()->set_content(content().substr(0, 30'000));
        out.mutable_fs_append()->set_create(one_in(2));
        if (one_in(3)) out.mutable_fs_append()->set_if_version(version(at));
        break;
      }
      case 3:
        out.mutable_fs_list()->set_path(path());
        if (one_in(2)) out.mutable_fs_list()->set_after(name());
        if (one_in(2)) out.mutable_fs_list()->set_count(below(4));
        break;
      case 4:
        out.mutable_fs_stat()->set_path(path());
        out.mutable_fs_stat()->set_no_follow(one_in(2));
        break;
      case 5:
        out.mutable_fs_mkdir()->set_path(path());
        if (one_in(2)) out.mutable_fs_mkdir()->set_permissions(one_in(9) ? 01777 : directory_mode());
        break;
      case 6: {
        const std::string at = place();
        out.mutable_fs_remove()->set_path(spelled(at));
        out.mutable_fs_remove()->set_directory(one_in(2));
        if (one_in(3)) out.mutable_fs_remove()->set_if_version(version(at));
        break;
      }
      case 7:
        out.mutable_fs_rename()->set_from(path());
        out.mutable_fs_rename()->set_to(path());
        out.mutable_fs_rename()->set_replace(one_in(2));
        break;
      case 8:
        out.mutable_fs_copy()->set_from(path());
        out.mutable_fs_copy()->set_to(path());
        out.mutable_fs_copy()->set_mode(write_mode());
        break;
      default:
        out.mutable_fs_open()->set_path(path());
        out.mutable_fs_open()->set_access(any({wire::OPEN_READ, wire::OPEN_WRITE, wire::OPEN_APPEND}));
    }
    return out;
  }

  void write(wire::FsWrite& out) {
    const std::string at = place();
    out.set_path(spelled(at));
    out.set_content(content().substr(0, 30'000));
    out.set_mode(write_mode());
    out.set_in_place(one_in(2));
    if (one_in(3)) out.set_if_version(version(at));
    if (one_in(3)) out.set_permissions(one_in(9) ? 04755 : file_mode());
  }

  // What programs of the agent do, and those of the host; never what cannot be done.
  std::string by_others() {
    const std::string at = that_is_there();
    const Model::Ref node = model_.at(at);
    const std::string real = served_.root() + at;
    if (model_.paths().size() > 60 || one_in(16)) {
      if (std::ranges::count(at, '/') < 2 || at == "/w/secret") return "nothing";
      std::filesystem::remove_all(real);
      model_.remove(at);
      return "gone: " + at;
    }
    if (one_in(5) && node->kind != Kind::link) {
      const mode_t mode = node->kind == Kind::directory
                              ? std::ranges::count(at, '/') < 2 ? mode_t{0755} : directory_mode()
                              : file_mode();
      EXPECT_EQ(::chmod(real.c_str(), mode), 0);
      node->mode = mode, ++node->changes;
      return fmt::format("mode {:o}: {}", mode, at);
    }
    std::string beside = name();
    if (node->kind != Kind::directory || beside.size() > NAME_MAX || node->names.contains(beside)) return "nothing";
    return make(at + "/" + beside);
  }

  std::string make(const std::string& at) {
    const std::string real = served_.root() + at;
    switch (below(6)) {
      case 0:
        EXPECT_EQ(::mkfifo(real.c_str(), 0644), 0);
        EXPECT_EQ(::lchown(real.c_str(), served_.agent(), served_.agent()), 0);
        model_.put(at, make_node(Kind::fifo, 0644));
        return "fifo: " + at;
      case 1:
        for (const std::string& other : model_.paths()) {
          const Model::Ref file = model_.at(other);
          if (file->kind != Kind::file || one_in(2)) continue;
          EXPECT_EQ(::link((served_.root() + other).c_str(), real.c_str()), 0);
          ++file->links, ++file->changes;
          model_.put(at, file);
          return "further name: " + at;
        }
        return "nothing";
      case 2:
      case 3: {
        const std::string text = content();
        served_.write(at, text);
        model_.put(at, make_node(Kind::file, 0644, text));
        return "file: " + at;
      }
      default: {
        std::string to =
            one_in(2) ? place() : any<const char*>({"..", "../a", "b/", "../../../../../x/a", ".", "c/.."});
        if (one_in(6)) to += any<const char*>({"/", "/.", "/.."});
        if (to.size() > 255) return "nothing";
        EXPECT_EQ(::symlink(to.c_str(), real.c_str()), 0);
        EXPECT_EQ(::lchown(real.c_str(), served_.agent(), served_.agent()), 0);
        model_.put(at, make_node(Kind::link, 0777, to));
        return "link: " + at;
      }
    }
  }

  bool same_reply(const wire::Request& request) {
    const wire::Reply owed = model_.apply(request);
    wire::Reply got = client_->call(request);
    const bool versions = good_version(got);
    got.clear_id();
    if (got.has_failed()) {
      wire::Failed& failed = *got.mutable_failed();
      EXPECT_NE(failed.operation(), "");
      EXPECT_NE(failed.code(), 0);
      failed.clear_operation(), failed.clear_object(), failed.clear_code(), failed.clear_hint();
    }
    if (got.has_denied()) {
      const std::string rule = got.denied().rule();
      got.mutable_denied()->Clear();
      got.mutable_denied()->set_rule(rule);
    }
    if (got.has_fs_read()) {
      client_->gathered += got.fs_read().content();
      got.mutable_fs_read()->set_content(client_->gathered);
    }
    if (got.has_fs_stat()) {
      got.mutable_fs_stat()->clear_modified_ns();
      if (got.fs_stat().type() == wire::DIRECTORY) got.mutable_fs_stat()->clear_size();
      if (got.fs_stat().type() == wire::DIRECTORY) got.mutable_fs_stat()->clear_links();
    }
    if (got.has_fs_open()) good_descriptor(request.fs_open().access());
    ++seen_[got.has_failed() ? got.failed().name() : got.has_denied() ? "denied" : success(got.answer_case())];
    EXPECT_EQ(text_of(got), text_of(owed)) << text_of(request) << "\n" << model_.text();
    return versions && text_of(got) == text_of(owed);
  }

  std::string* version_in(wire::Reply& reply) {
    if (reply.has_fs_read()) return reply.mutable_fs_read()->mutable_version();
    if (reply.has_fs_write()) return reply.mutable_fs_write()->mutable_version();
    if (reply.has_fs_append()) return reply.mutable_fs_append()->mutable_version();
    if (reply.has_fs_stat()) return reply.mutable_fs_stat()->mutable_version();
    if (reply.has_fs_copy()) return reply.mutable_fs_copy()->mutable_version();
    if (reply.has_fs_open()) return reply.mutable_fs_open()->mutable_version();
    return nullptr;
  }

  // One version is one content of one file, and stays while that does.
  bool good_version(wire::Reply& reply) {
    std::string* const version = version_in(reply);
    if (!version) return true;
    const std::string now = *version;
    version->clear();
    const Model::Ref node = model_.subject();
    if (!node || node->kind != Kind::file) return true;
    const std::string what = fmt::format("{} {}", static_cast<const void*>(node.get()), node->content);
    kept_.push_back(node);  // so that no other has its address
    const std::string& is = versions_.try_emplace(now, what).first->second;
    EXPECT_EQ(is, what) << now;
    const bool same = node->version.empty() || node->version_of != node->changes || node->version == now;
    EXPECT_TRUE(same) << "nothing changed";
    node->version = now;
    node->version_of = node->changes;
    return same && is == what;
  }

  void good_descriptor(wire::OpenAccess access) {
    struct stat st{};
    ASSERT_EQ(::fstat(client_->descriptor.get(), &st), 0);
    EXPECT_EQ(static_cast<size_t>(st.st_size), model_.subject()->content.size());
    const int flags = ::fcntl(client_->descriptor.get(), F_GETFL);
    EXPECT_EQ(flags & O_ACCMODE, access == wire::OPEN_READ ? O_RDONLY : O_WRONLY);
    EXPECT_EQ((flags & O_APPEND) != 0, access == wire::OPEN_APPEND);
  }

  std::mt19937 random_;
  std::map<std::string, int>& seen_;
  Model model_;
  Served served_{model_rules()};
  std::unique_ptr<Client> client_ = served_.connect();
  std::map<std::string, std::string> versions_;
  std::vector<Model::Ref> kept_;
};

using Seen = std::map<std::string, int>;

void agree(unsigned seed, int steps, Seen& seen) {
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Steps run(seed, seen);
  for (int i = 0; i < steps; ++i)
    if (!run.step()) FAIL() << "step " << i;
}

// Otherwise nothing much was compared.
void must_have_seen_all(const Seen& seen) {
  for (int call = wire::Request::kFsRead; call <= wire::Request::kFsOpen; ++call)
    EXPECT_GT(seen.contains(success(call)) ? seen.at(success(call)) : 0, 10) << "successes of call " << call;
  for (const char* kind : {"denied", "EACCES", "EEXIST", "EINVAL", "EISDIR", "ELOOP", "EMLINK", "ENOENT", "ENOTDIR",
                           "ENOTEMPTY", "EOPNOTSUPP", "ESTALE"})
    EXPECT_TRUE(seen.contains(kind)) << kind;
}

// The host changes files whose modes keep the agent out.
constexpr const char* kHost = "root is needed, as another than the agent";

TEST(FilesModel, replies_and_files_are_those_of_the_model) {
  if (::geteuid() != 0) ALOS_SKIP(kHost);
  Seen seen;
  for (unsigned seed = 1; seed <= 6 && !HasFailure(); ++seed) agree(seed, 500, seen);
  must_have_seen_all(seen);
}

TEST(LongFilesModel, replies_and_files_are_those_of_the_model) {
  if (::geteuid() != 0) ALOS_SKIP(kHost);
  Seen seen;
  const unsigned begin = std::random_device()();
  for (unsigned seed = begin; seed != begin + 40 && !HasFailure(); ++seed) agree(seed, 5000, seen);
  must_have_seen_all(seen);
}

}  // namespace
}  // namespace alos::broker::test
