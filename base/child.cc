#include "base/child.h"

#include <sys/wait.h>

namespace alos::sys {

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

Result<int> wait_for(pid_t child) {
  if (child <= 0) return fail("waitpid", std::to_string(child), ECHILD);
  int status = 0;
  pid_t rc = -1;
  do rc = ::waitpid(child, &status, 0);
  while (rc < 0 && errno == EINTR);
  if (rc != child) return fail_errno("waitpid", std::to_string(child));
  return status;
}

}  // namespace alos::sys
