#include "kernels/linear.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "kernels/linear_kernels.h"

namespace pith {
namespace {

// Rows that one item of a parallel loop covers: enough items for every thread to have a fair share,
// each large enough to be worth handing out.
constexpr Index kItemsPerThread = 8;
constexpr Index kMostRows = 256;

struct Free {
  void operator()(void* p) const { std::free(p); }
};

// Grows, never shrinks; its content does not survive growth.
template <typename T>
class Buffer {
 public:
  T* reserve(Index count) {
    if (count > capacity_) {
      const auto bytes = static_cast<std::size_t>(round_up(count * Index{sizeof(T)}, 64));
      data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
      if (!data_) throw std::bad_alloc();
      capacity_ = count;
    }
    return data_.get();
  }

 private:
  std::unique_ptr<T, Free> data_;
  Index capacity_ = 0;
};

struct OwnedState : Activations::State {
  Buffer<float> x_buffer, scale_buffer, sum_buffer, half_sum_buffer;
  Buffer<std::int8_t> q_buffer;
  Buffer<std::int32_t> minus_sum_buffer, minus_half_sum_buffer;
};

// A row stride that is a multiple of 4 KiB would put one column of all tokens into one cache set.
Index spread(Index bytes) { return bytes % 1024 == 0 ? bytes + 64 : bytes; }

// [T, B] zeros where no block will be written.
template <typename T>
T* reserve_blocks(Buffer<T>& buffer, Index tokens, Index stride, Index blocks) {
  T* p = buffer.reserve(tokens * stride);
  for (Index t = 0; t < tokens; ++t) std::fill(p + t * stride + blocks, p + (t + 1) * stride, T{});
  return p;
}

}  // namespace

Activations::Activations(Isa isa) : state_(std::make_unique<OwnedState>()) { state_->isa = isa; }
Activations::~Activations() = default;
Activations::Activations(Activations&&) noexcept = default;
Activations& Activations::operator=(Activations&&) noexcept = default;

void Activations::prepare(std::span<const float> x, Index tokens, Index cols, Numerics numerics,
                          ThreadPool& pool) {
  auto& s = static_cast<OwnedState&>(*state_);
  const LinearKernels& kernels = linear_kernels(s.isa);
  const bool whole_blocks = cols % kActivationBlock == 0;
  s.tokens = tokens;
  s.cols = cols;
  s.x = x.data();
  s.x_stride = cols;
  s.quantized = numerics == Numerics::fast && whole_blocks;
  const bool copied =
      !s.quantized && tokens > kernels.most_tokens_exact && spread(cols * 4) != cols * 4;
  float* copy = nullptr;
  if (copied) {
    s.x_stride = spread(cols * 4) / 4;
    s.x = copy = s.x_buffer.reserve(tokens * s.x_stride);
  }
  if (whole_blocks) {
    const Index blocks = cols / kActivationBlock, stride = round_up(blocks, 8);
    s.block_stride = stride;
    s.sum = reserve_blocks(s.sum_buffer, tokens, stride, blocks);
    if (s.quantized) {
      s.q_stride = spread(cols);
      s.q = s.q_buffer.reserve(tokens * s.q_stride);
      s.scale = reserve_blocks(s.scale_buffer, tokens, stride, blocks);
      s.half_sum = reserve_blocks(s.half_sum_buffer, tokens, 2 * stride, 2 * blocks);
      s.minus_sum = reserve_blocks(s.minus_sum_buffer, tokens, stride, blocks);
      s.minus_half_sum = reserve_blocks(s.minus_half_sum_buffer, tokens, 2 * stride, 2 * blocks);
    }
  }
  const auto prepare_token = [&](Index t, int) {
    if (copied) std::copy_n(x.data() + t * cols, cols, copy + t * s.x_stride);
    if (whole_blocks) kernels.prepare(s, t);
  };
  if (tokens < 8) {  // a loop over threads would cost more than it saves
    for (Index t = 0; t < tokens; ++t) prepare_token(t, 0);
  } else {
    pool.run(tokens, prepare_token);
  }
}

void multiply(const Activations& x, std::span<const Product> products, ThreadPool& pool) {
  const auto& state = x.state();
  const LinearKernels& kernels = linear_kernels(state.isa);
  Index rows = 0;
  for (const Product& p : products) rows += p.weights.rows;
  const Index share = ceil_div(rows, pool.size() * kItemsPerThread);
  const Index step = std::clamp(round_up(share, kPanelRows), kPanelRows, kMostRows);
  Index items = 0;
  for (const Product& p : products) items += ceil_div(p.weights.rows, step);
  pool.run(items, [&](Index item, int) {
    const Product* p = products.data();
    for (; item >= ceil_div(p->weights.rows, step); ++p) item -= ceil_div(p->weights.rows, step);
    const Index first = item * step;
    const RowRange range{p, p->weights.row_bytes(), first, std::min(step, p->weights.rows - first)};
    if (state.quantized && is_quantized(p->weights.type)) {
      const bool few = state.tokens <= kernels.most_tokens_fast;
      (few ? kernels.rows_fast : kernels.panels_fast)(state, range);
    } else {
      const bool few = state.tokens <= kernels.most_tokens_exact;
      (few ? kernels.rows_exact : kernels.panels_exact)(state, range);
    }
  });
}

const LinearKernels& linear_kernels(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return linear_kernels_avx512();
    case Isa::avx2:
      return linear_kernels_avx2();
    case Isa::scalar:
      break;
  }
  return linear_kernels_scalar();
}

std::byte* thread_scratch(Index bytes) {
  thread_local Buffer<std::byte> scratch;
  return scratch.reserve(bytes);
}

}  // namespace pith
