#include "kernels/linear.h"

#include <algorithm>

#include "base/aligned_buffer.h"
#include "kernels/linear_kernels.h"

namespace pith {
namespace {

// Rows that one item of a parallel loop covers: enough items for every thread to have a fair share,
// each large enough to be worth handing out.
constexpr Index kItemsPerThread = 8;
constexpr Index kMostRows = 256;

struct OwnedState : Activations::State {
  AlignedBuffer<float> x_buffer, scale_buffer, sum_buffer, half_sum_buffer;
  AlignedBuffer<std::int8_t> q_buffer, q_pairs_buffer;
  AlignedBuffer<std::int32_t> minus_sum_buffer, minus_half_sum_buffer;

  void reserve() {
    const Index blocks = tiles * tile * block_stride;
    sum = sum_buffer.zeros(blocks);
    if (!quantized) return;
    q = q_buffer.reserve(tiles * tile * cols);
    if (tile == 1) q_pairs = q_pairs_buffer.zeros(blocks * 32);
    scale = scale_buffer.zeros(blocks);
    half_sum = half_sum_buffer.zeros(2 * blocks);
    minus_sum = minus_sum_buffer.reserve(blocks);
    minus_half_sum = minus_half_sum_buffer.reserve(2 * blocks);
  }
};

// A stride that is a multiple of 4 KiB would put one column of all tokens into one cache set.
Index spread(Index floats) { return floats % 256 == 0 ? floats + 16 : floats; }

// Whether the products go row by row; `most` is the table's number of tokens for that. A table
// without panels has one path only.
bool takes_rows(const ActivationState& state, const LinearKernels& kernels, Index most) {
  return !kernels.panels_fast || state.tokens <= (state.ignores_batch_size ? 0 : most);
}

}  // namespace

Activations::Activations(Isa isa) : state_(std::make_unique<OwnedState>()) { state_->isa = isa; }
Activations::~Activations() = default;
Activations::Activations(Activations&&) noexcept = default;
Activations& Activations::operator=(Activations&&) noexcept = default;

void Activations::ignore_batch_size() { state_->ignores_batch_size = true; }

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
  const bool few =
      takes_rows(s, kernels, s.quantized ? kernels.most_rows_fast : kernels.most_rows_exact);
  s.tile = few || !s.quantized ? 1 : ceil_div(tokens, ceil_div(tokens, kernels.most_tile));
  s.tiles = ceil_div(tokens, s.tile);
  s.block_stride = round_up(cols / kActivationBlock, 8);
  if (whole_blocks && (few || s.quantized)) s.reserve();
  const bool copied = !few && !s.quantized && spread(cols) != cols;
  float* copy = nullptr;
  if (copied) {
    s.x_stride = spread(cols);
    s.x = copy = s.x_buffer.reserve(tokens * s.x_stride);
  }
  const auto prepare_tile = [&](Index tile, int) {
    for (Index t = tile * s.tile; t < (tile + 1) * s.tile; ++t) {
      if (copied) std::copy_n(x.data() + t * cols, cols, copy + t * s.x_stride);
      if (whole_blocks && (few || s.quantized)) kernels.prepare(s, t);
    }
  };
  if (few) {  // a loop over threads would cost more than it saves
    for (Index tile = 0; tile < s.tiles; ++tile) prepare_tile(tile, 0);
  } else if (copied || s.quantized) {
    pool.run(s.tiles, prepare_tile);
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
      const bool few = takes_rows(state, kernels, kernels.most_rows_fast);
      (few ? kernels.rows_fast : kernels.panels_fast)(state, range);
    } else {
      const bool few = takes_rows(state, kernels, kernels.most_rows_exact);
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
  thread_local AlignedBuffer<std::byte> scratch;
  return scratch.reserve(bytes);
}

}  // namespace pith
