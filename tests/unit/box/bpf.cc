#include "tests/unit/box/bpf.h"

#include <array>
#include <cstring>

namespace alos::testing {
namespace {

struct Machine {
  uint32_t a = 0, x = 0;
  std::array<uint32_t, BPF_MEMWORDS> memory{};
};

bool load(Machine& m, const sock_filter& op, const seccomp_data& call) {
  switch (op.code) {
    case BPF_LD | BPF_W | BPF_ABS:
      if (op.k % 4 != 0 || op.k > sizeof call - 4) return false;
      std::memcpy(&m.a, reinterpret_cast<const char*>(&call) + op.k, 4);
      return true;
    case BPF_LD | BPF_IMM:
      m.a = op.k;
      return true;
    case BPF_LDX | BPF_IMM:
      m.x = op.k;
      return true;
    case BPF_LD | BPF_W | BPF_LEN:
      m.a = sizeof call;
      return true;
    case BPF_LDX | BPF_W | BPF_LEN:
      m.x = sizeof call;
      return true;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
      if (op.k >= m.memory.size()) return false;
      (BPF_CLASS(op.code) == BPF_LD ? m.a : m.x) = m.memory[op.k];
      return true;
    default:
      return false;
  }
}

bool store(Machine& m, const sock_filter& op) {
  if (op.k >= m.memory.size()) return false;
  m.memory[op.k] = op.code == BPF_ST ? m.a : m.x;
  return op.code == BPF_ST || op.code == BPF_STX;
}

bool calculate(Machine& m, const sock_filter& op) {
  const uint32_t v = BPF_SRC(op.code) == BPF_X ? m.x : op.k;
  switch (BPF_OP(op.code)) {
    case BPF_ADD:
      m.a += v;
      return true;
    case BPF_SUB:
      m.a -= v;
      return true;
    case BPF_MUL:
      m.a *= v;
      return true;
    case BPF_DIV:
      m.a = v == 0 ? 0 : m.a / v;
      return v != 0 || BPF_SRC(op.code) == BPF_X;
    case BPF_AND:
      m.a &= v;
      return true;
    case BPF_OR:
      m.a |= v;
      return true;
    case BPF_XOR:
      m.a ^= v;
      return true;
    case BPF_LSH:
      m.a = v < 32 ? m.a << v : 0;
      return true;
    case BPF_RSH:
      m.a = v < 32 ? m.a >> v : 0;
      return true;
    case BPF_NEG:
      m.a = -m.a;
      return true;
    default:
      return false;
  }
}

// How many instructions to skip.
std::optional<uint32_t> jump(const Machine& m, const sock_filter& op) {
  const uint32_t v = BPF_SRC(op.code) == BPF_X ? m.x : op.k;
  switch (BPF_OP(op.code)) {
    case BPF_JA:
      return op.k;
    case BPF_JEQ:
      return m.a == v ? op.jt : op.jf;
    case BPF_JGT:
      return m.a > v ? op.jt : op.jf;
    case BPF_JGE:
      return m.a >= v ? op.jt : op.jf;
    case BPF_JSET:
      return (m.a & v) != 0 ? op.jt : op.jf;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Verdict> run(std::span<const sock_filter> program, const seccomp_data& call) {
  Machine m;
  int steps = 0;
  for (size_t at = 0; at < program.size(); ++at) {
    const sock_filter& op = program[at];
    ++steps;
    bool known = true;
    switch (BPF_CLASS(op.code)) {
      case BPF_LD:
      case BPF_LDX:
        known = load(m, op, call);
        break;
      case BPF_ST:
      case BPF_STX:
        known = store(m, op);
        break;
      case BPF_ALU:
        known = calculate(m, op);
        break;
      case BPF_MISC:
        (BPF_MISCOP(op.code) == BPF_TAX ? m.x : m.a) = BPF_MISCOP(op.code) == BPF_TAX ? m.a : m.x;
        break;
      case BPF_RET:
        return Verdict{BPF_RVAL(op.code) == BPF_A ? m.a : op.k, steps};
      case BPF_JMP:
        const auto skip = jump(m, op);
        known = skip.has_value();
        at += skip.value_or(0);
        break;
    }
    if (!known) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace alos::testing
