#include "eval/documents.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "eval/line_file.h"
#include "eval/predictions.h"
#include "eval/survival.h"

namespace pith::eval {
namespace {

using Json = nlohmann::ordered_json;

std::string key(const DocumentRecord& document) {
  return document.suite + "/" + document.id + "/" + document.hash;
}

std::filesystem::path file_beside(const std::filesystem::path& predictions) {
  const std::string name = predictions.filename().string();
  if (predictions.has_parent_path()) return std::filesystem::path("documents") / name;
  return "documents" + name.substr(std::string_view("predictions").size());
}

Json to_json(const std::vector<TextSpan>& spans) {
  Json list = Json::array();
  for (const auto& span : spans) list.push_back({span.begin, span.end});
  return list;
}

std::vector<TextSpan> spans_of(const Json& list, const std::string& text) {
  std::vector<TextSpan> spans;
  for (const Json& pair : list) {
    const TextSpan span{pair.at(0).get<Index>(), pair.at(1).get<Index>()};
    if (span.begin < 0 || span.end < span.begin || span.end > std::ssize(text))
      fail(ErrorCode::bad_file,
           fmt::format("the span [{}, {}) is not in the document, which has {} bytes", span.begin,
                       span.end, text.size()));
    spans.push_back(span);
  }
  return spans;
}

}  // namespace

DocumentRecord record_of(const std::string& suite, const Document& document,
                         const Tokenizer& tokenizer) {
  DocumentRecord record{suite,           document.id,   hash_of(document.text),
                        document.system, document.text, {}};
  const SourceTokens tokens(tokenizer, document.text, 0);
  for (const Item& item : document.items) {
    DocumentItem& written = record.items.emplace_back();
    written.id = item.id;
    written.answers = answer_spans(item);
    written.support = item.support;
    for (const Index token : tokens.overlapping(written.answers))
      written.answer_tokens.push_back(tokens.bytes(token));
  }
  return record;
}

std::string to_line(const DocumentRecord& document) {
  Json items = Json::array();
  for (const auto& item : document.items)
    items.push_back({{"item", item.id},
                     {"answers", to_json(item.answers)},
                     {"support", to_json(item.support)},
                     {"answer_tokens", to_json(item.answer_tokens)}});
  const Json line = {{"suite", document.suite}, {"document", document.id},
                     {"hash", document.hash},   {"system", document.system},
                     {"text", document.text},   {"items", std::move(items)}};
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

DocumentRecord parse_document(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    DocumentRecord document{json.at("suite"),  json.at("document"), json.at("hash"),
                            json.at("system"), json.at("text"),     {}};
    for (const Json& item : json.at("items"))
      document.items.push_back({item.at("item"), spans_of(item.at("answers"), document.text),
                                spans_of(item.at("support"), document.text),
                                spans_of(item.at("answer_tokens"), document.text)});
    return document;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::bad_file, fmt::format("not a document: {}", error.what()));
  }
}

std::vector<DocumentRecord> read_documents(const std::filesystem::path& folder) {
  std::vector<DocumentRecord> documents;
  std::unordered_map<std::string, std::size_t> places;
  for (const auto& file : line_files(folder, "documents", "documents"))
    for_each_whole_line(file, [&](std::string_view line) {
      DocumentRecord document = parse_document(line);
      const auto [place, is_new] = places.try_emplace(key(document), documents.size());
      if (is_new)
        documents.push_back(std::move(document));
      else
        documents[place->second] = std::move(document);
    });
  return documents;
}

DocumentLog::DocumentLog(const std::filesystem::path& folder,
                         const std::filesystem::path& predictions)
    : file_(folder / file_beside(predictions)) {
  for (const auto& document : read_documents(folder))
    lines_[key(document)] = hash_of(to_line(document));
}

bool DocumentLog::has(const DocumentRecord& document) const {
  const auto known = lines_.find(key(document));
  return known != lines_.end() && known->second == hash_of(to_line(document));
}

void DocumentLog::add(const DocumentRecord& document) {
  file_.add(to_line(document));
  lines_[key(document)] = hash_of(to_line(document));
}

}  // namespace pith::eval
