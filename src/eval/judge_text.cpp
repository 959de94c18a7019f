#include "eval/judge_text.h"

#include <algorithm>
#include <array>
#include <map>

namespace pith::eval {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
// Bytes of characters beyond ASCII count as parts of words.
bool is_word(char c) {
  return is_letter(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80;
}
bool is_punctuation(char c) { return c > ' ' && c < 0x7f && !is_word(c); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c; }

// Length of the CJK character at `text[i]` (U+2E80 to U+9FFF, U+F900 to U+FAFF, U+FF00 to U+FFEF),
// or 0.
std::size_t cjk_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  if (i + 2 >= text.size() || (byte(i) & 0xf0) != 0xe0) return 0;
  const unsigned value =
      (byte(i) & 0xfu) << 12 | (byte(i + 1) & 0x3fu) << 6 | (byte(i + 2) & 0x3fu);
  const bool cjk = (value >= 0x2e80 && value <= 0x9fff) || (value >= 0xf900 && value <= 0xfaff) ||
                   (value >= 0xff00 && value <= 0xffef);
  return cjk ? 3 : 0;
}
// U+3000 to U+303F and the full-width forms of ASCII punctuation.
bool cjk_punctuation(std::string_view character) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(character[k]); };
  if (byte(0) == 0xe3 && byte(1) == 0x80) return true;
  if (byte(0) != 0xef || byte(1) < 0xbc || byte(1) > 0xbd) return false;
  const unsigned value = (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
  const unsigned offset = value - 0xf01 + '!';
  return offset > 0x7e || is_punctuation(static_cast<char>(offset));
}

template <typename Range>
Index common_subsequence(const Range& a, const Range& b) {
  std::vector<Index> row(b.size() + 1, 0);
  for (const auto& x : a) {
    Index diagonal = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const Index above = row[j + 1];
      row[j + 1] = x == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

double f1(Index common, std::size_t answer, std::size_t reference) {
  if (common == 0) return 0;
  const double precision = static_cast<double>(common) / static_cast<double>(answer);
  const double recall = static_cast<double>(common) / static_cast<double>(reference);
  return 2 * precision * recall / (precision + recall);
}

std::size_t position(std::string_view text, std::string_view part, std::size_t from) {
  if (part.empty()) return from <= text.size() ? from : std::string_view::npos;
  const auto found =
      std::search(text.begin() + static_cast<std::ptrdiff_t>(from), text.end(), part.begin(),
                  part.end(), [](char a, char b) { return lower(a) == lower(b); });
  return found == text.end() ? std::string_view::npos
                             : static_cast<std::size_t>(found - text.begin());
}

// The typographic apostrophe (three bytes) as ASCII has it.
std::string straight_apostrophes(std::string_view text) {
  std::string straight(text);
  for (std::size_t at = 0; (at = straight.find("\xe2\x80\x99", at)) != std::string::npos; ++at)
    straight.replace(at, 3, "'");
  return straight;
}

// "t" is what plain_words leaves of "don't" behind its apostrophe.
bool denies(std::string_view word) {
  constexpr std::array<std::string_view, 11> kDenials = {"no",      "not",    "never",    "without",
                                                         "neither", "nor",    "none",     "t",
                                                         "cannot",  "except", "excluding"};
  return std::find(kDenials.begin(), kDenials.end(), word) != kDenials.end();
}

// Words of a verb between what is denied and its "not": "images are not", "images will never be".
bool is_auxiliary(std::string_view word) {
  constexpr std::array<std::string_view, 18> kAuxiliaries = {
      "is",  "isn", "are",   "aren",   "was", "wasn", "were", "weren", "will",
      "won", "can", "could", "couldn", "do",  "don",  "does", "doesn", "should"};
  return std::find(kAuxiliaries.begin(), kAuxiliaries.end(), word) != kAuxiliaries.end();
}

bool claimed_in_sentence(std::string_view sentence, const std::vector<std::string>& part) {
  const auto words = plain_words(sentence);
  const auto same = [](const std::string& said, const std::string& wanted) {
    return said == wanted || said == wanted + 's';
  };
  for (auto at = words.begin();; ++at) {
    at = std::search(at, words.end(), part.begin(), part.end(), same);
    if (at == words.end()) return false;
    auto after = at + std::ssize(part);
    while (after != words.end() && is_auxiliary(*after)) ++after;
    const bool denied =
        std::any_of(words.begin(), at, denies) || (after != words.end() && denies(*after));
    if (!denied) return true;
  }
}

}  // namespace

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = lower(c);
  return result;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  return position(text, part, 0) != std::string_view::npos;
}

bool contains_word(std::string_view text, std::string_view part) {
  for (std::size_t at = position(text, part, 0); at != std::string_view::npos;
       at = at < text.size() ? position(text, part, at + 1) : std::string_view::npos) {
    const std::size_t end = at + part.size();
    if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end])))
      return true;
  }
  return false;
}

std::vector<std::string> raw_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto flush = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t i = 0; i < text.size();) {
    if (const std::size_t length = cjk_length(text, i)) {
      flush();
      words.emplace_back(text.substr(i, length));
      i += length;
      continue;
    }
    if (is_space(text[i]))
      flush();
    else
      word += text[i];
    ++i;
  }
  flush();
  return words;
}

std::vector<std::string> normal_words(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string& raw : raw_words(text)) {
    if (cjk_length(raw, 0) != 0) {
      if (!cjk_punctuation(raw)) words.push_back(raw);
      continue;
    }
    std::string word;
    for (const char c : raw)
      if (!is_punctuation(c)) word += lower(c);
    if (!word.empty() && word != "a" && word != "an" && word != "the") words.push_back(word);
  }
  return words;
}

std::vector<std::string> plain_words(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (is_word(c))
      words.back() += lower(c);
    else if (!words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

double token_f1(std::string_view answer, std::string_view reference) {
  const auto said = normal_words(answer), right = normal_words(reference);
  std::map<std::string, Index> left;
  for (const auto& word : right) ++left[word];
  Index common = 0;
  for (const auto& word : said)
    if (const auto found = left.find(word); found != left.end() && found->second > 0)
      --found->second, ++common;
  return f1(common, said.size(), right.size());
}

double rouge_l(std::string_view answer, std::string_view reference) {
  const auto said = raw_words(answer), right = raw_words(reference);
  return f1(common_subsequence(said, right), said.size(), right.size());
}

double edit_similarity(std::string_view answer, std::string_view reference) {
  const auto total = static_cast<double>(answer.size() + reference.size());
  if (total == 0) return 1;
  return 2 * static_cast<double>(common_subsequence(answer, reference)) / total;
}

std::vector<std::string> integers(std::string_view text, bool sign) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < text.size();) {
    if (!is_digit(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && is_digit(text[end])) ++end;
    const bool minus = sign && i > 0 && text[i - 1] == '-' && (i == 1 || !is_word(text[i - 2]));
    found.emplace_back(text.substr(minus ? i - 1 : i, minus ? end - i + 1 : end - i));
    i = end;
  }
  return found;
}

bool claims(std::string_view text, std::string_view part) {
  const auto wanted = plain_words(part);
  if (wanted.empty()) return false;
  const std::string straight = straight_apostrophes(text);
  for (std::size_t at = 0; at < straight.size();) {
    const std::size_t end = std::min(straight.find_first_of(".!?;\n", at), straight.size());
    if (claimed_in_sentence(std::string_view(straight).substr(at, end - at), wanted)) return true;
    at = end + 1;
  }
  return false;
}

bool abstains(std::string_view text) {
  constexpr std::array<std::string_view, 34> kPhrases = {"i don t know",
                                                         "i do not know",
                                                         "don t know",
                                                         "not known",
                                                         "unknown",
                                                         "not mentioned",
                                                         "not stated",
                                                         "not specified",
                                                         "not given",
                                                         "not provided",
                                                         "not say",
                                                         "doesn t say",
                                                         "not clear",
                                                         "unclear",
                                                         "cannot be determined",
                                                         "can t be determined",
                                                         "could not determine",
                                                         "cannot determine",
                                                         "can t determine",
                                                         "undetermined",
                                                         "not determined",
                                                         "unable to determine",
                                                         "cannot tell",
                                                         "can t tell",
                                                         "cannot say",
                                                         "can t say",
                                                         "not enough information",
                                                         "no information",
                                                         "insufficient information",
                                                         "impossible to",
                                                         "not possible to",
                                                         "unanswerable",
                                                         "not sure",
                                                         "no mention"};
  std::string words = " ";
  for (const auto& word : plain_words(straight_apostrophes(text))) words += word + ' ';
  return std::any_of(kPhrases.begin(), kPhrases.end(), [&](std::string_view phrase) {
    for (std::size_t at = 0; (at = words.find(phrase, at)) != std::string::npos; ++at)
      if (words[at - 1] == ' ' && words[at + phrase.size()] == ' ') return true;
    return false;
  });
}

std::vector<Code> codes(std::string_view text) {
  std::vector<Code> found;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_letter(text[i]) || (i > 0 && (is_word(text[i - 1]) || text[i - 1] == '-'))) continue;
    std::size_t at = i;
    const auto run = [&](auto belongs) {
      const std::size_t begin = at;
      while (at < text.size() && belongs(text[at])) ++at;
      return lower(text.substr(begin, at - begin));
    };
    Code code;
    code.color = run(is_letter);
    if (at == text.size() || text[at] != '-') continue;
    ++at;
    code.animal = run(is_letter);
    if (!code.animal.empty() && at < text.size() && text[at] == '-')
      ++at, code.digits = run(is_digit);
    found.push_back(std::move(code));
  }
  return found;
}

}  // namespace pith::eval
