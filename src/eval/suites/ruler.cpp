// RULER's 13 tasks (Hsieh et al. 2024). Six are as published: niah_single_1, niah_multikey_2,
// niah_multikey_3, vt, cwe, fwe, with word lists of pith's own. The others need essays, SQuAD or
// HotpotQA and stand on pith's own text instead: "RULER-like". A length is the document's here, not
// that of prompt and answer.
#include "eval/suites/ruler.h"

namespace pith::eval {
namespace ruler {

Document sample_of(const Request& request, Prompt prompt, std::vector<Reference> references,
                   Index max_tokens, bool like) {
  Document document = new_document(request);
  document.text = std::move(prompt.text);
  Item& item = add_item(document, request);
  item.question = std::move(prompt.question);
  item.answer_prefix = std::move(prompt.answer_prefix);
  item.references = std::move(references);
  item.cut = Cut::whole;
  item.max_tokens = max_tokens;
  item.tags["ruler_like"] = std::to_string(like);
  for (const Reference& reference : item.references) {
    if (reference.spans.empty()) continue;
    item.tags["depth"] = percent(static_cast<double>(reference.spans.front().begin) /
                                 static_cast<double>(document.text.size()));
    break;
  }
  return document;
}

namespace {

Document make(const Request& request) {
  if (request.task == "vt") return make_vt(request);
  if (request.task == "cwe") return make_cwe(request);
  if (request.task == "fwe") return make_fwe(request);
  if (request.task.substr(0, 2) == "qa") return make_qa(request);
  return make_niah(request);
}

}  // namespace
}  // namespace ruler

const Family& ruler_family() {
  static const Family family = {
      {"ruler",
       "RULER's 13 tasks, six as published, seven RULER-like on pith's own text",
       "arXiv 2404.06654, NVIDIA/RULER (Apache-2.0)",
       {"niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2",
        "niah_multikey_3", "niah_multivalue", "niah_multiquery", "vt", "cwe", "fwe", "qa_1",
        "qa_2"}},
      ruler::make};
  return family;
}

}  // namespace pith::eval
