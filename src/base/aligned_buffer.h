// Memory for numbers that are made anew at every use: aligned for vector registers and kept from
// call to call. It is no container: it knows no size and constructs nothing.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#include "base/types.h"

namespace pith {

// 64-byte aligned; it only grows, and keeps nothing of its content when it does.
template <typename T>
class AlignedBuffer {
  static_assert(std::is_trivial_v<T>);

 public:
  // Room for `count`. Throws std::bad_alloc, and holds nothing then.
  T* reserve(Index count) {
    if (count > capacity_) {
      data_.reset();
      capacity_ = 0;
      const Index bytes = round_up(count * static_cast<Index>(sizeof(T)), 64);
      data_.reset(static_cast<T*>(std::aligned_alloc(64, static_cast<std::size_t>(bytes))));
      if (!data_) throw std::bad_alloc();
      capacity_ = count;
    }
    return data_.get();
  }
  T* zeros(Index count) { return std::fill_n(reserve(count), count, T{}) - count; }
  T* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  Index capacity_ = 0;
};

}  // namespace pith
