#include "policy/places.h"

namespace alos::policy {
namespace {

constexpr const char* kSystemTrees[] = {"/bin",   "/boot",   "/etc", "/lib",  "/lib32",
                                        "/lib64", "/libx32", "/run", "/sbin", "/usr"};

Pattern constant(const std::string& text) {
  return std::move(*Pattern::parse(text));
}

}  // namespace

bool is_system_place(const Pattern& pattern, std::string& which) {
  for (const char* tree : kSystemTrees)
    if (pattern.overlaps(constant(std::string(tree) + "/**"))) return which = tree, true;
  for (const char* node : {"/var", "/var/*"})  // what services keep deeper down may be a policy's business
    if (pattern.overlaps(constant(node))) return which = node, true;
  return false;
}

}  // namespace alos::policy
