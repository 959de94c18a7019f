#include "base/suggest.h"

#include <algorithm>
#include <numeric>

namespace pith {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = lower(c);
  return result;
}

}  // namespace

// One row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::vector<std::string> nearest_names(std::string_view name, std::span<const std::string> known,
                                       std::size_t limit) {
  constexpr std::size_t kLongest = 200;  // beyond it no name is a slip of the finger
  if (name.size() > kLongest) return {};
  const std::string wanted = lower(name);
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string& candidate : known) {
    const std::string other = lower(candidate);
    const std::size_t distance = edit_distance(wanted, other);
    const bool within = wanted.size() >= 3 && (other.find(wanted) != std::string::npos ||
                                               wanted.find(other) != std::string::npos);
    if (within || distance <= std::max<std::size_t>(2, other.size() / 3))
      found.emplace_back(distance, candidate);
  }
  std::ranges::sort(found);
  std::vector<std::string> result;
  for (std::size_t i = 0; i < std::min(limit, found.size()); ++i) result.push_back(found[i].second);
  return result;
}

}  // namespace pith
