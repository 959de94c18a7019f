#include "text/word_splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "base/error.h"

namespace pith {
namespace {

constexpr std::size_t kJitStackStart = 32 * 1024;
constexpr std::size_t kJitStackLimit = 8 * 1024 * 1024;

}  // namespace

struct WordSplitter::Impl {
  pcre2_code* code = nullptr;
  bool jit = false;
  ~Impl() { pcre2_code_free(code); }
};

WordSplitter::WordSplitter(const PreTokenizer& pre) : impl_(std::make_unique<Impl>()) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  impl_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pre.expression), PCRE2_ZERO_TERMINATED,
                              PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
  PITH_CHECK(impl_->code != nullptr,
             fmt::format("{}: error {} at {}", pre.expression, error, offset));
  // Without JIT (a platform or a policy that forbids it) the interpreter gives the same words,
  // slower.
  impl_->jit = pcre2_jit_compile(impl_->code, PCRE2_JIT_COMPLETE) == 0;
}

WordSplitter::WordSplitter(WordSplitter&&) noexcept = default;
WordSplitter& WordSplitter::operator=(WordSplitter&&) noexcept = default;
WordSplitter::~WordSplitter() = default;

struct WordSplitter::Cursor::Impl {
  const pcre2_code* code = nullptr;
  bool jit = false;
  pcre2_match_data* match = nullptr;
  pcre2_match_context* context = nullptr;
  pcre2_jit_stack* stack = nullptr;
  ~Impl() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(match);
  }
};

WordSplitter::Cursor::Cursor(const WordSplitter& splitter) : impl_(std::make_unique<Impl>()) {
  impl_->code = splitter.impl_->code;
  impl_->jit = splitter.impl_->jit;
  impl_->match = pcre2_match_data_create_from_pattern(impl_->code, nullptr);
  impl_->context = pcre2_match_context_create(nullptr);
  if (impl_->match == nullptr || impl_->context == nullptr) throw std::bad_alloc();
  if (!impl_->jit) return;
  impl_->stack = pcre2_jit_stack_create(kJitStackStart, kJitStackLimit, nullptr);
  if (impl_->stack == nullptr) throw std::bad_alloc();
  pcre2_jit_stack_assign(impl_->context, nullptr, impl_->stack);
}

WordSplitter::Cursor::~Cursor() = default;

std::size_t WordSplitter::Cursor::next(std::string_view text, std::size_t begin) {
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  // The caller has checked the text once; checking again at every word would make the whole
  // quadratic.
  const int found = impl_->jit ? pcre2_jit_match(impl_->code, subject, text.size(), begin,
                                                 PCRE2_NO_UTF_CHECK, impl_->match, impl_->context)
                               : pcre2_match(impl_->code, subject, text.size(), begin,
                                             PCRE2_NO_UTF_CHECK, impl_->match, impl_->context);
  if (found < 0) {
    fail(ErrorCode::bad_input,
         fmt::format("the pre-tokenizer gave up at byte {} of the text (PCRE2 error {})", begin,
                     found));
  }
  const PCRE2_SIZE* where = pcre2_get_ovector_pointer(impl_->match);
  PITH_CHECK(where[0] == begin && where[1] > begin,
             fmt::format("{} {} {}", begin, where[0], where[1]));
  return where[1];
}

}  // namespace pith
