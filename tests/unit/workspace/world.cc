#include "tests/unit/workspace/world.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/copier.h"
#include "supervisor/workspace/undo.h"
#include "tests/skip.h"

namespace alos::workspace {
namespace {

namespace fs = std::filesystem;
constexpr uid_t kUser = 1000;

void must(bool ok, const std::string& what) {
  if (ok) return;
  ADD_FAILURE() << what << ": " << std::strerror(errno);
  std::fflush(nullptr);
  ::_exit(3);
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().text();
    std::fflush(nullptr);
    ::_exit(3);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

void become_user() {
  must(::setresgid(kUser, kUser, kUser) == 0 && ::setresuid(kUser, kUser, kUser) == 0, "setresuid");
  must(::prctl(PR_SET_DUMPABLE, 1) == 0, "prctl");  // a change of uid made /proc/self root's
  must(::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare");
  write("/proc/self/setgroups", "deny");
  write("/proc/self/uid_map", "1000 1000 1");
  write("/proc/self/gid_map", "1000 1000 1");
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  return out << seen.type << ' ' << std::oct << seen.mode << std::dec << ' ' << printable(seen.content.substr(0, 60));
}

void write(const std::string& path, const std::string& text, unsigned mode) {
  const bool made = !exists(path);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  must(fd >= 0, "open " + path);
  must(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "write " + path);
  if (made && !path.starts_with("/proc")) must(::fchmod(fd, mode) == 0, "fchmod " + path);
  ::close(fd);
}

void make_link(const std::string& target, const std::string& path) {
  must(::symlink(target.c_str(), path.c_str()) == 0, "symlink " + path);
}

std::string read(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

bool exists(const std::string& path) {
  struct stat st{};
  return ::lstat(path.c_str(), &st) == 0;
}

void pause_a_tick() {
  const timespec wait{0, 12'000'000};  // more than a tick at 100 Hz
  ::nanosleep(&wait, nullptr);
}

Snapshot snapshot(const std::string& root) {
  Snapshot out;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat st{};
    if (::lstat(entry.path().c_str(), &st) != 0) continue;
    Seen seen{'?', st.st_mode & 07777u, ""};
    if (S_ISDIR(st.st_mode)) seen.type = 'd';
    if (S_ISREG(st.st_mode)) seen.type = 'f', seen.content = read(entry.path());
    if (S_ISLNK(st.st_mode)) seen.type = 'l', seen.content = fs::read_symlink(entry.path());
    if (S_ISFIFO(st.st_mode)) seen.type = 'p';
    out.emplace(entry.path().string().substr(root.size() + 1), seen);
  }
  return out;
}

World::World(std::string root, Form form, Mode mode) : root_(std::move(root)), form_(form), mode_(mode) {
  owner = {::geteuid(), ::getegid()};
  for (const char* name : {"/host", "/state", "/merged"}) must(::mkdir((root_ + name).c_str(), 0755) == 0, "mkdir");
}

Request World::request() const {
  Request request;
  request.state = state();
  request.workspace = workspace();
  request.mode = mode_;
  request.form = form_;
  request.owner = owner;
  request.run = "run_1";
  return request;
}

void World::agent(const std::function<void()>& act, const std::vector<LayerDeny>& denies) {
  Request wanted = request();
  wanted.layer_denies = denies;
  Layer layer = must(open_or_create(wanted));
  std::string merged = root_ + "/merged";
  if (mode_ == Mode::copy) {
    if (!layer.pending) must(fill_copy(layer, {}));
    merged = layer.path + "/copy";
    pause_a_tick();  // an agent starts later than that
  } else {
    const std::string options = "lowerdir=" + workspace() + ",upperdir=" + layer.path + "/upper,workdir=" + layer.path +
                                "/work" +
                                (form_ == Form::user ? ",userxattr" : ",redirect_dir=on,metacopy=off,index=off");
    must(::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) == 0, "mount overlay " + options);
  }
  must(::chdir(merged.c_str()) == 0, "chdir");
  act();
  must(::chdir("/") == 0, "chdir");
  if (mode_ == Mode::layer) must(::umount(merged.c_str()) == 0, "umount");
}

Snapshot World::agent_sees(const std::function<void()>& act) {
  Snapshot seen;
  agent([&] {
    act();
    seen = snapshot(fs::current_path());
  });
  return seen;
}

std::string World::upper(const std::string& path) const {
  return layers_directory(state()) + "/" + layer_key(workspace()) + "/upper" + (path.empty() ? "" : "/" + path);
}

Layer World::open(Access access) {
  return must(open_layer(state(), workspace(), access));
}

std::map<std::string, Change> World::changes(const Matcher& denied) {
  const Layer layer = open(Access::look);
  Tree tree = must(Tree::open(workspace()));
  std::map<std::string, Change> out;
  for (Change& change : must(scan(layer, tree, {denied, false})).changes) out.emplace(change.path, std::move(change));
  return out;
}

ApplyReport World::apply(const std::vector<std::string>& paths, const Matcher& denied, const Step& step) {
  return apply(ApplyOptions{.paths = paths, .denied = denied, .step = step});
}

ApplyReport World::apply(const ApplyOptions& options) {
  Layer layer = open(Access::change);
  return must(workspace::apply(layer, options));
}

ApplyReport World::apply_all() {
  std::vector<std::string> paths;
  for (const auto& [path, change] : changes()) paths.push_back(path);
  return apply({.paths = paths, .opening = Opening::named});
}

void World::undo(const std::vector<std::string>& paths) {
  Layer layer = open(Access::change);
  must(workspace::undo(layer, paths, {}, {}));
}

Snapshot World::host_tree() const {
  return snapshot(workspace());
}

std::string outcome(const ApplyReport& report, const std::string& path) {
  for (const Line& line : report.lines)
    if (line.change.path == path)
      return std::string(name(line.outcome)) + (line.reason.empty() ? "" : ": " + line.reason);
  return "nothing";
}

void make_tree(World& world) {
  ::mkdir(world.host("src").c_str(), 0755);
  ::mkdir(world.host("src/deep").c_str(), 0750);
  write(world.host("a.txt"), "one\n");
  write(world.host("src/b.txt"), "two\n", 0600);
  write(world.host("src/deep/c.txt"), "three\n");
  make_link("a.txt", world.host("link").c_str());
}

std::string kernel_name(const testing::TestParamInfo<Kernel>& info) {
  constexpr const char* kNames[] = {"user_overlay", "root_overlay", "copy"};
  return kNames[static_cast<size_t>(info.param)];
}

void WorldTest::SetUp() {
  if (::geteuid() != 0) ALOS_SKIP("needs root: it makes overlays, as root and as an ordinary user");
  // In memory where tmpfs keeps user attributes (6.6): thousands of syncs cost nothing there.
  std::string name = "/dev/shm/alos-workspace-XXXXXX";
  if (!::mkdtemp(name.data()) || ::setxattr(name.c_str(), "user.probe", "1", 1, 0) != 0) {
    ::rmdir(name.c_str());
    name = "/tmp/alos-workspace-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
  }
  root_ = name;
  if (GetParam() == Kernel::user_overlay) {
    ASSERT_EQ(::chown(name.c_str(), kUser, kUser), 0);
  }
}

void WorldTest::TearDown() {
  if (root_.empty()) return;
  const size_t slash = root_.rfind('/');
  const auto above = sys::open(root_.substr(0, slash), O_RDONLY | O_DIRECTORY);
  const auto removed = remove_tree(above->get(), root_.substr(slash + 1));
  EXPECT_TRUE(removed) << removed.error().text();
}

void WorldTest::run(const std::function<void(World&)>& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::umask(022);
    if (GetParam() == Kernel::user_overlay)
      become_user();
    else
      must(::unshare(CLONE_NEWNS) == 0, "unshare");
    must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "mount private");
    World world(root_, GetParam() == Kernel::user_overlay ? Form::user : Form::trusted,
                GetParam() == Kernel::plain_copy ? Mode::copy : Mode::layer);
    body(world);
    std::fflush(nullptr);
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the body failed, status " << status;
}

}  // namespace alos::workspace
