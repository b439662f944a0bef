#pragma once

#include <cstdint>

// Constants of kernels newer than Debian 12's headers (6.1). Values are ABI: include/uapi of the version named.
namespace alos::box {

// linux/landlock.h
inline constexpr uint64_t kLandlockExecute = 1ULL << 0;
inline constexpr uint64_t kLandlockWriteFile = 1ULL << 1;
inline constexpr uint64_t kLandlockReadFile = 1ULL << 2;
inline constexpr uint64_t kLandlockReadDir = 1ULL << 3;
inline constexpr uint64_t kLandlockRemoveDir = 1ULL << 4;
inline constexpr uint64_t kLandlockRemoveFile = 1ULL << 5;
inline constexpr uint64_t kLandlockMakeChar = 1ULL << 6;
inline constexpr uint64_t kLandlockMakeDir = 1ULL << 7;
inline constexpr uint64_t kLandlockMakeReg = 1ULL << 8;
inline constexpr uint64_t kLandlockMakeSock = 1ULL << 9;
inline constexpr uint64_t kLandlockMakeFifo = 1ULL << 10;
inline constexpr uint64_t kLandlockMakeBlock = 1ULL << 11;
inline constexpr uint64_t kLandlockMakeSym = 1ULL << 12;
inline constexpr uint64_t kLandlockRefer = 1ULL << 13;     // ABI 2, 5.19
inline constexpr uint64_t kLandlockTruncate = 1ULL << 14;  // ABI 3, 6.2
inline constexpr uint64_t kLandlockIoctlDev = 1ULL << 15;  // ABI 5, 6.10

// ABI 6, 6.12: scopes.
inline constexpr uint64_t kLandlockScopeAbstractUnix = 1ULL << 0;
inline constexpr uint64_t kLandlockScopeSignal = 1ULL << 1;

struct LandlockRulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;  // ABI 4
  uint64_t scoped;              // ABI 6
};

// Every file right that an ABI knows.
constexpr uint64_t landlock_known(int abi) {
  const int bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
  return (1ULL << bits) - 1;
}

// What a file, not a directory, can be given.
inline constexpr uint64_t kLandlockFileRights =
    kLandlockExecute | kLandlockWriteFile | kLandlockReadFile | kLandlockTruncate | kLandlockIoctlDev;
inline constexpr uint64_t kLandlockRead = kLandlockReadFile | kLandlockReadDir;
// Device nodes are never made: nobody in a box could, and a box has no use for them.
inline constexpr uint64_t kLandlockWrite = kLandlockWriteFile | kLandlockRemoveDir | kLandlockRemoveFile |
                                           kLandlockMakeDir | kLandlockMakeReg | kLandlockMakeSock | kLandlockMakeFifo |
                                           kLandlockMakeSym | kLandlockRefer | kLandlockTruncate;

// linux/prctl.h, 6.3
inline constexpr int kPrSetMdwe = 65;
inline constexpr int kPrGetMdwe = 66;
inline constexpr unsigned long kPrMdweRefuseExecGain = 1;

// linux/sched.h, 5.6; not in glibc 2.36's sched.h
inline constexpr uint64_t kCloneNewTime = 0x80;

}  // namespace alos::box
