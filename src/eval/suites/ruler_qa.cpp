// RULER-like question answering: numbered documents, one life each. qa_1 asks for a fact of one
// document, as SQuAD's questions do; qa_2 for one that two documents give together, as HotpotQA's.
#include <algorithm>

#include "eval/suites/biography.h"
#include "eval/suites/ruler.h"

namespace pith::eval::ruler {
namespace {

constexpr std::string_view kInstruction =
    "Answer the question based on the given documents. Only give me the answer and do not output "
    "any other words.\n\n";

// The text up to `n` sentences, and where each begins.
struct Documents {
  std::string text;
  std::vector<Index> begins;
};

Documents first_sentences(const std::vector<Biography>& lives, Index n) {
  Documents documents;
  documents.text = std::string(kInstruction) + "The following are given documents.\n\n";
  for (Index i = 0; i < n; ++i) {
    const Index life = i / kTraits, sentence = i % kTraits;
    if (sentence == 0)
      documents.text += fmt::format("{}Document {}:\n", life == 0 ? "" : "\n\n", life + 1);
    else
      documents.text += ' ';
    documents.begins.push_back(static_cast<Index>(documents.text.size()));
    documents.text +=
        lives[static_cast<std::size_t>(life)].sentences[static_cast<std::size_t>(sentence)].text;
  }
  documents.text += "\n\n";
  return documents;
}

// The span of a trait's value, in the text.
TextSpan place(const Documents& documents, const std::vector<Biography>& lives, Index life,
               Trait trait) {
  const Biography& of = lives[static_cast<std::size_t>(life)];
  const Index sentence = of.sentence(trait);
  const Index begin = documents.begins[static_cast<std::size_t>(life * kTraits + sentence)];
  for (const Slot& slot : of.sentences[static_cast<std::size_t>(sentence)].slots)
    if (slot.name == "value") return {begin + slot.span.begin, begin + slot.span.end};
  return {};
}

}  // namespace

Document make_qa(const Request& request) {
  Rng rng = request.rng();
  const bool two = request.task == "qa_2";
  const Index most = std::min<Index>(request.options.tokens / 40 + 4, 4000);
  const auto lives = make_biographies(rng, most, true);
  const Index n = fit_units(2 * kTraits, request.length(), "two documents", [&](Index sentences) {
    return first_sentences(lives, std::min(sentences, most * kTraits)).text;
  });
  const Documents documents = first_sentences(lives, n);
  const Index whole = n / kTraits;  // a last document may be cut short
  const Index asked = rng.below(whole - (two ? 1 : 0));
  const auto trait = pick(rng, std::array{Trait::birth_city, Trait::instrument, Trait::hobby,
                                          Trait::employer, Trait::team, Trait::major});
  const Index life = two ? asked + 1 : asked;
  const Biography& of = lives[static_cast<std::size_t>(life)];
  std::string question = forward_question(of, trait);
  if (two) {  // the next document's person, named only as the spouse
    const auto& spouse = of.person.name;
    question.replace(question.find(spouse), spouse.size(),
                     "the spouse of " + lives[static_cast<std::size_t>(asked)].person.name);
  }
  Prompt prompt = {documents.text, std::string(kInstruction) + "Question: " + question, "Answer:"};
  Document document =
      sample_of(request, std::move(prompt),
                {{of.value(trait), {place(documents, lives, life, trait)}}}, 32, true);
  Item& item = document.items[0];
  item.metric = Metric::contains_any;
  item.tags["hops"] = std::to_string(1 + two);
  if (two) item.support = {place(documents, lives, asked, Trait::spouse)};
  return document;
}

}  // namespace pith::eval::ruler
