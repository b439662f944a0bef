// A path as a program in a box writes it, and a link as it makes it. Whatever they are: a path is refused or made
// canonical, and decided on alike however it is spelled; where it is found to lead is below the root, is a path by
// which the kernel finds the same, and is a directory of the tree.
//
// The input: where the link /w/free leads, a line; then the path.

#include "base/paths.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/sys.h"
#include "fuzz.h"
#include "policy/decide.h"
#include "syscall-broker/primitives/files.h"

namespace {

namespace fs = std::filesystem;
using namespace alos;
using namespace alos::broker;

policy::CompiledPolicy rules() {
  policy::Policy out;
  const auto add = [&](const char* name, policy::Effect effect, const char* path) {
    policy::FileRule rule;
    rule.name = name;
    rule.effect = effect;
    rule.rights = policy::kAll;
    rule.paths.push_back({*policy::Pattern::parse(path), path, {}});
    out.files.push_back(std::move(rule));
  };
  add("work", policy::Effect::allow, "/w/**");
  add("secret", policy::Effect::deny, "/w/**/secret/**");
  return policy::compile(std::move(out));
}

class Tree {
 public:
  Tree() {
    char name[] = "/tmp/alos-fuzz-paths-XXXXXX";
    fuzz::must(::mkdtemp(name) != nullptr, "there is a directory");
    outer_ = name;
    root_ = outer_ + "/root";
    for (const char* directory : {"/w/a/b/c", "/w/secret", "/x/y", "/w/d e", "/w/\xff\n", "/w/z (deleted)"})
      fs::create_directories(root_ + directory);
    fs::create_directories(outer_ + "/beside/root");
    for (const auto& [from, to] : {std::pair("/w/up", "../.."),
                                   {"/w/abs", "/w/a"},
                                   {"/w/a/loop", "../a/loop"},
                                   {"/w/out", "../../beside"},
                                   {"/w/a/round", "b/../../a/"},
                                   {"/x/host", "/proc/self/root"},
                                   {"/w/secret/to", "/w/a/b/.."}})
      fs::create_symlink(to, root_ + from);
    inside_.insert(identity(AT_FDCWD, root_.c_str()));
    for (const auto& entry : fs::recursive_directory_iterator(root_))
      inside_.insert(identity(AT_FDCWD, entry.path().c_str()));
    io_uring_params params{};
    UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 8, &params)));
    ring_.emplace(std::move(*FileRing::map(std::move(ring), params)));
    View::Roots roots;
    roots.box.reset(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    view_.emplace(*ring_, std::move(roots), Personalities(), [](std::string_view) { return false; });
  }
  ~Tree() { fs::remove_all(outer_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  void link(const std::string& to) const {
    ::unlink((root_ + "/w/free").c_str());
    (void)!::symlink(to.c_str(), (root_ + "/w/free").c_str());
  }

  Result<View::Place> place(const std::string& path, bool follow) {
    std::optional<Result<View::Place>> out;
    ask(path, follow, out);
    while (!out) {
      ring_->run();
      pollfd answered{.fd = ring_->fd(), .events = POLLIN, .revents = 0};
      if (!out) ::poll(&answered, 1, 1000);
    }
    return std::move(*out);
  }

  void must_be_inside(const View::Place& place) const {
    fuzz::must(is_canonical_path(place.path), "where it leads is canonical");
    fuzz::must(!place.name.empty() && place.name.find('/') == place.name.npos && place.name != "..",
               "a name is a name");
    fuzz::must(inside_.contains(identity(place.directory.get(), "")), "its directory is one of the tree");
    fuzz::must(identity(place.directory.get(), place.name.c_str()) == identity(AT_FDCWD, (root_ + place.path).c_str()),
               "the path that is decided on is that of the file");
  }

 private:
  using Identity = std::pair<dev_t, ino_t>;
  static Identity identity(int directory, const char* name) {
    struct stat st{};
    if (::fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0) return {};
    return {st.st_dev, st.st_ino};
  }
  Job ask(std::string path, bool follow, std::optional<Result<View::Place>>& out) {
    auto found = co_await view_->place(View::Tree::box, path, follow);
    out.emplace(std::move(found));
  }

  std::string outer_, root_;
  std::set<Identity> inside_;
  std::optional<FileRing> ring_;
  std::optional<View> view_;
};

void check(Tree& tree, const std::string& path) {
  static const policy::CompiledPolicy compiled = rules();
  const auto canonical = path_argument(path);
  if (!canonical) {
    const wire::Failed& failed = canonical.error().reply.failed();
    fuzz::must(failed.code() == EINVAL || failed.code() == ENAMETOOLONG, "a path that is none is refused");
    return;
  }
  fuzz::must(is_canonical_path(*canonical), "an argument is made canonical");
  const std::string written = path.starts_with('/') ? path : "/" + path;
  const auto one = policy::Request::file(policy::Right::read, written);
  const auto other = policy::Request::file(policy::Right::read, *canonical);
  fuzz::must(one && other && one->asked() == *canonical && other->asked() == *canonical, "there is one spelling");
  fuzz::must(decide(compiled, *one).effect == decide(compiled, *other).effect, "it is decided on alike");
  // As asked for, and as a link leads there.
  for (const std::string& name : {*canonical, written}) {
    const auto place = tree.place(name, true), straight = tree.place(name, false);
    if (straight) fuzz::must(place && place->path == straight->path, "where no link is, none is followed");
    if (place)
      tree.must_be_inside(*place);
    else
      fuzz::must(place.error().code > 0 && !place.error().operation.empty(), "a failure has a reason");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Tree tree;
  const auto parts = fuzz::lines(fuzz::text_of(data, size), 2);
  tree.link(parts.size() > 1 ? std::string(parts[0]) : "a");
  check(tree, std::string(parts.back()));
  return 0;
}
