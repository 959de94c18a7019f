// Suites: seeded documents with questions whose answers are known, and where in the text each
// answer stands. Pure text: nothing here runs a model; the same seed gives the same bytes on every
// machine.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith::eval {

// Bytes [begin, end) of a document.
struct TextSpan {
  Index begin = 0, end = 0;
};

// One accepted answer (or one part of it, where the metric wants all parts) and every place of the
// document that states it; none where the answer is computed or stands in the system prompt.
struct Reference {
  std::string text;
  std::vector<TextSpan> spans;
};

enum class Metric {
  contains_all,     // share of the references contained in the answer (RULER `all`)
  keywords,         // 1 if all references stand in the answer as words of their own (S2)
  contains_any,     // 1 if any is (RULER `part`)
  code,             // S0's COLOUR-ANIMAL-NNNN codes, with failure classes
  first_integer,    // the first integer of the answer equals the reference (InfiniteBench passkey)
  last_integer,     // the last one (InfiniteBench code_run)
  word,             // the reference is one of the answer's words (InfiniteBench kv_retrieval)
  prefix,           // share of a sequence of integers that is right from its start (math_calc)
  token_f1,         // SQuAD's F1 over words, the best reference counts
  rouge_l,          // F1 of the longest common subsequence of words (LongBench summaries)
  edit_similarity,  // 2 LCS / (a + b) of the first line of code (LongBench lcc, repobench-p)
  classification,   // 1 / number of classes named, if the right one is (LongBench trec, lsht);
                    // `distractors` are the other classes
  number_share,     // share of the answer's integers that equal the reference (LongBench count and
                    // retrieval)
  abstain,          // right is to say that one does not know
  follows,          // share of the item's rules that were kept
};
std::string_view to_string(Metric metric);
std::optional<Metric> metric_named(std::string_view name);

// Which part of what the model wrote is its answer.
enum class Cut {
  turn,        // up to its first self-made "Question:" or blank line
  first_line,  // up to its first line break (LongBench trec, triviaqa, samsum, lsht)
  whole,       // all of it, as the published scorers of RULER and InfiniteBench have it
};

struct Item {
  std::string id;    // unique within a suite, stable under the seed
  std::string task;  // "needle_single", "niah_multikey_1", "physics_hops", ...
  std::string question;
  std::string answer_prefix;  // the beginning of the answer, given to the model; empty for none
  std::vector<Reference> references;
  Metric metric = Metric::contains_all;
  Cut cut = Cut::turn;
  std::string rule;  // for Metric::follows: rules joined by '|' (judge.h lists them)
  Index max_tokens = 32;
  std::vector<TextSpan>
      support;  // other sentences that the answer needs: earlier hops, who "she" is
  std::vector<std::string> forbidden;    // what a right answer does not claim: it may stand there
                                         // negated ("no images") and only so (S2)
  std::vector<std::string> distractors;  // whole facts of the same kind that are not asked for:
                                         // what a crossover is made of
  std::map<std::string, std::string> tags;  // depth, hops, direction, answer_type, difficulty, ...
};

struct Document {
  std::string id;
  std::string system;  // a system prompt, or empty
  std::string text;
  std::vector<Item> items;
  std::vector<Index> turns;  // bytes of the text at which the turns of a conversation begin; none
                             // where it is one text
};

struct SuiteOptions {
  Index tokens = 4096;  // of a document's text, chat template excluded; reached within 2 % from
                        // below, or to one unit of a list (a line, a function, a coded word)
  Index contexts = 10;  // documents per task; more contexts leave the earlier ones as they are
  std::uint64_t seed = 1;
};

// Throws bad_input for documents of a suite or task that are longer than the model's range. What is
// as long as it is, files and written transcripts, passes.
void check_range(std::string_view suite, const SuiteOptions& options, Index range);

// Counts a text's tokens with the tokenizer of the model under test.
using TokenCounter = std::function<Index(std::string_view)>;

struct SuiteInfo {
  std::string name;
  std::string summary;  // one line
  std::string source;   // paper or repository; "own" for pith's
  std::vector<std::string> tasks;
};
const std::vector<SuiteInfo>& suites();

// All documents of a suite, or of one task by its name. Throws not_found with the nearest names for
// an unknown one, bad_input for a length that cannot hold it.
std::vector<Document> generate(std::string_view suite, const SuiteOptions& options,
                               const TokenCounter& count);
// The same in parts: the tasks of a suite (or of a task: itself), in their order, and one document.
std::vector<std::string> tasks_of(std::string_view suite);
Document generate_one(std::string_view task, Index index, const SuiteOptions& options,
                      const TokenCounter& count);

}  // namespace pith::eval
