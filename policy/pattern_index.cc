#include "policy/pattern_index.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <functional>
#include <map>
#include <string>

namespace alos::policy {
namespace {

constexpr uint32_t kNone = ~0U;

// A list that lives on the stack until it is long.
template <class T, size_t N>
class SmallList {
 public:
  void push(T value) {
    if (size_ < N)
      near_[size_] = value;
    else
      far_.push_back(value);
    ++size_;
  }
  T operator[](size_t i) const { return i < N ? near_[i] : far_[i - N]; }
  size_t size() const { return size_; }
  void clear() {
    size_ = 0;
    far_.clear();
  }

 private:
  std::array<T, N> near_;
  std::vector<T> far_;
  size_t size_ = 0;
};

uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15ULL) * (b ^ 0xbf58476d1ce4e5b9ULL);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t hash(std::string_view text) {
  uint64_t out = text.size();
  for (; text.size() >= 8; text.remove_prefix(8)) {
    uint64_t word;
    __builtin_memcpy(&word, text.data(), 8);
    out = mix(out, word);
  }
  uint64_t word = 0;
  for (const char c : text) word = word << 8 | static_cast<unsigned char>(c);
  return mix(out, word);
}

// Names of literal components, numbered; open addressing, at most half full.
class Symbols {
 public:
  uint32_t add(std::string_view name) {
    if (const uint32_t known = find(name); known != kNone) return known;
    if (slots_.size() < 2 * (names_.size() + 1)) grow();
    names_.emplace_back(name);
    place(static_cast<uint32_t>(names_.size() - 1));
    return static_cast<uint32_t>(names_.size() - 1);
  }
  uint32_t find(std::string_view name) const {
    if (slots_.empty()) return kNone;
    for (size_t at = hash(name) & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      const uint32_t id = slots_[at];
      if (id == kNone || names_[id] == name) return id;
    }
  }

 private:
  void grow() {
    slots_.assign(std::max<size_t>(16, slots_.size() * 2), kNone);
    for (uint32_t id = 0; id < names_.size(); ++id) place(id);
  }
  void place(uint32_t id) {
    size_t at = hash(names_[id]) & (slots_.size() - 1);
    while (slots_[at] != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = id;
  }
  std::vector<std::string> names_;
  std::vector<uint32_t> slots_;
};

// (node, symbol) -> node, in one flat table.
class Edges {
 public:
  uint32_t find(uint32_t node, uint32_t symbol) const {
    if (slots_.empty()) return kNone;
    const uint64_t key = pack(node, symbol);
    for (size_t at = mix(key, 1) & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1))
      if (slots_[at].target == kNone || slots_[at].key == key) return slots_[at].target;
  }
  void add(uint32_t node, uint32_t symbol, uint32_t target) {
    if (slots_.size() < 2 * (count_ + 1)) {
      std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::max<size_t>(16, slots_.size() * 2)));
      for (const Slot& slot : old)
        if (slot.target != kNone) place(slot);
    }
    place({pack(node, symbol), target});
    ++count_;
  }

 private:
  struct Slot {
    uint64_t key = 0;
    uint32_t target = kNone;
  };
  static uint64_t pack(uint32_t node, uint32_t symbol) { return static_cast<uint64_t>(node) << 32 | symbol; }
  void place(Slot slot) {
    size_t at = mix(slot.key, 1) & (slots_.size() - 1);
    while (slots_[at].target != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
  std::vector<Slot> slots_;
  size_t count_ = 0;
};

struct GlobEdge {
  Pattern::Segment segment;
  uint32_t target = 0;
};

// The globs that leave one node, by what their names begin with, or else end with.
class Globs {
 public:
  bool empty() const { return edges_.empty(); }

  uint32_t find(const Pattern::Segment& segment) const {
    for (const GlobEdge& edge : edges_)
      if (edge.segment.pieces == segment.pieces) return edge.target;
    return kNone;
  }

  void add(const Pattern::Segment& segment, uint32_t target) {
    const auto id = static_cast<uint32_t>(edges_.size());
    edges_.push_back({segment, target});
    const std::string &front = segment.pieces.front(), &back = segment.pieces.back();
    if (!front.empty())
      begins_.add(front, id);
    else
      ends_.add(std::string(back.rbegin(), back.rend()), id);
  }

  template <class Found>
  void visit(std::string_view name, Found found) const {
    const auto check = [&](uint32_t id) {
      if (edges_[id].segment.matches(name)) found(edges_[id].target);
    };
    begins_.visit([&](size_t i) { return name[i]; }, name.size(), check);
    ends_.visit([&](size_t i) { return name[name.size() - 1 - i]; }, name.size(), check);
  }

 private:
  // Keys by their characters; visit() meets every key that the text begins with.
  class Letters {
   public:
    void add(const std::string& key, uint32_t id) {
      uint32_t at = 0;
      for (const char c : key) at = child_or_new(at, c);
      nodes_[at].ids.push_back(id);
    }
    template <class At, class Check>
    void visit(At at, size_t size, Check check) const {
      uint32_t node = 0;
      for (size_t i = 0;; ++i) {
        for (const uint32_t id : nodes_[node].ids) check(id);
        if (i == size) return;
        node = child(node, at(i));
        if (node == kNone) return;
      }
    }

   private:
    struct LetterNode {
      std::vector<uint32_t> ids;
      std::vector<std::pair<unsigned char, uint32_t>> next;  // sorted
      std::bitset<256> known;
    };
    uint32_t child(uint32_t node, char c) const {
      const auto letter = static_cast<unsigned char>(c);
      const LetterNode& from = nodes_[node];
      if (!from.known[letter]) return kNone;
      return std::ranges::lower_bound(from.next, letter, {}, [](const auto& edge) { return edge.first; })->second;
    }
    uint32_t child_or_new(uint32_t node, char c) {
      if (const uint32_t known = child(node, c); known != kNone) return known;
      const auto letter = static_cast<unsigned char>(c);
      const auto fresh = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
      LetterNode& from = nodes_[node];
      from.known.set(letter);
      from.next.insert(std::ranges::lower_bound(from.next, letter, {}, [](const auto& edge) { return edge.first; }),
                       {letter, fresh});
      return fresh;
    }
    std::vector<LetterNode> nodes_{1};
  };

  std::vector<GlobEdge> edges_;
  Letters begins_, ends_;
};

struct TrieNode {
  std::vector<uint32_t> values;  // of the patterns that end here
  uint32_t tree = kNone;         // the node behind "**"
  uint32_t loop = kNone;         // of a node behind "**": its number among those
  uint32_t globs = kNone;
};

}  // namespace

struct PatternIndex::Tables {
  std::vector<TrieNode> nodes{1};
  std::vector<Globs> globs;
  Symbols symbols;
  Edges edges;
  uint32_t loops = 0;

  uint32_t fresh() {
    nodes.emplace_back();
    return static_cast<uint32_t>(nodes.size() - 1);
  }

  uint32_t step(uint32_t node, const Pattern::Segment& segment) {
    if (segment.any_depth()) {
      if (nodes[node].tree == kNone) {
        const uint32_t tree = fresh();
        nodes[tree].loop = loops++;
        nodes[node].tree = tree;
      }
      return nodes[node].tree;
    }
    if (segment.literal()) {
      const uint32_t symbol = symbols.add(segment.pieces[0]);
      uint32_t target = edges.find(node, symbol);
      if (target == kNone) edges.add(node, symbol, target = fresh());
      return target;
    }
    if (nodes[node].globs == kNone) {
      nodes[node].globs = static_cast<uint32_t>(globs.size());
      globs.emplace_back();
    }
    Globs& all = globs[nodes[node].globs];
    uint32_t target = all.find(segment);
    if (target == kNone) all.add(segment, target = fresh());
    return target;
  }
};

PatternIndex::PatternIndex() : tables_(std::make_unique<Tables>()) {}
PatternIndex::PatternIndex(PatternIndex&&) noexcept = default;
PatternIndex& PatternIndex::operator=(PatternIndex&&) noexcept = default;
PatternIndex::~PatternIndex() = default;

void PatternIndex::add(const Pattern& pattern, uint32_t value) {
  uint32_t node = 0;
  for (const Pattern::Segment& segment : pattern.segments()) node = tables_->step(node, segment);
  tables_->nodes[node].values.push_back(value);
}

void PatternIndex::finish() {
  for (TrieNode& node : tables_->nodes) {
    std::ranges::sort(node.values);
    node.values.erase(std::ranges::unique(node.values).begin(), node.values.end());
  }
}

// The trie as an automaton: `once` are the nodes reached by exactly the components so far, `loops` the nodes behind a
// "**", which stay reached whatever follows. Each is entered at most once, so no pattern multiplies the work.
void PatternIndex::walk(std::string_view path, void (*found)(void*, uint32_t), void* context) const {
  const Tables& t = *tables_;
  SmallList<uint32_t, 64> first, second, loops;
  auto *once = &first, *next = &second;
  constexpr size_t kNearLoops = 1024;
  std::array<uint64_t, kNearLoops / 64> near{};
  std::vector<uint64_t> far;
  if (t.loops > kNearLoops) far.resize((t.loops + 63) / 64);
  uint64_t* const entered = far.empty() ? near.data() : far.data();
  const auto enter_tree = [&](uint32_t node) {
    const uint32_t tree = t.nodes[node].tree;
    if (tree == kNone) return;
    const uint32_t loop = t.nodes[tree].loop;
    if (entered[loop / 64] >> (loop % 64) & 1) return;
    entered[loop / 64] |= uint64_t{1} << (loop % 64);
    loops.push(tree);
  };

  once->push(0);
  enter_tree(0);
  for (size_t at = path == "/" ? path.size() : 1; at < path.size() && once->size() + loops.size() > 0;) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view name = path.substr(at, end - at);
    at = end + 1;
    const uint32_t symbol = t.symbols.find(name);
    const auto leave = [&](uint32_t node) {
      if (symbol != kNone)
        if (const uint32_t target = t.edges.find(node, symbol); target != kNone) next->push(target);
      if (t.nodes[node].globs != kNone) t.globs[t.nodes[node].globs].visit(name, [&](uint32_t to) { next->push(to); });
    };
    next->clear();
    for (size_t i = 0; i < once->size(); ++i) leave((*once)[i]);
    for (size_t i = 0, before = loops.size(); i < before; ++i) leave(loops[i]);
    std::swap(once, next);
    for (size_t i = 0; i < once->size(); ++i) enter_tree((*once)[i]);
  }
  const auto report = [&](uint32_t node) {
    for (const uint32_t value : t.nodes[node].values) found(context, value);
  };
  for (size_t i = 0; i < once->size(); ++i) report((*once)[i]);
  for (size_t i = 0; i < loops.size(); ++i) report(loops[i]);
}

}  // namespace alos::policy
