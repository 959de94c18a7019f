#include "text/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "text/utf8.h"

namespace pith {
namespace {

// GPT-2 writes the printable bytes of Latin-1 as themselves and the other 68 as U+0100 and up, in
// order.
constexpr bool is_printable(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr std::array<char32_t, 256> make_alphabet() {
  std::array<char32_t, 256> symbols{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) symbols[byte] = is_printable(byte) ? byte : next++;
  return symbols;
}

constexpr std::array<char32_t, 256> kAlphabet = make_alphabet();

constexpr std::array<std::int16_t, 0x144> make_inverse() {
  std::array<std::int16_t, 0x144> bytes{};
  bytes.fill(-1);
  for (unsigned byte = 0; byte < 256; ++byte)
    bytes[kAlphabet[byte]] = static_cast<std::int16_t>(byte);
  return bytes;
}

constexpr std::array<std::int16_t, 0x144> kBytes = make_inverse();

std::uint64_t pair_of(Token left, Token right) {
  return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) |
         static_cast<std::uint32_t>(right);
}

// Best first at the top of a max-heap: the lowest rank, then the leftmost.
bool is_worse(const Bpe::Scratch::Candidate& a, const Bpe::Scratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}

}  // namespace

std::string bytes_of_bpe_token(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t symbol = next_symbol(text, at);
    if (symbol < kBytes.size() && kBytes[symbol] >= 0) {
      out += static_cast<char>(kBytes[symbol]);
    } else {
      out += text.substr(
          begin, at - begin);  // outside the alphabet: an added token, which stands for itself
    }
  }
  return out;
}

Bpe::Bpe(const Vocabulary& vocabulary, const TokenIds& ids, bool takes_words_whole) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string text;
    append_symbol(text, kAlphabet[byte]);
    const auto found = ids.find(text);
    byte_ids_[byte] = found == ids.end() ? -1 : found->second;
  }
  table_.resize(std::bit_ceil(std::max<std::size_t>(2 * vocabulary.merges.size(), 2)));
  merges_.reserve(vocabulary.merges.size());
  for (const std::string& line : vocabulary.merges) {
    const auto refuse = [&](std::string_view why) {
      fail(ErrorCode::bad_model,
           fmt::format("{}: merge {} (\"{}\") {}", vocabulary.name, merges_.size(), line, why));
    };
    const std::size_t space = line.find(' ', 1);
    if (space == std::string::npos || space + 1 == line.size()) refuse("does not name two tokens");
    const std::string_view left = std::string_view(line).substr(0, space);
    const std::string_view right = std::string_view(line).substr(space + 1);
    const auto l = ids.find(left), r = ids.find(right),
               both = ids.find(std::string(left) + std::string(right));
    if (l == ids.end() || r == ids.end() || both == ids.end())
      refuse("names a token that the vocabulary lacks");
    const auto pair = pair_of(l->second, r->second);
    Slot& slot = table_[slot_of(pair)];
    if (slot.pair == kEmpty) slot = {pair, static_cast<std::int32_t>(merges_.size())};
    merges_.push_back({l->second, r->second, both->second});
  }
  if (takes_words_whole) {
    for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
      if (vocabulary.types[i] != TokenType::normal) continue;
      whole_words_.emplace(bytes_of_bpe_token(vocabulary.tokens[i]), static_cast<Token>(i));
    }
  }
}

std::size_t Bpe::slot_of(std::uint64_t pair) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = static_cast<std::size_t>((pair * 0x9e3779b97f4a7c15u) >> 32) & mask;
  while (table_[at].pair != kEmpty && table_[at].pair != pair) at = (at + 1) & mask;
  return at;
}

std::int32_t Bpe::rank(Token left, Token right) const {
  return table_[slot_of(pair_of(left, right))].rank;
}

void Bpe::push(Scratch& scratch, std::int32_t left, std::int32_t right) const {
  if (left < 0 || right < 0) return;
  const auto& symbols = scratch.symbols;
  const Token a = symbols[static_cast<std::size_t>(left)].id,
              b = symbols[static_cast<std::size_t>(right)].id;
  if (a < 0 || b < 0) return;
  const std::int32_t found = rank(a, b);
  if (found < 0) return;
  scratch.heap.push_back({found, left, right});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), is_worse);
}

void Bpe::encode(std::string_view word, Index offset, Scratch& scratch,
                 std::vector<TokenSpan>& out) const {
  if (!whole_words_.empty()) {
    const auto found = whole_words_.find(std::string(word));
    if (found != whole_words_.end()) {
      out.push_back({found->second, offset, offset + static_cast<Index>(word.size())});
      return;
    }
  }
  auto& symbols = scratch.symbols;
  symbols.clear();
  scratch.heap.clear();
  const auto count = static_cast<std::int32_t>(word.size());
  for (std::int32_t i = 0; i < count; ++i) {
    const auto byte = static_cast<unsigned char>(word[static_cast<std::size_t>(i)]);
    const auto at = static_cast<std::uint32_t>(i);
    symbols.push_back({byte_ids_[byte], at, at + 1, i - 1, i + 1 == count ? -1 : i + 1});
    push(scratch, i - 1, i);
  }
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), is_worse);
    const auto best = scratch.heap.back();
    scratch.heap.pop_back();
    const Merge& merge = merges_[static_cast<std::size_t>(best.rank)];
    auto& left = symbols[static_cast<std::size_t>(best.left)];
    auto& right = symbols[static_cast<std::size_t>(best.right)];
    // A candidate whose symbols have merged with others meanwhile is out of date.
    if (left.next != best.right || left.id != merge.left || right.id != merge.right) continue;
    left.id = merge.result;
    left.end = right.end;
    left.next = right.next;
    if (right.next >= 0) symbols[static_cast<std::size_t>(right.next)].previous = best.left;
    right.next = right.previous = -2;
    push(scratch, left.previous, best.left);
    push(scratch, best.left, left.next);
  }
  for (std::int32_t i = count > 0 ? 0 : -1; i >= 0; i = symbols[static_cast<std::size_t>(i)].next) {
    const auto& symbol = symbols[static_cast<std::size_t>(i)];
    if (symbol.id >= 0) out.push_back({symbol.id, offset + symbol.begin, offset + symbol.end});
  }
}

}  // namespace pith
