// Reading suites from files: a folder of one's own documents, and the published JSON lines of RULER
// and LongBench. It generates nothing; generated suites are suite.h's.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "eval/suite.h"

namespace pith::eval {

// A folder of .txt and .md documents with questions.jsonl, one question a line:
//   {"document": "log.txt", "question": "Where …?", "answers": ["Elmford"]}
// and, if wanted, "metric" (default token_f1), "answer_prefix", "max_tokens", "rule", "system" (the
// same in all questions of a document). Documents come in the order of their names, those without
// questions not at all. Spans are all literal places of an answer in its document.
// All three throw not_found, io or bad_input; bad_input says file:line, what was expected and
// found.
std::vector<Document> load_folder(const std::filesystem::path& folder);

// RULER's {"input", "outputs"} lines, as its prepare.py writes them (answer_prefix in a field of
// its own or at the end of the input). The input is split before its last question, as kvpress
// does. The task is the file's folder, or the file's name if that is not a task of RULER.
std::vector<Document> load_ruler(const std::filesystem::path& file);

// LongBench's {"input", "context", "answers", "dataset", "all_classes"} lines. Prompts are those of
// dataset2prompt.json beside the file or in config/ (tag prompt=published), otherwise pith's own
// (prompt=own). Chinese is scored by characters instead of jieba's words (tag words=characters).
std::vector<Document> load_longbench(const std::filesystem::path& file);

// The same from text: `name` is what messages call it, `task` RULER's task, `prompts` the text of
// dataset2prompt.json or nothing.
std::vector<Document> parse_ruler(std::string_view text, std::string_view name,
                                  std::string_view task);
std::vector<Document> parse_longbench(std::string_view text, std::string_view name,
                                      std::string_view prompts);

}  // namespace pith::eval
