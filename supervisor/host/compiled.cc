#include "supervisor/host/compiled.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/digest.h"
#include "base/follow_links.h"
#include "base/print.h"
#include "base/sys.h"

namespace alos::host {
namespace {

constexpr size_t kCompiledLimit = 16 << 20;
constexpr size_t kSourceLimit = 4 << 20;

Result<void> check_cache_directory(const std::string& directory) {
  TRY(sys::make_dirs(directory, 0700));
  const UniqueFd fd = TRY(sys::open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const auto st = TRY(sys::fstat(fd.get()));
  if (st.st_uid != ::geteuid() || (st.st_mode & 077) != 0)
    return fail("cache", directory, EPERM, "it must belong to you and be closed to others (chmod 700)");
  return {};
}

bool unchanged(const box::SourceFile& source) {
  const auto text = sys::read_regular(source.path, kSourceLimit);
  if (!text) return !source.present && (text.error().code == ENOENT || text.error().code == ENOTDIR);
  return source.present && digest(*text) == source.content;
}

Result<box::Compiled> from_cache(const std::string& path) {
  const UniqueFd fd = TRY(sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  const auto st = TRY(sys::fstat(fd.get()));
  if (!S_ISREG(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 022) != 0) return fail("cache", path, EPERM);
  auto compiled = TRY(decode<box::Compiled>(TRY(sys::read_file(fd.get(), kCompiledLimit)), path));
  if (compiled.sources.empty()) return fail("cache", path, EBADMSG);
  for (const box::SourceFile& source : compiled.sources)
    if (!unchanged(source)) return fail("cache", path, ESTALE, source.path);
  for (const auto& [named, way] : compiled.programs)
    if (way_of(named) != way) return fail("cache", path, ESTALE, named);
  return compiled;
}

Result<void> compile(const PolicyChoice& choice, const std::string& programs, const std::string& into) {
  std::vector<std::string> words{programs + "/alos-policy", "compile", "--output", into};
  if (!choice.workspace.empty()) words.insert(words.end(), {"--workspace", choice.workspace});
  for (const auto& [name, value] : choice.variables) {
    words.emplace_back("--var");
    words.push_back(name + "=" + value);
  }
  words.push_back(choice.policy);
  const std::vector<char*> argv = sys::pointers_to(words);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork", words[0]);
  if (pid == 0) {
    ::execv(argv[0], argv.data());
    alos::print_error("alos: cannot execute {}: {}; the installation is incomplete\n", words[0],
                      strerrordesc_np(errno));
    ::_exit(127);
  }
  const int status = TRY(sys::wait_for(pid));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return fail("policy", choice.policy, ENOEXEC);
  return {};
}

// Identity of the program that compiles: another build makes another file.
std::string build_of(const std::string& program) {
  struct stat st{};
  if (::stat(program.c_str(), &st) != 0) return "";
  return fmt::format("{}:{}:{}:{}.{}", st.st_dev, st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

}  // namespace

std::string cache_file(const PolicyChoice& choice, const Directories& directories, const std::string& programs) {
  Hasher hasher;
  hasher.add_field(build_of(programs + "/alos-policy"));
  hasher.add_field(choice.policy);
  char cwd[PATH_MAX];
  hasher.add_field(choice.workspace.empty() ? "here" : "given");  // one that is given must be declared
  hasher.add_field(!choice.workspace.empty() ? choice.workspace : ::getcwd(cwd, sizeof cwd) ? cwd : "");
  for (const auto& [name, value] : choice.variables) hasher.add_field(name), hasher.add_field(value);
  return directories.cache + "/policies/" + hex(hasher.finish()).substr(0, 32);
}

Result<box::Compiled> compiled_policy(const PolicyChoice& choice, const Directories& directories) {
  const std::string programs = TRY(program_directory());
  TRY(check_cache_directory(directories.cache));
  TRY(check_cache_directory(directories.cache + "/policies"));
  const std::string path = cache_file(choice, directories, programs);
  if (auto cached = from_cache(path)) return cached;
  TRY(compile(choice, programs, path));
  return from_cache(path);
}

}  // namespace alos::host
