// The file primitives while somebody else changes what their paths lead to, as fast as can be: directories and files
// change places with links that lead to what is not allowed. Whatever is answered, nothing comes from there and nothing
// gets there.

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/unit/broker/served.h"

namespace alos::broker::test {
namespace {

using policy::Effect;
using policy::kAll;

constexpr const char* kInside = "inside";
// Longer than anything that is inside is at any time.
const std::string kOutside = "outside" + std::string(5000, '!');

Setting race_rules() {
  return {.policy = rules(
              {rule(Effect::allow, kAll, {"/w/**"}, "work"), rule(Effect::deny, kAll, {"/w/secret/**"}, "secrets")})};
}

class Tree {
 public:
  Tree() {
    for (const char* directory : {"/w", "/w/d", "/w/moved", "/w/moved/deep", "/w/n", "/w/other", "/x", "/w/secret"})
      served.make_directory(directory);
    for (const char* outside : {"/x/f", "/x/only", "/w/secret/f", "/w/secret/only"}) served.write(outside, kOutside);
    for (const char* inside : {"/w/d/f", "/w/f", "/w/h", "/w/gone", "/w/moved/deep/f"}) served.write(inside, kInside);
    link("/x", "/w/to_x");
    link("/x/f", "/w/to_file");
    link("../../../../../../x", "/w/n/up");
    link("/w/secret", "/w/to_secret");
    link("moved/deep/../..", "/w/round");
    std::filesystem::create_hard_link(path("/x/f"), path("/w/further"));
    before_ = outside();
  }
  std::string path(const std::string& of) const { return served.root() + of; }
  bool is_untouched() const { return outside() == before_; }

  // One change; the same ones over and over.
  void change(unsigned n) const {
    switch (n % 8) {
      case 0:
      case 1:
      case 4:
        exchange("/w/d", "/w/to_x");
        break;
      case 2:
        exchange("/w/f", "/w/to_file");
        break;
      case 3:
        exchange("/w/d", "/w/to_secret");
        break;
      case 5:
        exchange("/w/h", "/w/further");
        break;
      case 6:
        move(n % 16 < 8 ? "/w/moved" : "/w/other/moved", n % 16 < 8 ? "/w/other/moved" : "/w/moved");
        break;
      default:
        made_anew(n % 16 < 8);
    }
  }

  Served served{race_rules()};

 private:
  void link(const char* to, const std::string& from) const {
    EXPECT_EQ(::symlink(to, path(from).c_str()), 0);
    EXPECT_EQ(::lchown(path(from).c_str(), served.agent(), served.agent()), 0);
  }
  void exchange(const char* one, const char* other) const {
    ::renameat2(AT_FDCWD, path(one).c_str(), AT_FDCWD, path(other).c_str(), RENAME_EXCHANGE);
  }
  void move(const char* from, const char* to) const { ::rename(path(from).c_str(), path(to).c_str()); }
  void made_anew(bool gone) const {
    if (gone) {
      ::unlink(path("/w/gone").c_str());
    } else {
      served.write("/w/fresh", kInside);
      move("/w/fresh", "/w/gone");
    }
  }

  // Names, identities, times of change and content of all that nobody may touch.
  std::string outside() const {
    std::string out;
    for (const char* top : {"/x", "/w/secret"}) {
      std::set<std::string> names;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(path(top))) names.insert(entry.path());
      for (const std::string& name : names) {
        struct stat st{};
        EXPECT_EQ(::lstat(name.c_str(), &st), 0);
        out += fmt::format("{} {} {}.{} {}\n", name, st.st_ino, st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                           served.read(name.substr(served.root().size())));
      }
    }
    return out;
  }
  std::string before_;
};

// Changes the tree until it is destroyed.
class Changing {
 public:
  explicit Changing(std::function<void(unsigned)> change)
      : thread_([this, change = std::move(change)] {
          for (unsigned n = 0; !over_; ++n) {
            change(n);
            ++count_;
          }
        }) {}
  ~Changing() {
    over_ = true;
    thread_.join();
  }
  Changing(const Changing&) = delete;
  Changing& operator=(const Changing&) = delete;
  uint64_t count() const { return count_; }

 private:
  std::atomic<bool> over_ = false;
  std::atomic<uint64_t> count_ = 0;
  std::thread thread_;
};

// How calls ended: "ok", "denied", names of errors.
using Ends = std::map<std::string, uint64_t>;

std::string text_of(const Ends& ends) {
  std::string out;
  for (const auto& [how, count] : ends) out += fmt::format("{} {}, ", how, count);
  return out;
}

// Only what a state of the tree, or its change in the middle of a call, accounts for.
void must_be_typed(const wire::Reply& reply, Ends& ends) {
  static const std::set<std::string> kMay{"ENOENT",  "ELOOP",  "EEXIST", "ESTALE",    "EXDEV", "EAGAIN",
                                          "ENOTDIR", "EISDIR", "EMLINK", "ENOTEMPTY", "EINVAL"};
  if (reply.has_denied()) {
    ++ends["denied"];
    EXPECT_NE(reply.denied().rule(), "");
  } else if (reply.has_failed()) {
    ++ends[reply.failed().name()];
    EXPECT_TRUE(kMay.contains(reply.failed().name()))
        << reply.failed().operation() << " " << reply.failed().object() << " " << reply.failed().name();
    EXPECT_FALSE(reply.failed().partial());
  } else {
    ++ends["ok"];
    EXPECT_FALSE(reply.has_limit() || reply.has_unknown());
  }
}

std::string content_of(const UniqueFd& fd) {
  char text[256];
  const ssize_t n = ::pread(fd.get(), text, sizeof text, 0);
  return {text, static_cast<size_t>(std::max<ssize_t>(n, 0))};
}

void open_again_and_again(unsigned opens) {
  const Tree tree;
  const auto client = tree.served.connect();
  const Changing changing([&](unsigned n) { tree.change(n); });
  wire::Request open;
  Ends ends;
  // On a busy machine until there were as many changes.
  const auto enough = [&](unsigned done) { return done >= opens && (changing.count() > opens || done / 50 >= opens); };
  for (unsigned i = 0; !enough(i) && !testing::Test::HasFailure(); ++i) {
    open.mutable_fs_open()->set_path(i % 4 == 3 ? "/w/f" : i % 4 == 2 ? "/w/to_x/f" : "/w/d/f");
    const wire::Reply reply = client->call(open);
    must_be_typed(reply, ends);
    const std::string content = reply.has_fs_open() ? content_of(client->descriptor) : kInside;
    EXPECT_EQ(content, kInside);
    client->descriptor.reset();
  }
  EXPECT_GT(changing.count(), opens) << "few changes, little proven";
  EXPECT_GT(ends["ok"], opens / 20) << text_of(ends);
  EXPECT_GT(ends["denied"], opens / 20) << text_of(ends);
  EXPECT_TRUE(tree.is_untouched());
}

TEST(Races, what_is_opened_is_never_what_a_link_was_put_in_for) {
  open_again_and_again(20'000);
}

TEST(LongRaces, what_is_opened_is_never_what_a_link_was_put_in_for) {
  open_again_and_again(1'000'000);
}

class Calls {
 public:
  explicit Calls(unsigned seed) : random_(seed) {}

  wire::Request next() {
    wire::Request out;
    switch (random_() % 12) {
      case 0:
        out.mutable_fs_read()->set_path(file());
        break;
      case 1:
        out = write_request(file(), kInside);
        break;
      case 2:
        out = write_request(file(), kInside);
        out.mutable_fs_write()->set_in_place(true);
        out.mutable_fs_write()->set_mode(wire::REPLACE);
        break;
      case 3:
        out.mutable_fs_append()->set_path(file());
        out.mutable_fs_append()->set_content("+");
        out.mutable_fs_append()->set_create(random_() % 2 == 0);
        break;
      case 4:
        out.mutable_fs_list()->set_path(directory());
        break;
      case 5:
        out.mutable_fs_stat()->set_path(file());
        out.mutable_fs_stat()->set_no_follow(random_() % 2 == 0);
        break;
      case 6:
        out.mutable_fs_mkdir()->set_path(directory() + "/made");
        break;
      case 7:
        out.mutable_fs_remove()->set_path(directory() + "/made");
        out.mutable_fs_remove()->set_directory(true);
        break;
      case 8:
        out.mutable_fs_remove()->set_path(directory() + "/only");
        break;
      case 9:
        out.mutable_fs_rename()->set_from(directory() + "/" + (random_() % 2 == 0 ? "made" : "only"));
        out.mutable_fs_rename()->set_to(directory() + "/made");
        out.mutable_fs_rename()->set_replace(true);
        break;
      case 10:
        out.mutable_fs_copy()->set_from(file());
        out.mutable_fs_copy()->set_to(file());
        break;
      default:
        out.mutable_fs_open()->set_path(file());
        out.mutable_fs_open()->set_access(random_() % 2 == 0 ? wire::OPEN_READ : wire::OPEN_WRITE);
    }
    return out;
  }

 private:
  std::string directory() {
    constexpr const char* kThese[] = {"/w/d", "/w/d", "/w/to_x", "/w/to_secret", "/w/n/up", "/w/round/d"};
    return kThese[random_() % std::size(kThese)];
  }
  std::string file() {
    constexpr const char* kThese[] = {"/w/f", "/w/to_file", "/w/gone", "/w/moved/deep/f", "/w/moved/deep/../../f"};
    return random_() % 2 == 0 ? directory() + "/f" : kThese[random_() % std::size(kThese)];
  }
  std::mt19937 random_;
};

// Also of a file that an append has made and a descriptor has written to.
bool is_inside(std::string text) {
  std::erase(text, '+');
  return std::string_view(kInside).starts_with(text);
}

void must_be_inside(const wire::Reply& reply, const Client& client) {
  std::string content;
  if (reply.has_fs_read()) content = client.gathered + reply.fs_read().content();
  const int access = reply.has_fs_open() ? ::fcntl(client.descriptor.get(), F_GETFL) & O_ACCMODE : -1;
  if (access == O_RDONLY) content = content_of(client.descriptor);
  EXPECT_PRED1(is_inside, content);
  for (const auto& entry : reply.fs_list().entries()) EXPECT_NE(entry.name(), "only");
  EXPECT_LT(reply.fs_stat().type() == wire::REGULAR ? reply.fs_stat().size() : 0, kOutside.size());
  const ssize_t written = access == O_WRONLY ? ::pwrite(client.descriptor.get(), "i", 1, 0) : 1;
  EXPECT_EQ(written, 1);
}

void call_again_and_again(unsigned seed, unsigned calls) {
  SCOPED_TRACE(fmt::format("seed {}", seed));
  const Tree tree;
  const auto client = tree.served.connect();
  const Changing changing([&](unsigned n) { tree.change(n); });
  Calls random(seed);
  Ends ends;
  const auto enough = [&](unsigned done) { return done >= calls && (changing.count() > calls || done / 50 >= calls); };
  for (unsigned i = 0; !enough(i) && !testing::Test::HasFailure(); ++i) {
    const wire::Reply reply = client->call(random.next());
    must_be_typed(reply, ends);
    must_be_inside(reply, *client);
    client->descriptor.reset();
  }
  EXPECT_TRUE(tree.is_untouched());
  EXPECT_GT(changing.count(), calls);
  EXPECT_GT(ends["ok"], calls / 20) << text_of(ends);
  EXPECT_GT(ends["denied"], calls / 20) << text_of(ends);
}

TEST(Races, calls_never_reach_what_a_link_was_put_in_for) {
  for (unsigned seed = 1; seed <= 4 && !HasFailure(); ++seed) call_again_and_again(seed, 4000 / ALOS_PART);
}

TEST(LongRaces, calls_never_reach_what_a_link_was_put_in_for) {
  const unsigned begin = std::random_device()();
  for (unsigned seed = begin; seed != begin + 20 && !HasFailure(); ++seed) call_again_and_again(seed, 50'000);
}

// "device.inode.size.change"
std::string identity_in(const std::string& version) {
  return version.substr(0, version.find('.', version.find('.') + 1));
}

TEST(Races, writing_in_place_on_a_version_writes_into_that_file_and_no_other) {
  const Tree tree;
  const auto client = tree.served.connect();
  const Changing changing([&](unsigned n) {
    const std::string fresh = "/w/fresh" + std::to_string(n % 8);
    tree.served.write(fresh, kInside);
    ::rename(tree.path(fresh).c_str(), tree.path("/w/gone").c_str());
  });
  Ends ends;
  for (int i = 0; i < 500'000 && (i < 3000 || ends["ESTALE"] <= 100 || ends["ok"] <= 100) && !HasFailure(); ++i) {
    const wire::Reply read = client->call(read_request("/w/gone"));
    wire::Request write = write_request("/w/gone", kInside);
    write.mutable_fs_write()->set_in_place(true);
    write.mutable_fs_write()->set_mode(wire::REPLACE);
    write.mutable_fs_write()->set_if_version(read.fs_read().version());
    const wire::Reply reply = client->call(write);
    must_be_typed(reply, ends);
    const std::string version = reply.has_fs_write() ? reply.fs_write().version() : read.fs_read().version();
    EXPECT_EQ(identity_in(version), identity_in(read.fs_read().version()));
  }
  EXPECT_GT(ends["ok"], 100U) << text_of(ends);
  EXPECT_GT(ends["ESTALE"], 100U) << text_of(ends);
}

}  // namespace
}  // namespace alos::broker::test
