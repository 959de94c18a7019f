// RULER's eight needle tasks: "One of the special magic numbers for brisk-anchor is: 7261448."
#include <algorithm>
#include <cmath>

#include "eval/suites/ruler.h"

namespace pith::eval::ruler {
namespace {

enum class Haystack { noise, essay, needles };
enum class Kind { word, number, uuid };

struct Variant {
  std::string_view task;
  Haystack haystack;
  Kind key, value;
  Index keys, values, queries;
};
constexpr Variant kVariants[] = {
    {"niah_single_1", Haystack::noise, Kind::word, Kind::number, 1, 1, 1},
    {"niah_single_2", Haystack::essay, Kind::word, Kind::number, 1, 1, 1},
    {"niah_single_3", Haystack::essay, Kind::word, Kind::uuid, 1, 1, 1},
    {"niah_multikey_1", Haystack::essay, Kind::word, Kind::number, 4, 1, 1},
    {"niah_multikey_2", Haystack::needles, Kind::word, Kind::number, 1, 1, 1},
    {"niah_multikey_3", Haystack::needles, Kind::uuid, Kind::uuid, 1, 1, 1},
    {"niah_multivalue", Haystack::essay, Kind::word, Kind::number, 1, 4, 1},
    {"niah_multiquery", Haystack::essay, Kind::word, Kind::number, 4, 1, 4},
};

std::string draw(Rng& rng, Kind kind) {
  if (kind == Kind::uuid) return uuid(rng);
  if (kind == Kind::number) return number(rng, 7);
  return std::string(pick(rng, words::adjectives())) + '-' + std::string(pick(rng, words::nouns()));
}

struct Needle {
  std::string key, value;
  bool asked = false;

  Sentence sentence(Kind kind) const {
    return fill(kind == Kind::uuid ? "One of the special magic uuids for {key} is: {value}."
                                   : "One of the special magic numbers for {key} is: {value}.",
                {{"key", key}, {"value", value}});
  }
};

// A key that none of the needles has: a question about it would have another answer.
std::string draw_key(Rng& rng, Kind kind, const std::vector<Needle>& needles) {
  for (;;) {
    std::string key = draw(rng, kind);
    if (std::none_of(needles.begin(), needles.end(), [&](const Needle& n) { return n.key == key; }))
      return key;
  }
}

std::vector<Needle> draw_needles(Rng& rng, const Variant& variant) {
  std::vector<Needle> needles;
  for (Index k = 0; k < variant.keys; ++k) {
    const std::string key = draw_key(rng, variant.key, needles);
    for (Index v = 0; v < variant.values; ++v)
      needles.push_back({key, draw(rng, variant.value), k < variant.queries});
  }
  return needles;
}

// Depths of essay needles: different ones of RULER's forty.
std::vector<double> essay_depths(Rng& rng, Index n) {
  std::vector<double> depths;
  for (const Index i : sample(rng, 40, n))
    depths.push_back(static_cast<double>(std::lround(100.0 * static_cast<double>(i) / 39.0)) /
                     100.0);
  return depths;
}

// The haystack with its needles, of `tokens` tokens together with what `frame` counts.
Woven haystack(Rng& rng, const Variant& variant, const std::vector<Needle>& needles,
               Length length) {
  std::vector<Planted> planted;
  if (variant.haystack == Haystack::essay) {
    const auto depths = essay_depths(rng, static_cast<Index>(needles.size()));
    for (std::size_t i = 0; i < needles.size(); ++i)
      planted.push_back({needles[i].sentence(variant.value), depths[i]});
    return weave(planted, prose_filler(Rng(rng.next())), length, rng);
  }
  for (const Needle& needle : needles)
    planted.push_back({needle.sentence(variant.value), rng.uniform()});
  if (variant.haystack == Haystack::noise) return weave(planted, noise_filler(), length, rng);
  Rng hay(rng.next());
  const Filler filler = {[hay, variant, needles]() mutable {
                           Needle needle;
                           needle.key = draw_key(hay, variant.key, needles);
                           needle.value = draw(hay, variant.value);
                           return needle.sentence(variant.value).text;
                         },
                         true};
  return weave(planted, filler, length, rng);
}

// The values that the lines of the hay state, the asked ones among them.
std::vector<std::string> stated_values(std::string_view text) {
  constexpr std::string_view kBefore = " is: ";
  std::vector<std::string> values;
  for (auto at = text.find(kBefore); at != std::string_view::npos; at = text.find(kBefore, at)) {
    at += kBefore.size();
    values.emplace_back(text.substr(at, text.find('.', at) - at));
  }
  return values;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (std::size_t at = 0;;) {
    const std::size_t found = std::min(text.find(from, at), text.size());
    result.append(text, at, found - at);
    if (found == text.size()) return result;
    result.append(to);
    at = found + from.size();
  }
}

// RULER's wording, in the singular where one value is asked for.
Prompt words_of(const Variant& variant, const std::vector<Needle>& needles) {
  const bool one = variant.queries * variant.values == 1;
  const std::string kind =
      std::string(variant.value == Kind::uuid ? "uuid" : "number") + (one ? "" : "s");
  std::vector<std::string> keys;
  for (const Needle& needle : needles)
    if (needle.asked && (keys.empty() || keys.back() != needle.key)) keys.push_back(needle.key);
  std::string query;
  for (std::size_t i = 0; i < keys.size(); ++i)
    query += (i == 0 ? "" : i + 1 == keys.size() ? ", and " : ", ") + keys[i];
  Prompt prompt = {
      "Some special magic TYPE are hidden within the following text. Make sure to memorize it. I "
      "will quiz you about the TYPE afterwards.\n",
      "What are all the special magic TYPE for QUERY mentioned in the provided text?",
      "The special magic TYPE for QUERY mentioned in the provided text are"};
  for (std::string* part : {&prompt.text, &prompt.question, &prompt.answer_prefix}) {
    if (one) {
      *part = replaced(*part, "Some", "A");
      *part = replaced(*part, "are all", "is");
      *part = replaced(*part, "are", "is");
    }
    *part = replaced(*part, "TYPE", kind);
    *part = replaced(*part, "QUERY", query);
  }
  return prompt;
}

}  // namespace

Document make_niah(const Request& request) {
  Rng rng = request.rng();
  const Variant& variant = *std::find_if(std::begin(kVariants), std::end(kVariants),
                                         [&](const Variant& v) { return v.task == request.task; });
  const auto needles = draw_needles(rng, variant);
  Prompt prompt = words_of(variant, needles);
  const std::string frame = prompt.text;
  const TokenCounter with_frame = [&](std::string_view text) {
    return request.count(frame + std::string(text) + "\n");
  };
  const Woven woven = haystack(rng, variant, needles, {request.options.tokens, with_frame});
  prompt.text += woven.text + "\n";
  const auto shift = static_cast<Index>(frame.size());
  std::vector<Reference> references;
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < needles.size(); ++i) {
    Reference reference = woven.reference(static_cast<Index>(i), "value");
    for (TextSpan& span : reference.spans) span = {span.begin + shift, span.end + shift};
    if (needles[i].asked)
      references.push_back(std::move(reference));
    else
      rest.push_back(reference.text);
  }
  if (variant.haystack == Haystack::needles) {
    rest = stated_values(woven.text);
    for (const Reference& asked : references) std::erase(rest, asked.text);
  }
  Document document = sample_of(request, std::move(prompt), std::move(references), 128,
                                variant.haystack == Haystack::essay);
  document.items[0].distractors = std::move(rest);
  return document;
}

}  // namespace pith::eval::ruler
