// Signals that are collected while a context reads, and calibrations, on tiny models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "engine/calibration/budgets.h"
#include "engine/calibration/calibrate.h"
#include "engine/compress.h"
#include "engine/reading.h"
#include "engine/signals/chunk_rows.h"
#include "engine/signals/observer.h"
#include "engine/signals/replay.h"
#include "engine/signals/stream.h"
#include "support/error_of.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

using test::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<Engine> tiny_engine(EngineOptions options, test::TinyModelOptions model = {}) {
  static std::vector<std::unique_ptr<std::vector<std::byte>>> files;  // the engines look into them
  files.push_back(std::make_unique<std::vector<std::byte>>(test::tiny_model(model)));
  options.threads = 2;
  options.numerics = Numerics::exact;
  return Engine::from(gguf::File::parse(*files.back(), "tiny"), options);
}

std::vector<Token> some_tokens(Index count) {
  std::vector<Token> tokens;
  for (Index i = 0; i < count; ++i) tokens.push_back(static_cast<Token>((i * 37 + 11) % 250));
  return tokens;
}

std::filesystem::path temporary(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / name;
}

TEST(ChunkRows, GathersChunksByHeadHoweverTheyAreRead) {
  ChunkRows rows(1, 2, 1, 1, 2, 1, 4);  // chunks of 2 tokens of [1, 4), 2 query heads, D 1
  std::vector<std::pair<Index, std::vector<float>>> chunks;
  const auto keep = [&](const ChunkRows::Chunk& chunk) {
    const auto query = chunk.query(1, 2, 1);
    chunks.emplace_back(chunk.begin, std::vector<float>(query.begin(), query.end()));
  };
  rows.add(0, 0, 2, std::vector<float>{0, 10, 1, 11}, std::vector<float>{0, 1}, keep);
  rows.add(0, 2, 3, std::vector<float>{2, 12, 3, 13, 4, 14}, std::vector<float>{2, 3, 4}, keep);
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].first, 1);
  EXPECT_THAT(chunks[0].second, ElementsAre(11, 12));
  EXPECT_THAT(chunks[1].second, ElementsAre(13));
}

recipe::Signals read(const std::shared_ptr<Engine>& engine, const recipe::SignalNeeds& needs,
                     Index prefix = 0) {
  Context context(engine);
  ReadOptions options;
  options.prefix_tokens = prefix;
  return read_document(context, some_tokens(60), needs, options);
}

void expect_near(std::span<const float> a, std::span<const float> b, float tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
}

TEST(Signals, DoNotDependOnHowTheContextIsRead) {
  recipe::SignalNeeds needs;
  needs.query_means = needs.query_magnitudes = needs.rotated_moments = true;
  needs.local_attention = {{.chunk = 16}, {.chunk = 16, .first = 3, .last = 5}};
  needs.echo = 16;
  const auto whole = read(tiny_engine({}), needs, 5),
             pieces = read(tiny_engine({.prefill_chunk = 7}), needs, 5);
  for (std::size_t l = 0; l < whole.layers.size(); ++l) {
    const auto &a = whole.layers[l], &b = pieces.layers[l];
    expect_near(a.query_mean, b.query_mean, 1e-5f);
    expect_near(a.query_magnitude, b.query_magnitude, 1e-5f);
    expect_near(a.rotated_moment, b.rotated_moment, 1e-5f);
    for (std::size_t k = 0; k < 2; ++k)
      expect_near(a.local_attention[k], b.local_attention[k], 1e-4f);
    expect_near(a.echo, b.echo, 1e-5f);
    expect_near(a.echo_plus, b.echo_plus, 1e-5f);
  }
}

TEST(Signals, AReplayRepeatsAsManyTokensAtOnceAsIsAsked) {
  const auto lengths = [](const recipe::Signals& signals) {
    std::vector<Index> out;
    for (const auto& text : signals.replay_texts) out.push_back(text.end - text.begin);
    return out;
  };
  const auto engine = tiny_engine({});
  const auto whole = read(engine, {.replay = true, .replay_queries = {8}}, 5),
             pieces = read(engine, {.replay_chunk = 20, .replay = true, .replay_queries = {8}}, 5);
  EXPECT_THAT(lengths(whole), ElementsAre(55));
  EXPECT_THAT(lengths(pieces), ElementsAre(20, 20, 15));
  const auto &a = whole.layers[1].replay, &b = pieces.layers[1].replay;  // [Hkv, 60]
  for (std::size_t t = 5; t < 60; ++t) EXPECT_GT(b[t], 0) << t;
  EXPECT_NE(a[30], b[30]);  // beside fewer others
  EXPECT_EQ(pieces.replay_chunk, 20);
}

// Without a prefix a later chunk sees itself alone: its first tokens are no sinks, too.
TEST(Signals, AReplaySeesNoSinksBehindNoPrefix) {
  Context context(tiny_engine({}));
  recipe::Signals signals = read_document(context, some_tokens(60), {}, {});
  const auto scores = [&](Index sinks) {
    replay(context, {.chunk = 20, .sinks = sinks, .answer_prompt = {}, .progress = {}}, signals);
    return std::pair(signals.layers[1].replay, signals.layers[1].replay_plus);
  };
  const auto none = scores(0);
  EXPECT_GT(none.first[30], 0);
  EXPECT_EQ(scores(4), none);
}

// Scores of other chunks are not passed off as what a recipe asks for.
TEST(Signals, AReplayByOtherChunksDoesNotServe) {
  Context context(tiny_engine({}));
  const auto named = recipe::Recipe::parse("kvzip(chunk=20) + global @ 2x"),
             other = recipe::Recipe::parse("kvzip + global @ 2x");
  const auto signals = read_document(context, some_tokens(60), named.needs(), {});
  EXPECT_THAT(error_of([&] { compress(context, other, signals); }),
              HasSubstr("a replay by chunks of 20 tokens, 2048 are needed"));
  EXPECT_NO_THROW(compress(context, named, signals));
}

// A piece is repeated whole, so that the chunk of a replay leaves nothing to be collected.
TEST(Signals, ReplaysCanBeCollectedPieceByPiece) {
  for (const char* recipe : {"kvzip @ 2x", "kvzip_plus(chunk=512) + global @ 4x"})
    EXPECT_EQ(StreamCollector::beyond(recipe::Recipe::parse(recipe).needs()), recipe::SignalNeeds{})
        << recipe;
}

TEST(Signals, AttentionInsideAChunkSumsToItsTokens) {
  recipe::SignalNeeds needs;
  needs.local_attention = {{.chunk = 16, .first = 3, .last = 5}};
  const auto signals = read(tiny_engine({}), needs);
  const auto& columns = signals.layers[1].local_attention[0];  // [Hq, 60]
  double sum = 0;
  for (Index t = 3; t < 19; ++t) sum += static_cast<double>(columns[static_cast<std::size_t>(t)]);
  EXPECT_NEAR(sum, 16, 1e-3);
  EXPECT_EQ(columns[2], 0);
  EXPECT_EQ(columns[55], 0);
}

// Queries and keys of one layer, as rows.
class Recorder final : public ReadObserver {
 public:
  void stored(Index layer, std::span<const float> k, std::span<const float>) override {
    if (layer == 1) keys.insert(keys.end(), k.begin(), k.end());
  }
  void rotated(Index layer, std::span<const float> q) override {
    if (layer == 1) queries.insert(queries.end(), q.begin(), q.end());
  }
  std::vector<float> queries, keys;  // [T, Hq, D], [T, Hkv, D]
};

// Of every fourth token behind the first four, over the query heads of a KV head.
TEST(RotatedMoments, AreMeansOfProductsHoweverTheContextIsRead) {
  const auto engine = tiny_engine({.prefill_chunk = 7});
  const auto& config = engine->config();
  const Index D = config.head_dim, group = config.group();
  recipe::SignalNeeds needs;
  needs.rotated_moments = true;
  Context context(engine), other(engine);
  Recorder recorder;
  context.read(some_tokens(60), &recorder);
  std::vector<float> expected;
  for (Index kv_head = 0; kv_head < config.kv_heads; ++kv_head)
    for (Index i = 0; i < D; ++i)
      for (Index j = 0; j < D; ++j) {
        double sum = 0;
        for (Index t = 4; t < 60; t += 4)
          for (Index head = kv_head * group; head < (kv_head + 1) * group; ++head) {
            const float* q = recorder.queries.data() + (t * config.query_heads + head) * D;
            sum += double{q[i]} * q[j];
          }
        expected.push_back(static_cast<float>(sum / static_cast<double>(14 * group)));
      }
  expect_near(read(engine, needs).layers[1].rotated_moment, expected, 1e-5f);
  StreamCollector stream(*engine, needs);
  EXPECT_TRUE(stream.watches());
  EXPECT_EQ(StreamCollector::beyond(needs), recipe::SignalNeeds{});
  const std::vector<Token> tokens = some_tokens(60);
  for (Index first = 0; first < 60; first += 25) {
    const Index count = std::min<Index>(25, 60 - first);
    stream.begin(other.cache(), count);
    other.read(
        std::span(tokens).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
        &stream);
  }
  expect_near(stream.signals().layers[1].rotated_moment, expected, 1e-5f);
}

TEST(Echo, IsTheAttentionOfQueriesMovedBehindTheContext) {
  const auto engine = tiny_engine({});
  const auto& config = engine->config();
  const Index D = config.head_dim, T = 60, begin = 36, end = 52, prefix = 4;
  Context context(engine);
  Recorder recorder;
  context.read(some_tokens(T), &recorder);
  const auto w = engine->cache_rotation().inverse_frequencies[1];
  const auto dot = [&](const float* q, Index key, double delta) {
    const float* k = recorder.keys.data() + key * config.kv_heads * D;  // of KV head 0
    double sum = 0;
    for (Index i = 0; i < D / 2; ++i) {
      const double c = std::cos(delta * w[static_cast<std::size_t>(i)]),
                   s = std::sin(delta * w[static_cast<std::size_t>(i)]);
      sum += (double{q[i]} * c - double{q[i + D / 2]} * s) * double{k[i]} +
             (double{q[i + D / 2]} * c + double{q[i]} * s) * double{k[i + D / 2]};
    }
    return std::exp(sum * static_cast<double>(config.attention_scale));
  };
  std::vector<double> best(T);
  for (Index t = begin; t < end; ++t)
    for (Index head = 0; head < config.group(); ++head) {
      const float* q = recorder.queries.data() + (t * config.query_heads + head) * D;
      const double delta = T + 16 - begin;
      double total = 0;
      for (Index j = 0; j < 4; ++j) total += dot(q, j, delta);
      for (Index j = begin; j < end; ++j) total += dot(q, j, delta);
      for (Index j = begin; j <= t; ++j) total += dot(q, j, 0);
      for (Index j = begin; j < end; ++j)
        best[static_cast<std::size_t>(j)] =
            std::max(best[static_cast<std::size_t>(j)], dot(q, j, delta) / total);
    }
  recipe::SignalNeeds needs;
  needs.echo = 16;
  const auto signals = read(engine, needs, prefix);
  EXPECT_EQ(signals.layers[1].echo[prefix - 1], 0);
  for (Index j = begin; j < end; ++j)
    EXPECT_NEAR(signals.layers[1].echo[static_cast<std::size_t>(j)],
                best[static_cast<std::size_t>(j)], 1e-5);
}

TEST(SecondPass, TheCopyLooksAtTheOriginal) {
  recipe::SignalNeeds needs;
  needs.second_pass = true;
  const auto signals = read(tiny_engine({}), needs);
  for (float weight : signals.layers[0].second_pass) {
    EXPECT_GT(weight, 0);
    EXPECT_LE(weight, 1);
  }
}

TEST(Calibration, ComesBackAsItWasSaved) {
  Calibration made{"tiny", 42, "a note", {{"a.0", {{2, 1}, {1, 2}}}, {"b", {{0}, {}}}}};
  const auto path = temporary("saved.calibration");
  made.save(path);
  const Calibration read = Calibration::load(path);
  EXPECT_EQ(read.model_hash, 42u);
  EXPECT_EQ(read.note, "a note");
  EXPECT_EQ(read.arrays, made.arrays);
  const Index shape[] = {2, 1}, other[] = {3};
  EXPECT_THAT(read.at("a.0", shape).data, ElementsAre(1, 2));
  EXPECT_THAT(error_of([&] { read.at("a.0", other); }), HasSubstr("in shape [2, 1] where [3]"));
  EXPECT_THAT(error_of([&] { read.at("c", other); }), HasSubstr("has no c; make it again"));
}

TEST(Calibration, EveryDamagedByteIsNoticed) {
  const auto path = temporary("damaged.calibration");
  Calibration{"tiny", 42, "", {{"a", {{2}, {1, 2}}}}}.save(path);
  const std::string whole = read_file(path);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x40);
    std::ofstream(path, std::ios::binary) << bytes;
    EXPECT_NE(error_of([&] { Calibration::load(path); }), "no error") << i;
    std::ofstream(path, std::ios::binary) << whole.substr(0, i);
    EXPECT_NE(error_of([&] { Calibration::load(path); }), "no error") << i;
  }
}

TEST(Calibration, OfAnotherModelOrMissingIsRefusedWithTheCommand) {
  const auto path = temporary("other.calibration");
  Calibration{"other", 42, "", {}}.save(path);
  recipe::SignalNeeds needs;
  needs.query_filters = true;
  EXPECT_THAT(error_of([&] { read(tiny_engine({.calibration = path}), needs); }),
              HasSubstr("was calibrated on another model (other)"));
  EXPECT_THAT(error_of([&] { read(tiny_engine({}), needs); }),
              HasSubstr("pith calibrate -m MODEL"));
}

TEST(Calibration, LookedUpHashesFollowTheFileAndOnlyWhereItIsLookedUp) {
  const auto path = temporary("hashed.calibration");
  std::filesystem::remove(path);
  const auto engine = tiny_engine({.calibration = path});
  recipe::SignalNeeds curves, none;
  curves.budget_curves = true;
  EXPECT_THAT(error_of([&] { looked_up_hash(*engine, curves); }), HasSubstr("pith calibrate -m"));
  const auto hash_with = [&](float number) {
    Calibration{"tiny", engine->model().hash(), "", {{"a", {{1}, {number}}}}}.save(path);
    return looked_up_hash(*engine, curves);
  };
  EXPECT_EQ(hash_with(1), hash_with(1));
  EXPECT_NE(hash_with(1), hash_with(2));
  EXPECT_EQ(looked_up_hash(*engine, none), "");
}

TEST(Calibration, NumbersThatNoBudgetCanBeSharedByAreRefused) {
  const auto path = temporary("numbers.calibration");
  const auto engine = tiny_engine({.calibration = path});
  const Index lanes = engine->cache_shape().lanes(), points = 14;
  const auto problem = [&](float kept, float share) {
    Calibration made{"tiny", engine->model().hash(), "", {}};
    std::vector<float> ascending;
    for (Index i = 0; i < points; ++i) ascending.push_back(static_cast<float>(i + 1) / 16);
    ascending[3] = kept;
    made.arrays["curves.kept"] = {{points}, ascending};
    made.arrays["curves.shares"] = {
        {points, lanes}, std::vector<float>(static_cast<std::size_t>(points * lanes), share)};
    made.save(path);
    return error_of([&] {
      recipe::Signals signals;
      look_up_budgets(*engine, {.budget_curves = true}, signals);
    });
  };
  EXPECT_THAT(problem(0.0625f, 0.5f), HasSubstr("curves.kept does not ascend"));
  EXPECT_THAT(problem(0.25f, 1.5f), HasSubstr("outside of [0, 1]"));
  EXPECT_THAT(problem(0.25f, NAN), HasSubstr("no finite number"));
}

// Fewer tokens than hidden components: the ridge can repeat what it was shown.
TEST(Calibrator, FitsWhatItWasShown) {
  const auto path = temporary("tiny.calibration");
  const auto engine = tiny_engine({.calibration = path}, {.width = 128});
  const DocumentPrompt document(*engine, "hello and the hen in the land of the other singer");
  Calibrator calibrator(engine);
  calibrator.add(document);
  const Calibration made = calibrator.finish(1e-5);
  made.save(path);
  EXPECT_EQ(made.arrays.at("kvzap.1").shape, (std::vector<Index>{2, 129}));
  const auto& filter = made.arrays.at("qfilters.0").data;  // [2, 16], of length 1
  double square = 0;
  for (Index i = 0; i < 16; ++i)
    square += std::pow(static_cast<double>(filter[static_cast<std::size_t>(i)]), 2);
  EXPECT_NEAR(square, 1, 1e-5);
  EXPECT_GT(measure_kvzap(engine, document).within_layers, 0.9);
}

}  // namespace
}  // namespace pith
