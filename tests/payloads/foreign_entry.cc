// Threat 26: entering the kernel as 32-bit or x32 code, where numbers mean other calls.

#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstring>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

constexpr long kGetpid32 = 20, kUnshare32 = 310;  // arch/x86/entry/syscalls/syscall_32.tbl

// How a kernel without the entry answers; a sanitizer would take it for a fault of this program.
void let_a_fault_kill() {
  ::signal(SIGSEGV, SIG_DFL);
}

long int80(long number, long argument) {
  let_a_fault_kill();
  long answer = number;
  asm volatile("int $0x80" : "+a"(answer) : "b"(argument) : "memory", "r8", "r9", "r10", "r11");
  return answer;
}

Outcome answered(long answer, std::string_view evidence) {
  return answer < 0 ? stopped_by_errno("the call", static_cast<int>(-answer)) : escaped(evidence);
}

// A far jump into a 32-bit code segment, and back: filters that look at the instruction alone see nothing.
Outcome by_code_segment() {
  let_a_fault_kill();
  auto* page = static_cast<unsigned char*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
  if (page == MAP_FAILED) return stopped_by_errno("mmap");
  // mov $20,%eax; int $0x80; ljmp $0x33,$page+32     then, in 64-bit code at page+32, the stack back, whose upper half
  // is lost on the way, and on to label 1 below
  const unsigned char enter[] = {0xb8, kGetpid32, 0, 0, 0, 0xcd, 0x80, 0xea, 0, 0, 0, 0, 0x33, 0};
  std::memcpy(page, enter, sizeof enter);
  const auto back = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(page)) + 32;
  std::memcpy(page + 8, &back, sizeof back);
  const unsigned char leave[] = {0x4c, 0x89, 0xfc, 0xff, 0x24, 0x24};  // mov %r15,%rsp; jmp *(%rsp)
  std::memcpy(page + 32, leave, sizeof leave);
  struct {
    uint32_t address;
    uint16_t segment;
  } __attribute__((packed)) far{static_cast<uint32_t>(reinterpret_cast<uintptr_t>(page)), 0x23};
  long answer = 0;
  asm volatile(
      "push %%rbp\n lea 1f(%%rip), %%rcx\n push %%rcx\n mov %%rsp, %%r15\n"
      "ljmp *(%%rdx)\n"
      "1: pop %%rcx\n pop %%rbp\n"
      : "=a"(answer)
      : "d"(&far)
      : "memory", "cc", "rbx", "rcx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15");
  return answered(static_cast<int>(answer), "a 32-bit call from a 32-bit segment");
}

Outcome by_x32() {
  return answered(::syscall(0x40000000 | SYS_getpid) < 0 ? -errno : 1, "an x32 call");
}

constexpr Attempt kAttempts[] = {
    {"26.a", "a call by int 0x80", [] { return answered(int80(kGetpid32, 0), "a 32-bit call"); }},
    {"26.b", "a refused call by int 0x80",
     [] { return answered(int80(kUnshare32, CLONE_NEWUSER), "a user namespace by a 32-bit call"); }},
    {"26.c", "a call from a 32-bit code segment", by_code_segment},
    {"26.d", "an x32 call", by_x32},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
