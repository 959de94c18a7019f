#include "eval/report/answers.h"

#include <algorithm>
#include <array>

#include "eval/report/excerpt.h"
#include "eval/report/tables.h"

namespace pith::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr Index kAnswerBytes = 400, kQuestionBytes = 800, kReferenceBytes = 300, kSystemBytes = 800;
constexpr Index kReferences = 12, kPlaces = 12;
constexpr double kShareOfExcerpts = 0.4;  // of the room
constexpr std::array<Index, 5> kAround = {1200, 600, 300, 150, 80};

Index cost(const Json& json) { return std::ssize(script_json(json)) + 1; }

std::string shortened(std::string_view text, Index bytes) {
  const std::string_view start = head(text, bytes);
  return std::string(start) + (start.size() < text.size() ? " …" : "");
}

// A digit per share: 0 for nothing, 9 for all, 1 to 8 between.
std::string digits(const std::vector<double>& shares) {
  std::string text;
  for (const double share : shares)
    text += share <= 0   ? '0'
            : share >= 1 ? '9'
                         : static_cast<char>('1' + std::min(7, static_cast<int>(share * 8)));
  return text;
}

Json pieces_json(const std::vector<Piece>& pieces) {
  Json list = Json::array();
  for (const Piece& piece : pieces) {
    switch (piece.kind) {
      case Piece::Kind::text:
        list.push_back(piece.text);
        break;
      case Piece::Kind::answer:
        list.push_back({"a", piece.text, piece.number});
        break;
      case Piece::Kind::support:
        list.push_back({"s", piece.text});
        break;
      case Piece::Kind::gap:
        list.push_back({"gap", piece.number});
        break;
    }
  }
  return list;
}

Json item_json(const ReportItem& item, const std::string& outcome, Index around) {
  const Prediction& p = *item.any;
  Json references = Json::array();
  for (const auto& reference : p.references)
    if (std::ssize(references) < kReferences)
      references.push_back(shortened(reference, kReferenceBytes));
  if (std::ssize(p.references) > kReferences)
    references.push_back("… and " + std::to_string(std::ssize(p.references) - kReferences) +
                         " more");
  Json json = {{"key", item.key},
               {"suite", p.suite},
               {"task", p.task},
               {"document", p.document},
               {"length", item.length},
               {"question", shortened(p.question, kQuestionBytes)},
               {"prefix", shortened(p.answer_prefix, kReferenceBytes)},
               {"references", std::move(references)},
               {"tags", p.tags},
               {"outcome", outcome}};
  if (item.document && !item.document->system.empty())
    json["system"] = shortened(item.document->system, kSystemBytes);
  json["excerpt"] = nullptr;
  if (item.spans) {
    json["excerpt"] = pieces_json(excerpt(*item.document, *item.spans, around, kPlaces));
    json["places"] = std::ssize(item.spans->answers);
  }
  return json;
}

const std::vector<std::string> kColumns = {
    "item",     "arm",      "score",   "failure",      "fate",           "ended",
    "text",     "tokens",   "kept",    "summarised",   "evicted",        "layers",
    "by_layer", "by_token", "support", "support_kept", "support_evicted"};

Json answer_json(const ReportAnswer& answer, const std::vector<std::string>& classes) {
  const Prediction& p = *answer.prediction;
  const auto failure = std::find(classes.begin(), classes.end(), p.failure);
  Json row = {answer.item,
              answer.arm,
              rounded(p.score, 1e-2),
              failure == classes.end() ? -1 : failure - classes.begin(),
              static_cast<Index>(answer.fate),
              p.ended ? 1 : 0,
              shortened(p.answer, kAnswerBytes)};
  const Survival source = p.answer_source.value_or(Survival{});
  const Survival support = p.support_source.value_or(Survival{});
  for (auto& value :
       {Json(source.tokens), rounded(source.kept, 1e-3), rounded(source.summarised, 1e-3),
        rounded(source.evicted, 1e-3), Json(source.layers), Json(digits(source.kept_by_layer)),
        Json(digits(source.kept_by_token)), Json(support.tokens), rounded(support.kept, 1e-3),
        rounded(support.evicted, 1e-3)})
    row.push_back(value);
  return row;
}

// In the order in which they deserve room: answers lost by the compression, and what `full` said to
// the same questions; other wrong ones; right ones. Within a class the arms take turns, documents
// spread.
std::vector<Index> by_interest(const Gathered& gathered) {
  struct Rank {
    int kind;
    Index turn;
    std::string hash;
    Index answer;
    auto operator<=>(const Rank&) const = default;
  };
  std::vector<bool> lost(gathered.items.size(), false);
  for (const auto& answer : gathered.answers)
    if (answer.lost()) lost[static_cast<std::size_t>(answer.item)] = true;
  std::vector<Rank> ranks;
  for (Index i = 0; i < std::ssize(gathered.answers); ++i) {
    const auto& answer = gathered.answers[static_cast<std::size_t>(i)];
    const bool reference =
        answer.prediction == answer.full && lost[static_cast<std::size_t>(answer.item)];
    const int kind = answer.lost() || reference ? 0 : answer.wrong() ? 1 : 2;
    ranks.push_back(
        {kind, 0, hash_of(gathered.items[static_cast<std::size_t>(answer.item)].key), i});
  }
  std::sort(ranks.begin(), ranks.end());
  std::vector<std::array<Index, 3>> turns(gathered.arms.size(), {0, 0, 0});
  for (Rank& rank : ranks) {
    const Index arm = gathered.answers[static_cast<std::size_t>(rank.answer)].arm;
    rank.turn = turns[static_cast<std::size_t>(arm)][static_cast<std::size_t>(rank.kind)]++;
  }
  std::sort(ranks.begin(), ranks.end());
  std::vector<Index> order;
  for (const Rank& rank : ranks) order.push_back(rank.answer);
  return order;
}

// Of every item, a symbol per arm: 1 right, 0 wrong, p in part, . not asked.
std::vector<std::string> outcomes(const Gathered& gathered) {
  std::vector<std::string> result(gathered.items.size(), std::string(gathered.arms.size(), '.'));
  for (const auto& answer : gathered.answers) {
    const double score = answer.prediction->score;
    result[static_cast<std::size_t>(answer.item)][static_cast<std::size_t>(answer.arm)] =
        score >= 1  ? '1'
        : score > 0 ? 'p'
                    : '0';
  }
  return result;
}

// The widest excerpts that leave room for answers.
Index choose_around(const Gathered& gathered, const std::vector<std::string>& outcome,
                    Index bytes) {
  const auto allowed = static_cast<double>(bytes) * kShareOfExcerpts;
  for (const Index around : kAround) {
    double sum = 0;
    for (std::size_t i = 0; i < gathered.items.size() && sum <= allowed; ++i)
      sum += static_cast<double>(cost(item_json(gathered.items[i], outcome[i], around)));
    if (sum <= allowed) return around;
  }
  return kAround.back();
}

}  // namespace

std::string script_json(const Json& json) {
  const std::string plain = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string text;
  text.reserve(plain.size());
  for (const char c : plain) switch (c) {
      case '<':
        text += "\\u003c";
        break;
      case '>':
        text += "\\u003e";
        break;
      case '&':
        text += "\\u0026";
        break;
      default:
        text += c;
    }
  return text;
}

Embedded embed(const Gathered& gathered, const std::vector<std::string>& failure_classes,
               Index bytes) {
  const auto outcome = outcomes(gathered);
  const Index around = choose_around(gathered, outcome, bytes);
  std::vector<Index> number(gathered.items.size(), -1);
  Json items = Json::array(), rows = Json::array();
  std::array<Index, 2> total = {0, 0}, shown = {0, 0};  // right, wrong
  for (const auto& answer : gathered.answers) ++total[answer.wrong()];
  for (const Index i : by_interest(gathered)) {
    const ReportAnswer& answer = gathered.answers[static_cast<std::size_t>(i)];
    const auto at = static_cast<std::size_t>(answer.item);
    Json row = answer_json(answer, failure_classes);
    Json item;
    Index need = cost(row);
    if (number[at] < 0) need += cost(item = item_json(gathered.items[at], outcome[at], around));
    if (need > bytes) continue;
    bytes -= need;
    if (number[at] < 0) {
      number[at] = std::ssize(items);
      items.push_back(std::move(item));
    }
    row[0] = number[at];
    rows.push_back(std::move(row));
    ++shown[answer.wrong()];
  }
  return {std::move(items),
          {{"columns", kColumns}, {"rows", std::move(rows)}},
          {{"right", total[0] - shown[0]},
           {"wrong", total[1] - shown[1]},
           {"right_total", total[0]},
           {"wrong_total", total[1]},
           {"around", around}}};
}

}  // namespace pith::eval
