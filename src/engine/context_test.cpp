#include "engine/context.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "engine/generate.h"
#include "engine/signals/observer.h"
#include "support/error_of.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

std::shared_ptr<Engine> tiny_engine(test::TinyModelOptions model, EngineOptions options = {}) {
  static std::vector<std::unique_ptr<std::vector<std::byte>>> files;  // the engines look into them
  files.push_back(std::make_unique<std::vector<std::byte>>(test::tiny_model(model)));
  return Engine::from(gguf::File::parse(*files.back(), "tiny"), options);
}

std::vector<Token> some_tokens(Index count) {
  std::vector<Token> tokens;
  for (Index i = 0; i < count; ++i) tokens.push_back(static_cast<Token>((i * 37 + 11) % 250));
  return tokens;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(a[i] - b[i])));
  return worst;
}

class EveryArchitecture : public testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<Engine> engine(Index chunk = 512, int threads = 2) {
    return tiny_engine({.architecture = GetParam(), .sliding_window = 16, .sliding_pattern = 2},
                       {.threads = threads, .numerics = Numerics::exact, .prefill_chunk = chunk});
  }
};

TEST_P(EveryArchitecture, ReadsTheSameInChunksOfAnySize) {
  const auto tokens = some_tokens(70);
  Context whole(engine()), pieces(engine(13));
  whole.read(tokens);
  pieces.read(tokens);
  EXPECT_LT(largest_difference(whole.logits(), pieces.logits()), 1e-4);
}

TEST_P(EveryArchitecture, DecodesWhatItWouldPrefill) {
  const auto tokens = some_tokens(40);
  Context prefilled(engine()), decoded(engine());
  prefilled.read(tokens);
  for (const Token& token : tokens) decoded.read(std::span(&token, 1));
  EXPECT_LT(largest_difference(prefilled.logits(), decoded.logits()), 1e-4);
}

TEST_P(EveryArchitecture, ContextsDecodeTogetherAsAlone) {
  const auto shared = engine();
  Context a(shared), b(shared);
  a.read(some_tokens(20));
  b.read(some_tokens(33));
  Context alone_a = a.fork(), alone_b = b.fork();
  const Token next[] = {5, 9};
  Context* const both[] = {&a, &b};
  Context::read_one_each(both, next);
  alone_a.read(std::span(&next[0], 1));
  alone_b.read(std::span(&next[1], 1));
  EXPECT_LT(largest_difference(a.logits(), alone_a.logits()), 1e-4);
  EXPECT_LT(largest_difference(b.logits(), alone_b.logits()), 1e-4);
}

TEST_P(EveryArchitecture, ScoresAreTheLogitsOfEachPrefix) {
  const auto tokens = some_tokens(24);
  Context scored(engine()), stepped(engine());
  const auto scores = scored.read_and_score(tokens);
  ASSERT_EQ(scores.size(), tokens.size() - 1);
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    stepped.read(std::span(&tokens[i], 1));
    double sum = 0;
    for (float logit : stepped.logits()) sum += std::exp(static_cast<double>(logit));
    EXPECT_NEAR(scores[i],
                static_cast<double>(stepped.logits()[static_cast<std::size_t>(tokens[i + 1])]) -
                    std::log(sum),
                1e-3);
  }
}

TEST_P(EveryArchitecture, SameBitsOnEveryRun) {
  Context first(engine()), second(engine());
  first.read(some_tokens(50));
  second.read(some_tokens(50));
  EXPECT_EQ(largest_difference(first.logits(), second.logits()), 0);
}

TEST_P(EveryArchitecture, ASavedContextGoesOnWithTheSameBits) {
  const auto shared = engine();
  Context context(shared);
  context.read(some_tokens(30));
  const auto path =
      std::filesystem::temp_directory_path() / (std::string("pith_context_") + GetParam());
  context.save(path, "full");
  std::string recipe;
  Context loaded = Context::load(shared, path, &recipe);
  std::filesystem::remove(path);
  const Token next = 7;
  context.read(std::span(&next, 1));
  loaded.read(std::span(&next, 1));
  EXPECT_EQ(recipe, "full");
  EXPECT_EQ(loaded.tokens(), context.tokens());
  EXPECT_EQ(largest_difference(context.logits(), loaded.logits()), 0);
}

// Asks the engine to stop in one layer of one chunk: layers before it have taken the chunk up then.
class StopInside final : public ReadObserver {
 public:
  StopInside(Index first_token, Index layer) : first_token_(first_token), layer_(layer) {}
  std::stop_token token() const { return stop_.get_token(); }
  void begin_chunk(Index first, Index /*rows*/) override { first_ = first; }
  void stored(Index layer, std::span<const float> /*keys*/,
              std::span<const float> /*values*/) override {
    if (first_ == first_token_ && layer == layer_) stop_.request_stop();
  }

 private:
  std::stop_source stop_;
  Index first_token_, layer_, first_ = 0;
};

TEST_P(EveryArchitecture, AStoppedReadLeavesTheContextAsItWas) {
  const auto shared = engine(13);
  const auto before = some_tokens(20), more = some_tokens(40);
  Context context(shared);
  context.read(before);
  Context untouched = context.fork();
  const auto stopped = [&](auto read) {
    StopInside observer(33, 0);  // in the second chunk
    shared->stop_when(observer.token());
    EXPECT_THROW(read(observer), Error);
    shared->stop_when({});
    EXPECT_EQ(context.tokens(), before);
    EXPECT_EQ(context.next_position(), 20);
    EXPECT_EQ(largest_difference(context.logits(), untouched.logits()), 0);
    for (Index lane = 0; lane < context.cache().shape().lanes(); ++lane)
      EXPECT_EQ(context.cache().size(lane), 20) << lane;
  };
  stopped([&](StopInside& observer) { context.read(more, &observer); });
  stopped([&](StopInside& observer) { context.read_and_score(more, {}, &observer); });
  context.read(more);
  untouched.read(more);
  EXPECT_EQ(largest_difference(context.logits(), untouched.logits()), 0);
}

TEST_P(EveryArchitecture, WhatACallbackThrowsLeavesTheContextAsItWas) {
  Context context(engine(13));
  const auto give_up = [](Index done, Index /*total*/) {
    if (done == 26) throw 1;
  };
  EXPECT_THROW(context.read(some_tokens(40), nullptr, give_up), int);
  EXPECT_EQ(context.next_position(), 0);
  EXPECT_EQ(context.cache().entries(), 0);
  EXPECT_TRUE(context.tokens().empty());
  EXPECT_TRUE(context.logits().empty());
}

INSTANTIATE_TEST_SUITE_P(Tiny, EveryArchitecture,
                         testing::Values("llama", "qwen2", "qwen3", "gemma3"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Context, AForkGoesItsOwnWay) {
  Context context(tiny_engine({}));
  context.read(some_tokens(20));
  const std::vector<float> before(context.logits().begin(), context.logits().end());
  Context fork = context.fork();
  fork.read(some_tokens(5));
  EXPECT_EQ(context.next_position(), 20);
  EXPECT_EQ(fork.next_position(), 25);
  EXPECT_EQ(largest_difference(context.logits(), before), 0);
}

// The second context's cache lies in a file of one slab, 239 tiles: 944 tokens in four lanes leave
// three of them, and the next token takes four. A limit on the size of files stands for a full
// disk.
TEST(Context, TokensForSeveralContextsAreReadByAllOrNone) {
  const auto folder = std::filesystem::temp_directory_path() / "pith_context_full_disk";
  const auto engine = tiny_engine({.context = 1024});
  Context in_memory(engine), in_file(engine);
  in_file.cache() =
      cache::Cache(engine->cache_shape(), engine->cache_rotation(), engine->cache_format(), folder);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit one_slab{256 << 10, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &one_slab);
  in_memory.read(some_tokens(20));
  in_file.read(some_tokens(944));
  const std::vector<float> logits(in_file.logits().begin(), in_file.logits().end());
  Context* const both[] = {&in_memory, &in_file};
  const Token next[] = {5, 9};
  EXPECT_THROW(Context::read_one_each(both, next), Error);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  for (Index lane = 0; lane < 4; ++lane) {
    EXPECT_EQ(in_memory.cache().size(lane), 20);
    EXPECT_EQ(in_file.cache().size(lane), 944);
  }
  EXPECT_EQ(in_memory.next_position(), 20);
  EXPECT_EQ(in_file.tokens().size(), 944u);
  EXPECT_EQ(largest_difference(in_file.logits(), logits), 0);
  Context::read_one_each(both, next);
  EXPECT_EQ(in_file.next_position(), 945);
  std::filesystem::remove_all(folder);
}

TEST(Context, RefusesToLeaveTheModelsRange) {
  Context context(tiny_engine({.context = 32}));
  try {
    context.read(some_tokens(33));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_input);
    EXPECT_STREQ(error.what(),
                 "33 tokens leave the model's range of 32 tokens; shorten the text or use a model "
                 "with a longer range");
  }
  context.read(some_tokens(20));
  EXPECT_EQ(test::error_of([&] { context.read(some_tokens(13)); }),
            "13 tokens after 20 leave the model's range of 32 tokens; shorten the text or use a "
            "model with a longer range");
}

TEST(Context, RefusesAnotherModelsFile) {
  Context context(tiny_engine({.seed = 1}));
  context.read(some_tokens(10));
  const auto path = std::filesystem::temp_directory_path() / "pith_context_other_model";
  context.save(path);
  EXPECT_THROW(Context::load(tiny_engine({.seed = 2}), path), Error);
  std::filesystem::remove(path);
}

// The hash is that of the tensors, which do not tell how keys are rotated.
TEST(Context, RefusesAFileOfTheSameWeightsUnderAnotherRotation) {
  const auto engine = tiny_engine({.rope_base = 1e4}), other = tiny_engine({.rope_base = 1e6});
  ASSERT_EQ(engine->model().hash(), other->model().hash());
  Context context(engine);
  context.read(some_tokens(10));
  const auto path = std::filesystem::temp_directory_path() / "pith_context_other_rotation";
  context.save(path);
  EXPECT_EQ(test::error_of([&] { Context::load(engine, path); }), "no error");
  try {
    Context::load(other, path);
    ADD_FAILURE() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_input);
    EXPECT_NE(std::string(error.what()).find("rotated by other frequencies"), std::string::npos);
  }
  std::filesystem::remove(path);
}

TEST(Context, RefusesAPositionThatIsNotThatOfItsTokens) {
  const auto engine = tiny_engine({});
  Context context(engine);
  context.read(some_tokens(10));
  const auto path = std::filesystem::temp_directory_path() / "pith_context_next_position";
  for (const Index position : {9, 11, 1 << 30}) {
    cache::save(context.cache(),
                {.version = 0,
                 .model_name = "tiny",
                 .model_hash = engine->model().hash(),
                 .recipe = "full",
                 .tokens = context.tokens(),
                 .next_position = position},
                path);
    try {
      Context::load(engine, path);
      ADD_FAILURE() << position;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_file);
    }
  }
  std::filesystem::remove(path);
}

TEST(Generate, IsTheSameForTheSameSeed) {
  const auto engine = tiny_engine({});
  Context first(engine);
  first.read(some_tokens(8));
  Context second = first.fork(), third = first.fork();
  const GenerateOptions options{.max_tokens = 12, .sampling = {.temperature = 1.5, .seed = 3}};
  GenerateOptions other = options;
  other.sampling.seed = 4;
  const auto a = generate(first, options), b = generate(second, options),
             c = generate(third, other);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_NE(a.tokens, c.tokens);
}

TEST(Generate, StreamsExactlyWhatItReturns) {
  Context context(tiny_engine({}));
  context.read(some_tokens(8));
  std::string streamed;
  const auto result = generate(
      context, {.max_tokens = 20, .sampling = {.temperature = 1, .seed = 1}, .stop = {"e"}},
      [&](std::string_view text) {
        streamed += text;
        return true;
      });
  EXPECT_EQ(streamed, result.text);
  EXPECT_EQ(result.text.find('e'), std::string::npos);
}

TEST(Generate, TellsTheTokensBeforeAStopStringFromTheTail) {
  Context context(tiny_engine({}));
  context.read(some_tokens(8));
  Context again = context.fork();
  GenerateOptions options{
      .max_tokens = 20, .sampling = {.temperature = 1, .seed = 1}, .ignore_end = true};
  const std::string text = generate(context, options).text;
  options.stop = {text.substr(text.size() / 2, 3)};
  const auto result = generate(again, options);
  EXPECT_EQ(result.reason, StopReason::stop_string);
  EXPECT_LT(result.before_stop, std::ssize(result.tokens));
  const auto before = std::span(result.tokens).first(static_cast<std::size_t>(result.before_stop));
  const std::string bytes = again.engine().tokenizer().decode(before, false);
  EXPECT_EQ(Utf8Stream().push(bytes) + result.tail, result.text);
}

TEST(Generate, TogetherIsAsAlone) {
  const auto engine = tiny_engine({}, {.numerics = Numerics::exact});
  std::vector<Context> together;
  std::vector<Generated> alone;
  for (Index length : {5, 9, 14}) {
    together.emplace_back(engine).read(some_tokens(length));
    Context fork = together.back().fork();
    alone.push_back(generate(fork, {.max_tokens = 15}));
  }
  const auto results = generate_together(together, {.max_tokens = 15});
  for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].tokens, alone[i].tokens);
}

TEST(Generate, AllInTurnAsAlone) {
  const auto engine = tiny_engine({}, {.numerics = Numerics::exact});
  std::vector<Context> contexts;
  std::vector<Generated> alone;
  for (Index i = 0; i < 7; ++i) {
    contexts.emplace_back(engine).read(some_tokens(5 + 3 * i));
    Context fork = contexts.back().fork();
    alone.push_back(generate(fork, {.max_tokens = 10 - i}));
  }
  std::vector<Index> order;
  generate_all(
      3,
      [&](Index i) -> std::optional<GenerateJob> {
        if (i == std::ssize(contexts)) return std::nullopt;
        return GenerateJob{contexts[static_cast<std::size_t>(i)].fork(), {.max_tokens = 10 - i}};
      },
      [&](Index i, const Generated& result) {
        order.push_back(i);
        EXPECT_EQ(result.tokens, alone[static_cast<std::size_t>(i)].tokens);
      });
  EXPECT_EQ(order, (std::vector<Index>{0, 1, 2, 3, 4, 5, 6}));
}

// With int8 activations a difference in the last bit becomes a difference of a code, so this must
// be exact.
TEST(Generate, TogetherIsBitForBitAsAloneWhereBatchSizesAreIgnored) {
  const auto engine = tiny_engine({.weights = WeightType::q8_0, .embeddings = WeightType::q8_0},
                                  {.numerics = Numerics::fast, .ignore_batch_size = true});
  std::vector<Context> together;
  std::vector<Generated> alone;
  std::vector<std::vector<float>> logits;
  for (Index length : {5, 9, 14, 15, 17, 21, 30}) {
    together.emplace_back(engine).read(some_tokens(length));
    Context fork = together.back().fork();
    alone.push_back(generate(fork, {.max_tokens = 15, .ignore_end = true}));
    logits.emplace_back(fork.logits().begin(), fork.logits().end());
  }
  const auto results = generate_together(together, {.max_tokens = 15, .ignore_end = true});
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].tokens, alone[i].tokens);
    EXPECT_TRUE(std::ranges::equal(together[i].logits(), logits[i]));
  }
}

TEST(Sampler, FiltersInOrder) {
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f, -5.0f};
  EXPECT_EQ(Sampler({.temperature = 0}).pick(logits), 1);
  EXPECT_EQ(Sampler({.temperature = 5, .top_k = 1, .seed = 9}).pick(logits), 1);
  EXPECT_EQ(Sampler({.temperature = 1, .top_p = 0.5, .seed = 9}).pick(logits), 1);
  EXPECT_EQ(Sampler({.temperature = 1, .min_p = 0.9, .seed = 9}).pick(logits), 1);
  EXPECT_THROW(Sampler({.temperature = -1}), Error);
}

}  // namespace
}  // namespace pith
