// NAME_fuzz SEEDS COUNT: every file in SEEDS, then COUNT changed ones, the same on each run. What libFuzzer does
// better, but with any compiler and within a gate.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "fuzz.h"

namespace {

namespace fs = std::filesystem;

std::vector<std::string> read_all(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<std::string> out;
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

class Changer {
 public:
  explicit Changer(const std::vector<std::string>& seeds) : seeds_(seeds) {}

  std::string next() {
    std::string text = seeds_[below(seeds_.size())];
    for (size_t i = 0, n = 1 + below(6); i < n; ++i) change(text);
    return text;
  }

 private:
  size_t below(size_t n) { return n == 0 ? 0 : random_() % n; }

  void change(std::string& text) {
    const size_t at = below(text.size() + 1);
    const size_t size = std::min(text.size() - at, 1 + below(16));
    switch (below(6)) {
      case 0:
        text.erase(at, size);
        break;
      case 1:
        text.insert(at, text.substr(at, size));
        break;
      case 2:
        text.insert(at, 1, static_cast<char>(below(256)));
        break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 4: {
        const std::string& other = seeds_[below(seeds_.size())];
        const size_t from = below(other.size() + 1);
        text.insert(at, other.substr(from, 1 + below(64)));
        break;
      }
      default: {
        constexpr std::string_view kWords[] = {"/", "..", "**", "*", "\n",   "\\",   "$workspace", ": ", "- ",
                                               "{", "}",  "[",  "]", "\xff", "deny", "allow",      "\"", "\\u0000"};
        text.insert(at, kWords[below(std::size(kWords))]);
      }
    }
  }

  const std::vector<std::string>& seeds_;
  std::mt19937 random_{20'240'517};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: NAME_fuzz SEEDS COUNT\n", stderr), 2;
  const std::vector<std::string> seeds = read_all(argv[1]);
  alos::fuzz::must(!seeds.empty(), "there are seeds");
  const auto run = [](const std::string& text) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  for (const std::string& seed : seeds) run(seed);
  Changer changer(seeds);
  for (long left = std::strtol(argv[2], nullptr, 10); left > 0; --left) run(changer.next());
}
