// The documents that a run has read, one JSON line each, so that answers can be shown with what
// they were taken from. Written once per document, also when a killed run goes on, and again when
// its questions have changed. It holds no answers.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "eval/line_file.h"
#include "eval/suite.h"
#include "text/tokenizer.h"

namespace pith::eval {

struct DocumentItem {
  std::string id;
  std::vector<TextSpan> answers;        // every place that states a reference
  std::vector<TextSpan> support;        // other sentences that the answer needs
  std::vector<TextSpan> answer_tokens;  // the tokens that `answers` touch, as bytes: what
                                        // Prediction::answer_source counts
};

struct DocumentRecord {
  std::string suite, id;
  std::string hash;  // of the text: Prediction::document_hash
  std::string system, text;
  std::vector<DocumentItem> items;
};

DocumentRecord record_of(const std::string& suite, const Document& document,
                         const Tokenizer& tokenizer);

// One line, without its end; parse(to_line(d)) == d. Throws bad_file for what is no document, and
// for spans outside its text.
std::string to_line(const DocumentRecord& document);
DocumentRecord parse_document(std::string_view line);

// All documents of a run's folder, each text once: of documents.jsonl, of shards and of single work
// items; none in folders of older runs. Of one text with other questions or other places of their
// answers the latest line holds. A torn last line is left out, any other bad line throws bad_file
// with file and number.
std::vector<DocumentRecord> read_documents(const std::filesystem::path& folder);

// Appends to one file of documents and knows what all files of the folder hold.
class DocumentLog {
 public:
  // `predictions` is the file, within the folder, of the answers to these documents:
  // predictions.jsonl goes with documents.jsonl, items/KEY.jsonl with documents/KEY.jsonl.
  DocumentLog(const std::filesystem::path& folder, const std::filesystem::path& predictions);
  // With the same questions, and answers in the same places.
  bool has(const DocumentRecord& document) const;
  void add(const DocumentRecord& document);

 private:
  LineFile file_;
  std::unordered_map<std::string, std::string> lines_;  // hash of the latest, by document
};

}  // namespace pith::eval
