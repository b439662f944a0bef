#pragma once

#include <string>

// What people are told of a program that could not be started in the box.
namespace alos::host {

// What a command is for the caller, outside: found before the supervisor becomes an id that may not look everywhere.
struct Outside {
  std::string path;  // as the caller's shell would find it; empty: not at all
  std::string real;  // the file that it leads to
};
template <class A>
void fields(A& a, Outside& o) {
  a(o.path, o.real);
}

// `path` is the caller's $PATH.
Outside find_outside(const std::string& program, const std::string& path);

// `error` is what executing it in the box ended with (init::Report::not_started). Says what the program is outside, and
// the line that would add it to the policy.
std::string why_not_started(const std::string& program, int error, const Outside& outside);

}  // namespace alos::host
