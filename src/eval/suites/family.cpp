#include "eval/suites/family.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace pith::eval {

Document new_document(const Request& request) {
  Document document;
  document.id = fmt::format("{}-{:04}", request.task, request.index);
  return document;
}

Item& add_item(Document& document, const Request& request) {
  Item item;
  item.id = fmt::format("{}/q{:02}", document.id, document.items.size());
  item.task = request.task;
  document.items.push_back(std::move(item));
  return document.items.back();
}

std::vector<std::string> make_codes(Rng& rng, Index n) {
  const auto colors = sample_words(rng, words::colors(), n);
  const auto animals = sample_words(rng, words::animals(), n);
  std::vector<std::string> numbers, codes;
  for (std::size_t i = 0; i < colors.size(); ++i) {
    std::string drawn = number(rng, 4);
    while (std::find(numbers.begin(), numbers.end(), drawn) != numbers.end())
      drawn = number(rng, 4);
    numbers.push_back(drawn);
    codes.push_back(upper(colors[i]) + '-' + upper(animals[i]) + '-' + drawn);
  }
  return codes;
}

std::vector<Person> make_people(Rng& rng, Index n) {
  struct First {
    std::string_view name, pronoun;
  };
  std::vector<First> firsts;
  for (const auto name : words::first_female()) firsts.push_back({name, "She"});
  for (const auto name : words::first_male()) firsts.push_back({name, "He"});
  shuffle(rng, firsts);
  std::vector<std::string_view> lasts(words::surnames().begin(), words::surnames().end());
  shuffle(rng, lasts);
  const auto f = static_cast<Index>(firsts.size()), l = static_cast<Index>(lasts.size());
  PITH_CHECK(n <= f * l, std::to_string(n) + " people");
  std::vector<Person> people;
  for (Index i = 0; i < n; ++i) {  // diagonals: no pair comes twice
    const First& first = firsts[static_cast<std::size_t>(i % f)];
    const auto last = lasts[static_cast<std::size_t>((i + i / f) % l)];
    people.push_back(
        {std::string(first.name) + ' ' + std::string(last), std::string(first.pronoun)});
  }
  return people;
}

std::vector<std::string> others(const std::vector<std::string>& all, Index asked) {
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (static_cast<Index>(i) != asked && all[i] != all[static_cast<std::size_t>(asked)])
      rest.push_back(all[i]);
  return rest;
}

std::vector<TextSpan> find_words(std::string_view text, std::string_view part) {
  const auto joined = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  std::vector<TextSpan> found;
  if (part.empty()) return found;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; ++at) {
    const std::size_t end = at + part.size();
    if ((at > 0 && joined(text[at - 1])) || (end < text.size() && joined(text[end]))) continue;
    found.push_back({static_cast<Index>(at), static_cast<Index>(end)});
  }
  return found;
}

std::string percent(double share) { return std::to_string(std::llround(100 * share)); }

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return result;
}

}  // namespace pith::eval
