// Suites: seeded documents with questions whose answers are known, and where in the text each answer stands. Pure text: nothing here
// runs a model, and the same seed gives the same bytes on every machine.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith::eval {

// Bytes [begin, end) of a document.
struct TextSpan {
  Index begin = 0, end = 0;
};

// One accepted answer (or one part of it, where the metric wants all parts) and every place of the document that states it.
struct Reference {
  std::string text;
  std::vector<TextSpan> spans;
};

enum class Metric {
  contains_all,   // share of the references contained in the answer (RULER `all`)
  contains_any,   // 1 if any is (RULER `part`)
  code,           // S0's ADJECTIVE-ANIMAL-NNNN codes, with failure classes
  first_integer,  // the first integer of the answer equals the reference (InfiniteBench passkey)
  last_integer,   // the last one (InfiniteBench code_run)
  word,           // the reference is one of the answer's words (InfiniteBench kv_retrieval)
  prefix,         // share of a sequence that is right from its start (InfiniteBench math_calc)
  token_f1,       // SQuAD-style F1 over words, the best reference counts
  abstain,        // right is to say that one does not know
  follows,        // a rule was kept: judged by the item's `rule`
};

struct Item {
  std::string id;                  // unique within a suite, stable under the seed
  std::string task;                // "needle_single", "niah_multikey_1", "physics_hops", ...
  std::string question;
  std::string answer_prefix;       // the beginning of the answer, given to the model; empty for none
  std::vector<Reference> references;
  Metric metric = Metric::contains_all;
  std::string rule;                // for Metric::follows: "uppercase", "ends_with:END", "not_contains:SECRET", ...
  Index max_tokens = 32;
  std::vector<std::string> distractors;    // whole facts of the same kind that are not asked for: what a crossover is made of
  std::map<std::string, std::string> tags; // depth, hops, direction, answer_type, difficulty, ...
};

struct Document {
  std::string id;
  std::string system;              // a system prompt, or empty
  std::string text;
  std::vector<Item> items;
};

struct SuiteOptions {
  Index tokens = 4096;             // of a document, chat template excluded; reached within 2 %
  Index contexts = 10;             // documents per task
  std::uint64_t seed = 1;
};

// Counts a text's tokens with the tokenizer of the model under test.
using TokenCounter = std::function<Index(std::string_view)>;

struct SuiteInfo {
  std::string name;
  std::string summary;             // one line
  std::string source;              // paper or repository; "own" for pith's
  std::vector<std::string> tasks;
};
const std::vector<SuiteInfo>& suites();

// All documents of a suite. Throws not_found with the nearest names for an unknown one, bad_input for a length that cannot hold it.
std::vector<Document> generate(std::string_view suite, const SuiteOptions& options, const TokenCounter& count);

}  // namespace pith::eval
