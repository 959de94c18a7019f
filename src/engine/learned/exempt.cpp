#include "engine/learned/exempt.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

namespace pith {
namespace {

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

// Marks the bytes of what the three patterns find.
std::vector<bool> code_bytes(std::string_view text) {
  std::vector<bool> marked(text.size());
  const auto mark = [&](std::size_t begin, std::size_t end) {
    std::fill(marked.begin() + static_cast<std::ptrdiff_t>(begin),
              marked.begin() + static_cast<std::ptrdiff_t>(end), true);
  };
  for (std::size_t i = 0; i < text.size();) {  // words of a path
    std::size_t end = i;
    while (end < text.size() && (is_name(text[end]) || text[end] == '/')) ++end;
    const auto word = text.substr(i, end - i);
    if (word.size() > 1 && word.find('/') != std::string_view::npos) mark(i, end);
    i = end + 1;
  }
  for (const std::string_view keyword : {"import ", "from ", "require("}) {
    for (std::size_t at = 0; (at = text.find(keyword, at)) != std::string_view::npos;) {
      const bool begins = at == 0 || !is_name(text[at - 1]);
      at += keyword.size();
      std::size_t begin = at;
      while (begin < text.size() && (text[begin] == '\'' || text[begin] == '"')) ++begin;
      std::size_t end = begin;
      while (end < text.size() && (is_name(text[end]) || text[end] == '/')) ++end;
      if (begins) mark(begin, end);
    }
  }
  for (std::size_t i = 0; (i = text.find('\'', i)) != std::string_view::npos;) {
    const std::size_t end = text.find_first_of("'\n", i + 1);
    if (end != std::string_view::npos && text[end] == '\'' && end - i - 1 <= 30) {
      mark(i, end + 1);
      i = end + 1;
    } else {
      ++i;
    }
  }
  return marked;
}

}  // namespace

std::vector<Index> unlike_their_neighbours(std::span<const std::vector<float>> values,
                                           Index kv_heads, Index head_dim, double share) {
  constexpr Index kReach = 5;
  const Index width = kv_heads * head_dim;
  const Index tokens = values.empty() ? 0 : std::ssize(values.front()) / width;
  std::vector<double> unlike(static_cast<std::size_t>(tokens));
  std::vector<double> mean(static_cast<std::size_t>(head_dim));
  for (const auto& layer : values)
    for (Index head = 0; head < kv_heads; ++head)
      for (Index j = 0; j < tokens; ++j) {
        const auto at = [&](Index t, Index i) {
          return double{layer[static_cast<std::size_t>(t * width + head * head_dim + i)]};
        };
        const Index from = std::max<Index>(j - kReach, 0), to = std::min(j + kReach + 1, tokens);
        if (to - from < 2) continue;
        double distance = 0, norm = 0;
        for (Index i = 0; i < head_dim; ++i) {
          double sum = 0;
          for (Index t = from; t < to; ++t) sum += t == j ? 0 : at(t, i);
          const double m = sum / static_cast<double>(to - from - 1), d = at(j, i) - m;
          distance += d * d;
          norm += m * m;
        }
        unlike[static_cast<std::size_t>(j)] += std::sqrt(distance / std::max(norm, 1e-12));
      }
  std::vector<Index> order(static_cast<std::size_t>(tokens));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](Index a, Index b) {
    const double x = unlike[static_cast<std::size_t>(a)], y = unlike[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  });
  order.resize(static_cast<std::size_t>(std::ceil(share * static_cast<double>(tokens))));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<Index> of_code(std::span<const std::string> pieces) {
  std::string text;
  for (const auto& piece : pieces) text += piece;
  const std::vector<bool> marked = code_bytes(text);
  const Index tokens = std::ssize(pieces);
  std::vector<bool> chosen(pieces.size());
  std::size_t at = 0;
  for (Index t = 0; t < tokens; ++t) {
    bool any = false;
    for (std::size_t i = 0; i < pieces[static_cast<std::size_t>(t)].size(); ++i)
      any |= marked[at++];
    for (Index near = t - 1; any && near <= t + 1; ++near)
      if (near >= 0 && near < tokens) chosen[static_cast<std::size_t>(near)] = true;
  }
  std::vector<Index> out;
  for (Index t = 0; t < tokens; ++t)
    if (chosen[static_cast<std::size_t>(t)]) out.push_back(t);
  return out;
}

}  // namespace pith
