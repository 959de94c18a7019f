// Signals: what the model revealed while it read. A recipe declares what it needs (SignalNeeds);
// the engine collects just that during prefill and hands it over (Signals). Nothing here runs a
// model.
//
// T = context tokens, indexed by source token. Query heads [Hq] share KV heads in groups of G = Hq
// / Hkv: query head h belongs to KV head h / G. Queries are stored with pairs (i, i + D/2), like
// the keys of the cache.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/types.h"

namespace pith::recipe {

// Attention inside chunks without a causal mask: every token of a chunk looks at every other.
struct LocalAttention {
  Index chunk = 256;
  Index first = 0,
        last = 0;        // tokens at either end that take no part; chunks begin after the first
  bool kvpress = false;  // logits without scale, and zeros that fill the last chunk take part

  friend bool operator==(const LocalAttention&, const LocalAttention&) = default;
};

// Reference queries of self-study: half of them a replay's, half of texts that the model writes
// about the context.
struct SelfStudy {
  Index queries = 0;  // of each query head
  Index seed = 0;     // of the sampling

  friend bool operator==(const SelfStudy&, const SelfStudy&) = default;
};

inline constexpr Index kReplayChunk = 2048;  // KVzip's: tokens of the document repeated at once

// Each field but moments_skip asks for a kind of signal, and has its row in signal_kinds.cpp.
struct SignalNeeds {
  Index window_queries = 0;  // the last w context queries of every layer, rotated
  Index tail_attention = 0;  // what the last w queries look at before anything is compressed
  Index echo = 0;            // virtual replay by chunks of so many tokens; 0: none
  Index replay_chunk = 0;    // tokens that the replay repeats at once; 0: the part leaves it open

  bool query_moments = false;     // mean and covariance of unrotated queries
  bool query_means = false;       // the mean of unrotated queries alone
  bool query_magnitudes = false;  // the mean length of every rotated pair of queries
  bool rotated_moments = false;   // the second moment of rotated queries
  bool attention_sum = false;     // column sums of the prefill's attention
  bool attention_max = false;     // column maxima
  bool replay = false;            // KVzip's replay scores
  bool replay_plus = false;       // KVzip+'s
  bool replay_gradient = false;   // KVgrad's, which go backwards through the model
  bool second_pass = false;       // the context, read again behind itself, looks at its first copy
  bool question_queries = false;  // queries of the question's tokens: the recipe sees the question
  bool question_keys = false;     // their keys
  bool sentences = false;         // where sentences begin
  bool turns = false;             // where the turns of a conversation begin
  bool answer_prompt = false;     // how the chat template goes from a question to its answer
  bool surprisal = false;         // what the model did not expect: needs the logits of every token
  bool structure = false;  // which tokens are punctuation or blanks, and how often they occur
  bool projected_values = false;  // norms of values behind the output projection
  // What was calibrated for the model (engine/calibration/calibration.h) and is looked up, or
  // applied while it reads.
  bool query_filters = false;
  bool kvzap = false;
  bool budget_curves = false;  // what each lane keeps of a global budget
  bool diffuseness = false;    // over how many keys each lane's queries spread

  Index moments_skip = 4;  // first tokens (attention sinks) that query statistics leave out
  std::vector<LocalAttention> local_attention;  // each kind that some part asks for
  // Reference queries by their number: of the context, moved behind it; of the replay; self-study.
  std::vector<Index> context_queries, replay_queries;
  std::vector<SelfStudy> studies;
  std::vector<std::string> encoders;  // files of networks that take part: each must be the model's

  // Whether the context must be read a second time.
  bool replays() const { return repeats() || replay_gradient || second_pass; }
  bool repeats() const {
    return replay || replay_plus || !replay_queries.empty() || !studies.empty();
  }
  bool measures_queries() const { return query_moments || query_means || query_magnitudes; }

  // The union, of which each side can be served as it would be alone. Throws bad_recipe where there
  // is none: of some signals one kind can be collected at a time.
  SignalNeeds& operator|=(const SignalNeeds& other);
  friend bool operator==(const SignalNeeds&, const SignalNeeds&) = default;
};

// One name for each signal that is needed, as docs and messages say it: "window_queries(32)".
std::vector<std::string> names_of(const SignalNeeds& needs);

struct LayerSignals {
  std::vector<float>
      window_queries;  // [Hq, w, D], rotated at positions T - w .. T - 1 (w = min(needed, T))
  std::vector<float> query_mean;        // [Hq, D], unrotated
  std::vector<float> query_covariance;  // [Hq, D, D], unrotated, biased (divided by the count)
  std::vector<float> attention_sum;     // [Hq, T]: sum over all context queries of the weight that
                                        // they gave to token j
  std::vector<float> attention_max;     // [Hq, T]
  std::vector<float> tail_attention;    // [Hq, T]: column sums over the last context queries
  std::vector<float> replay;  // [Hkv, T]: max over replay queries and group (KVzip); 0 where never
                              // scored (chat prefix)
  std::vector<float> replay_plus;  // [Hkv, T]: with rows / ||hidden||, columns * ||Wo v|| (KVzip+)
  std::vector<float> replay_gradient;   // [Hkv, T]: with rows * ||gradient||, columns * ||Wo v||
  std::vector<float> projected_values;  // [Hkv, T]: ||Wo_h v||_1, mean over the group's heads h
  std::vector<float> question_queries;  // [Hq, nq, D], rotated at positions next_position ..
                                        // next_position + nq - 1
  std::vector<std::vector<float>> local_attention;  // [kinds][Hq, T]: column sums
  std::vector<float> query_magnitude;  // [Hq, D/2]: mean of |(q_i, q_{i + D/2})|, unrotated
  std::vector<float> rotated_moment;   // [Hkv, D, D]: mean of q q' of the group's rotated queries
  std::vector<float> question_keys;    // [Hkv, nq, D], rotated like question_queries
  std::vector<float> echo, echo_plus;  // [Hkv, T]: what replay and replay_plus are expected to be
  std::vector<float> second_pass;      // [Hq, T]: the largest weight that the second pass gave
  std::vector<float> query_filters;    // [Hkv, D]: main direction of the group's rotated queries
  std::vector<float> kvzap;            // [Hkv, T]: predicted logarithm of replay_plus
};

// A text that was read behind the context as reference: queries of it can be had again.
struct ReferenceText {
  Index begin = 0, end = 0;  // source tokens that it is about; it sees these and the chat prefix
  std::vector<std::int32_t> tokens;
};

// What attends to the context from behind it: an evenly spaced sample of queries.
struct ReferenceQueries {
  Index wanted = 0;                              // as a need has it
  Index count = 0;                               // as there are, n
  std::vector<std::vector<float>> queries = {};  // [L][Hq, n, D], rotated from next_position on
  // [n] of the token that each predicts, nats when the context was first read; where that is none
  // of it, the mean. Empty unless surprisal was collected, too.
  std::vector<float> surprisal = {};
};

struct StudySignals {
  SelfStudy kind;
  ReferenceQueries references;       // those of the replay first
  Index replayed = 0;                // so many are the replay's
  std::vector<ReferenceText> texts;  // that the model wrote, with what asked for them
};

// What each lane keeps when all lanes share a budget, measured once per model.
struct BudgetCurves {
  std::vector<float> kept;    // [G] parts of all entries, ascending, in (0, 1)
  std::vector<float> shares;  // [G, lanes] the part of its entries that each lane then keeps
};

struct Signals {
  Index tokens = 0;           // T
  Index query_heads = 0;      // Hq
  float attention_scale = 0;  // multiplies q.k
  Index prefix_tokens = 0;    // chat template before the document: tokens [0, prefix_tokens)
  Index next_position = 0;    // of the first token after the context
  Index window = 0;           // w as collected
  Index question_tokens = 0;  // nq
  Index replay_chunk = kReplayChunk;            // tokens that the replay repeated at once
  std::vector<LocalAttention> local_attention;  // the kinds that were collected
  std::vector<ReferenceQueries> context_queries, replay_queries;
  std::vector<StudySignals> studies;
  std::vector<ReferenceText> replay_texts;  // what the replay read
  std::vector<std::int32_t>
      sentence_starts;  // source tokens at which a sentence begins, ascending, first element 0
  std::vector<std::int32_t> turn_starts;    // likewise of a conversation's turns behind the system
                                            // prompt; empty where the text is not one
  std::vector<std::int32_t> answer_prompt;  // chat tokens between a question and its answer
  std::vector<float> surprisal;  // [T] nats: -log p(token | those before it); the first token,
                                 // which nothing predicts, has the mean of the others
  std::vector<std::int32_t> structure;  // [T] of a token that is punctuation or blanks and not
                                        // inside a word or number: how often it occurs so; else 0
  BudgetCurves budget_curves;
  std::vector<float> diffuseness;    // [lanes]: mean over queries of exp(entropy of their weights)
  std::vector<LayerSignals> layers;  // [L]
};

}  // namespace pith::recipe
