#pragma once

#include <type_traits>

#include "base/archive.h"
#include "policy/policy.h"

// The compiled policy between programs of one installation: decode<Policy>(bytes) and compile() decide as the policy
// did that was encoded. Patterns and usage lines go as their text and are read again, so bytes that hold none decode to
// an error. What decisions do not need is left out: the values of variables (replaced already) and the policy's own
// tests.
namespace alos::policy {

// A type that has text() and parse(text).
template <class A, class T>
void as_text(A& a, T& value) {
  std::string text = std::is_same_v<A, ArchiveReader> ? std::string() : value.text();
  a(text);
  if constexpr (std::is_same_v<A, ArchiveReader>) {
    auto parsed = T::parse(text);
    if (parsed && parsed->text() == text)
      value = std::move(*parsed);
    else
      a.refuse();
  }
}

template <class A, class T>
void as_number(A& a, T& value, T last) {
  a(value);
  if constexpr (std::is_same_v<A, ArchiveReader>) {
    if (value > last) {
      value = T{};
      a.refuse();
    }
  }
}

template <class A>
void fields(A& a, Source& s) {
  a(s.file, s.line, s.column);
}
template <class A>
void fields(A& a, Pattern& p) {
  as_text(a, p);
}
template <class A>
void fields(A& a, Usage& u) {
  as_text(a, u);
}
template <class A>
void fields(A& a, PathPattern& p) {
  a(p.pattern, p.written, p.source);
}
template <class A>
void fields(A& a, FileRule& r) {
  as_number(a, r.effect, Effect::allow);
  a(r.name, r.rights, r.paths, r.except, r.reason, r.degrade, r.optional, r.brokered, r.source, r.origin);
}
template <class A>
void fields(A& a, CommandRule& r) {
  as_number(a, r.effect, Effect::allow);
  a(r.name, r.usage, r.program, r.read, r.write, r.reason, r.source, r.origin);
}
template <class A>
void fields(A& a, ClockLimits& c) {
  a(c.each_ms, c.total_ms);
}
template <class A>
void fields(A& a, Limits& l) {
  a(l.memory, l.processes, l.cpus_milli, l.cpu_time_ms, l.wall_ms, l.disk, l.disk_by, l.open_files);
}
template <class A>
void fields(A& a, Policy& p) {
  as_number(a, p.workspace_mode, WorkspaceMode::copy);
  a(p.name, p.source, p.about, p.hash, p.files, p.commands, p.no_commands, p.clock, p.workspace, p.keep_home, p.project,
    p.limits, p.env_pass, p.env_set, p.degrade, p.mdwe, p.sources);
}

}  // namespace alos::policy
