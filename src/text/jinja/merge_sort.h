// A stable sort that stays within its array whatever the order does: a NaN makes every comparison
// false, which std::sort may not see. It is not in place.
#pragma once

#include <algorithm>
#include <iterator>
#include <vector>

namespace pith::jinja {

template <typename T, typename Before>
void merge_sort(std::vector<T>& items, Before before) {
  std::vector<T> merged;
  for (std::size_t width = 1; width < items.size(); width *= 2) {
    merged.clear();
    const auto at = [&](std::size_t i) {
      return std::make_move_iterator(items.begin() +
                                     static_cast<std::ptrdiff_t>(std::min(i, items.size())));
    };
    for (std::size_t i = 0; i < items.size(); i += 2 * width) {
      std::merge(at(i), at(i + width), at(i + width), at(i + 2 * width), std::back_inserter(merged),
                 before);
    }
    items.swap(merged);
  }
}

}  // namespace pith::jinja
