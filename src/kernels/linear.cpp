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
  Buffer<std::int8_t> q_buffer;
  Buffer<float> scale_buffer, sum_buffer;
  Buffer<std::int32_t> sums_buffer;
};

}  // namespace

Activations::Activations(Isa isa) : state_(std::make_unique<OwnedState>()) { state_->isa = isa; }
Activations::~Activations() = default;
Activations::Activations(Activations&&) noexcept = default;
Activations& Activations::operator=(Activations&&) noexcept = default;

void Activations::prepare(std::span<const float> x, Index tokens, Index cols, Numerics numerics,
                          ThreadPool& pool) {
  auto& s = static_cast<OwnedState&>(*state_);
  s.numerics = numerics;
  s.tokens = tokens;
  s.cols = cols;
  s.x = x.data();
  s.quantized = numerics == Numerics::fast && cols % kActivationBlock == 0;
  if (!s.quantized) return;
  const Index blocks = cols / kActivationBlock;
  std::int8_t* q = s.q_buffer.reserve(tokens * cols);
  float* scale = s.scale_buffer.reserve(tokens * blocks);
  float* sum = s.sum_buffer.reserve(tokens * blocks);
  std::int32_t* sums = s.sums_buffer.reserve(tokens * blocks * 2);
  s.q = q;
  s.scale = scale;
  s.sum = sum;
  s.sums = sums;
  const auto quantize_row = linear_kernels(s.isa).quantize;
  const auto quantize_token = [&](Index t, int) {
    quantize_row(s.x + t * cols, cols,
                 {q + t * cols, scale + t * blocks, sum + t * blocks, sums + t * blocks * 2});
  };
  if (tokens < 8) {  // a loop over threads would cost more than it saves
    for (Index t = 0; t < tokens; ++t) quantize_token(t, 0);
  } else {
    pool.run(tokens, quantize_token);
  }
}

void multiply(const Activations& x, std::span<const Product> products, ThreadPool& pool) {
  const auto& state = x.state();
  const LinearKernels& kernels = linear_kernels(state.isa);
  Index rows = 0;
  for (const Product& p : products) rows += p.weights.rows;
  const Index target = ceil_div(rows, pool.size() * kItemsPerThread);
  const Index step = std::clamp(round_up(target, 16), Index{16}, Index{256});
  Index items = 0;
  for (const Product& p : products) items += ceil_div(p.weights.rows, step);
  pool.run(items, [&](Index item, int) {
    const Product* p = products.data();
    for (; item >= ceil_div(p->weights.rows, step); ++p) item -= ceil_div(p->weights.rows, step);
    const RowRange range{p, item * step, std::min(step, p->weights.rows - item * step)};
    const bool fast = state.quantized && is_quantized(p->weights.type);
    (fast ? kernels.rows_fast : kernels.rows_exact)(state, range);
  });
}

const LinearKernels& linear_kernels(Isa) { return linear_kernels_scalar(); }

}  // namespace pith
