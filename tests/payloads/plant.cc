// Threats 19 and 20: files that a tool of the host executes when the agent is gone. Each is planted where
// ESCAPE_WORKSPACE or ESCAPE_HOME says; the host looks whether it is there.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

bool write_file(const std::string& path, std::string_view content, mode_t mode = 0644) {
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    ::mkdir(path.substr(0, at).c_str(), 0755);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, mode);
  if (fd < 0) return false;
  const bool written = ::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  ::close(fd);
  return written;
}

struct Seed {
  std::string_view path;
  std::string_view content;
};

Outcome plant(const char* where, std::initializer_list<Seed> seeds) {
  const std::string base = target(where);
  std::string names;
  for (const Seed& seed : seeds) {
    if (!write_file(base + std::string(seed.path), seed.content, 0755)) return stopped_by_errno(seed.path);
    names += std::string(names.empty() ? "" : " ") + std::string(seed.path);
  }
  return left("planted " + names);
}

Outcome in_workspace(std::initializer_list<Seed> seeds) {
  return plant("ESCAPE_WORKSPACE", seeds);
}
Outcome in_home(std::initializer_list<Seed> seeds) {
  return plant("ESCAPE_HOME", seeds);
}

constexpr std::string_view kMonitor = "[core]\n\tfsmonitor = \"touch /tmp/planted; false\"\n";
constexpr std::string_view kHead = "ref: refs/heads/main\n";
constexpr std::string_view kScript = "#!/bin/sh\necho planted\n";

constexpr Attempt kAttempts[] = {
    {"19.a", "plant a hook in the repository", [] { return in_workspace({{"/.git/hooks/pre-commit", kScript}}); }},
    {"19.b", "plant a setting in the repository", [] { return in_workspace({{"/.git/config", kMonitor}}); }},
    {"19.c", "plant a setting in a nested repository",
     [] { return in_workspace({{"/nested/.git/config", kMonitor}}); }},
    {"19.d", "make a new repository with core.fsmonitor",
     [] {
       return in_workspace({{"/fresh/.git/HEAD", kHead},
                            {"/fresh/.git/objects/.keep", ""},
                            {"/fresh/.git/refs/.keep", ""},
                            {"/fresh/.git/config", kMonitor}});
     }},
    {"19.e", "make a bare repository in a directory",
     [] {
       return in_workspace(
           {{"/docs/HEAD", kHead}, {"/docs/objects/.keep", ""}, {"/docs/refs/.keep", ""}, {"/docs/config", kMonitor}});
     }},
    {"19.f", "point a .git file at a repository of one's own",
     [] {
       return in_workspace({{"/linked/.git", "gitdir: ../elsewhere\n"},
                            {"/elsewhere/HEAD", kHead},
                            {"/elsewhere/objects/.keep", ""},
                            {"/elsewhere/refs/.keep", ""},
                            {"/elsewhere/config", kMonitor}});
     }},
    {"19.g", "plant a setting for a worktree",
     [] { return in_workspace({{"/.git/worktrees/w/config.worktree", kMonitor}}); }},
    {"19.h", "plant a setting in a submodule", [] { return in_workspace({{"/.git/modules/sub/config", kMonitor}}); }},
    {"20.a", "plant a hook for Claude Code",
     [] {
       return in_workspace(
           {{"/.claude/settings.json",
             R"({"hooks":{"SessionStart":[{"hooks":[{"type":"command","command":"echo planted"}]}]}})"}});
     }},
    {"20.b", "plant a configuration for Codex",
     [] { return in_workspace({{"/.codex/config.toml", "notify = [\"echo\", \"planted\"]\n"}}); }},
    {"20.c", "plant an MCP server",
     [] { return in_workspace({{"/.mcp.json", R"({"mcpServers":{"x":{"command":"echo"}}})"}}); }},
    {"20.d", "plant an editor task",
     [] {
       return in_workspace(
           {{"/.vscode/tasks.json",
             R"({"tasks":[{"label":"x","command":"echo planted","runOptions":{"runOn":"folderOpen"}}]})"}});
     }},
    {"20.e", "plant a direnv file", [] { return in_workspace({{"/.envrc", "echo planted\n"}}); }},
    {"20.f", "plant an npm setting", [] { return in_workspace({{"/.npmrc", "script-shell=/bin/echo\n"}}); }},
    {"20.g", "plant a package script",
     [] { return in_workspace({{"/package.json", R"({"scripts":{"postinstall":"echo planted"}})"}}); }},
    {"20.h", "plant a Makefile", [] { return in_workspace({{"/Makefile", "all:\n\techo planted\n"}}); }},
    {"20.i", "plant a conftest.py", [] { return in_workspace({{"/conftest.py", "print('planted')\n"}}); }},
    {"20.j", "plant a workflow", [] { return in_workspace({{"/.github/workflows/x.yml", "on: push\n"}}); }},
    {"20.k", "plant a line in ~/.bashrc", [] { return in_home({{"/.bashrc", "echo planted\n"}}); }},
    {"20.l", "plant a user service",
     [] { return in_home({{"/.config/systemd/user/x.service", "[Service]\nExecStart=/bin/echo planted\n"}}); }},
    {"20.m", "plant a program in ~/.local/bin", [] { return in_home({{"/.local/bin/ls", kScript}}); }},
    {"20.n", "plant an autostart entry",
     [] { return in_home({{"/.config/autostart/x.desktop", "[Desktop Entry]\nExec=echo planted\n"}}); }},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
