#include "policy/elevation.h"

#include <algorithm>

#include "base/paths.h"
#include "policy/box_plan.h"
#include "policy/pattern.h"
#include "policy/places.h"

namespace alos::policy {
namespace {

struct Kind {
  std::string_view why;
  std::string_view programs;  // with a space before and after each
};

constexpr Kind kKinds[] = {
    {"it is an interpreter, which runs any code that it is given",
     " sh bash rbash dash zsh fish ksh mksh lksh pdksh csh tcsh ash yash busybox toybox pwsh python pypy micropython"
     " ipython node nodejs deno bun tsx ts-node perl ruby irb jruby lua luajit php tclsh wish expect guile racket awk "
     "gawk"
     " mawk nawk original-awk sed ed red ex vi vim nvim view emacs nano R Rscript julia java jshell jrunscript groovy "
     "scala"
     " kotlin dotnet mono osascript ghc runghc ocaml sbcl clisp elixir iex erl escript swipl gprolog octave gdb lldb"
     " sqlite psql mysql mariadb mongosh redis-cli bc dc m4 gnuplot gs qemu wine "},
    {"it takes commands from files in its working directory, which the agent writes",
     " git git-shell hg svn npm npx pnpm pnpx yarn yarnpkg corepack make gmake bmake cmake ctest cpack ninja meson just"
     " task rake rails bundle bundler gem cargo rustc go pip pipx uv uvx poetry hatch pdm tox nox pytest mvn gradle"
     " gradlew ant sbt bazel bazelisk buck composer terraform tofu ansible ansible-playbook vagrant docker"
     " docker-compose podman podman-compose buildah kubectl helm skaffold tilt direnv pre-commit mise asdf nix "
     "nix-shell"
     " nix-build snapcraft dpkg-buildpackage debuild rpmbuild cc gcc g++ c++ clang clang++ ld tsc eslint prettier "
     "webpack"
     " vite jest vitest turbo nx lerna screen tmux "},
    {"it runs other programs, which its arguments or files that it reads name",
     " ssh scp sftp ssh-agent ssh-add rsync mosh tar bsdtar cpio find fd xargs env nice nohup timeout time watch "
     "setsid stdbuf sudo su doas runuser pkexec chroot unshare nsenter"
     " flock parallel script scriptreplay start-stop-daemon systemd-run at batch crontab ionice taskset chrt numactl"
     " prlimit setpriv capsh setarch linux32 linux64 bwrap firejail strace ltrace perf valgrind less more most man "
     "pager"
     " entr run-parts xdg-open "},
};

bool listed(std::string_view name, std::string_view list) {
  const size_t at = name.find(' ') == name.npos ? list.find(" " + std::string(name) + " ") : list.npos;
  return at != list.npos;
}

// "python" of "python3.11", "node" of "node-22", "clang" of "clang-19".
std::string_view without_version(std::string_view name) {
  const size_t last = name.find_last_not_of("0123456789.-_");
  return last == name.npos ? name : name.substr(0, last + 1);
}

}  // namespace

std::string not_elevated(std::string_view program) {
  const std::string_view name = program.substr(program.rfind('/') + 1);
  if (name.starts_with("ld-linux") || (name.starts_with("ld-musl")) || name.starts_with("ld.so"))
    return "it is the dynamic loader, which runs any program that it is given";
  const std::string_view plain = name.substr(0, name.find('.'));  // "vim" of "vim.tiny"
  for (const std::string_view each : {name, without_version(name), without_version(plain)})
    for (const Kind& kind : kKinds)
      if (!each.empty() && listed(each, kind.programs)) return std::string(kind.why);
  return {};
}

std::string not_handed_over(std::string_view path) {
  for (const char* own : kKernelPlaces)
    if (lies_below(path, own))
      return std::string("a run with more rights has its own ") + own +
             ", which leads to its own files, and not to its caller's";
  return {};
}

bool is_made_for_boxes(std::string_view path) {
  const auto matches = [&](const char* own) { return Pattern::parse(own)->matches(path); };
  return std::ranges::any_of(kBoxReadable, matches) || std::ranges::any_of(kBoxPrograms, matches);
}

}  // namespace alos::policy
