// What a hostile reading of the kernel's counts found, each as it was shown: what is counted for the machine, or for
// the user who started a box, is not the box's to use up.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

class KernelReview : public InBothModes {
 protected:
  Outcome python(const std::string& script) { return world().run("coding", {"/usr/bin/python3", "-c", script}); }
};

// fs.aio-max-nr is one number for the machine.
TEST_P(KernelReview, no_asynchronous_requests_are_taken_from_the_machine) {
  const Outcome run = python(R"(
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
context = ctypes.c_ulong(0)
calls = {'setup': (206, 1, ctypes.byref(context)), 'destroy': (207, 0), 'getevents': (208, 0, 0, 0, 0, 0),
         'submit': (209, 0, 0, 0), 'cancel': (210, 0, 0, 0), 'pgetevents': (333, 0, 0, 0, 0, 0, 0)}
for name, call in calls.items():
    done = libc.syscall(*call)
    print(name, done, errno.errorcode.get(ctypes.get_errno()))
)");
  EXPECT_EQ(run.out,
            "setup -1 ENOSYS\ndestroy -1 ENOSYS\ngetevents -1 ENOSYS\nsubmit -1 ENOSYS\ncancel -1 ENOSYS\n"
            "pgetevents -1 ENOSYS\n")
      << run.err;
}

INSTANTIATE_TEST_SUITE_P(Around, KernelReview, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
