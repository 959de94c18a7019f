// The documents that a run has read, one JSON line each, so that answers can be shown with what
// they were taken from. Written once per document, also when a killed run goes on. It holds no
// answers.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_set>
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

// All documents of a file, each once; none when there is no file. A torn last line is left out, any
// other bad line throws bad_file with its number.
std::vector<DocumentRecord> read_documents(const std::filesystem::path& path);

// Appends to a file of documents. Opening it cuts off a torn last line and remembers what is there.
class DocumentLog {
 public:
  explicit DocumentLog(const std::filesystem::path& path);
  bool has(const std::string& suite, const std::string& id, const std::string& hash) const {
    return done_.contains(suite + "/" + id + "/" + hash);
  }
  void add(const DocumentRecord& document);

 private:
  LineFile file_;
  std::unordered_set<std::string> done_;
};

}  // namespace pith::eval
