// RULER's aggregating tasks: variable tracking, common words, frequent coded words.
#include <algorithm>
#include <cmath>

#include <fmt/ranges.h>

#include "eval/suites/ruler.h"

namespace pith::eval::ruler {
namespace {

constexpr Index kHops = 4;

// One chain of assignments among noise lines; `names` in order of assignment.
struct Chain {
  std::string text;
  std::string value;
  std::vector<std::string> names;
};

Chain chain_in_noise(Rng rng, Index lines, Index letters_each) {
  Chain chain;
  chain.value = std::to_string(between(rng, 10000, 99998));
  while (static_cast<Index>(chain.names.size()) <= kHops) {
    std::string name = letters(rng, letters_each, 'A');
    if (std::find(chain.names.begin(), chain.names.end(), name) == chain.names.end())
      chain.names.push_back(std::move(name));
  }
  auto places = sample(rng, lines, kHops + 1);
  std::sort(places.begin(), places.end());
  const std::string noise = noise_filler().next();
  std::size_t next = 0;
  for (Index line = 0; line < lines; ++line) {
    if (next < places.size() && places[next] == line) {
      const auto& name = chain.names[next];
      chain.text += next == 0 ? fmt::format("VAR {} = {}\n", name, chain.value)
                              : fmt::format("VAR {} = VAR {} \n", name, chain.names[next - 1]);
      ++next;
    }
    chain.text += noise + '\n';
  }
  return chain;
}

Prompt vt_prompt(const Chain& chain) {
  return {
      "Memorize and track the chain(s) of variable assignment hidden in the following text."
      "\n\n" +
          chain.text,
      fmt::format("Question: Find all variables that are assigned the value {} in the text "
                  "above.",
                  chain.value),
      fmt::format("Answer: According to the chain(s) of variable assignment in the text above, "
                  "{} variables are assigned the value {}, they are: ",
                  kHops + 1, chain.value)};
}

// The solved example that RULER puts before the text: at most 500 tokens, a quarter of short texts.
std::string vt_example(Rng rng, const Request& request) {
  const auto build = [&](Index lines) {
    const Chain chain = chain_in_noise(rng, lines, 3);
    const Prompt prompt = vt_prompt(chain);
    return fmt::format("{}{} {}{} \n\n", prompt.text, prompt.question, prompt.answer_prefix,
                       fmt::join(chain.names, " "));
  };
  const Index tokens = std::min<Index>(500, request.options.tokens / 2);
  return build(
      fit_units(kHops + 1, {tokens, request.count}, "an example of variable tracking", build));
}

std::string numbered(const std::vector<std::string>& list) {
  std::string text;
  for (std::size_t i = 0; i < list.size(); ++i)
    text += fmt::format("{}{}. {}", i == 0 ? "" : " ", i + 1, list[i]);
  return text;
}

// n different words: everyday ones, or two of them joined where they do not suffice.
std::vector<std::string> draw_words(Rng& rng, Index n) {
  const Words common = words::common();
  const auto size = static_cast<Index>(common.size());
  if (n <= size) return sample_words(rng, common, n);
  std::vector<std::string> drawn;
  for (const Index pair : sample(rng, size * size, n))
    drawn.push_back(std::string(common[static_cast<std::size_t>(pair / size)]) +
                    std::string(common[static_cast<std::size_t>(pair % size)]));
  return drawn;
}

struct Counted {
  std::string text;
  std::vector<std::string> common;
};

Counted counted_words(Rng rng, Index n, Index times_common, Index times_other) {
  constexpr std::size_t kCommon = 10;
  const auto drawn = draw_words(rng, n);
  std::vector<std::string> list;
  for (std::size_t i = 0; i < drawn.size(); ++i)
    list.insert(list.end(), static_cast<std::size_t>(i < kCommon ? times_common : times_other),
                drawn[i]);
  shuffle(rng, list);
  return {numbered(list), {drawn.begin(), drawn.begin() + kCommon}};
}

Prompt cwe_prompt(const std::string& list) {
  return {
      "Below is a numbered list of words. In these words, some appear more often than others. "
      "Memorize the ones that appear most often.\n" +
          list + "\n",
      "Question: What are the 10 most common words in the above list?",
      "Answer: The top 10 words that appear most often in the list are:"};
}

std::vector<Reference> located(const std::vector<std::string>& answers, const std::string& text,
                               std::size_t from) {
  std::vector<Reference> references;
  for (const auto& answer : answers) {
    references.push_back({answer, find_words(std::string_view(text).substr(from), answer)});
    for (TextSpan& span : references.back().spans) {
      span.begin += static_cast<Index>(from);
      span.end += static_cast<Index>(from);
    }
  }
  return references;
}

}  // namespace

Document make_vt(const Request& request) {
  Rng rng = request.rng();
  const std::string example = vt_example(Rng(rng.next()), request);
  const Rng chain_rng(rng.next());
  const auto build = [&](Index lines) {
    return example + vt_prompt(chain_in_noise(chain_rng, lines, 5)).text;
  };
  const Index lines = fit_units(kHops + 1, request.length(), "a chain of five variables", build);
  const Chain chain = chain_in_noise(chain_rng, lines, 5);
  Prompt prompt = vt_prompt(chain);
  prompt.text = example + prompt.text;
  auto references = located(chain.names, prompt.text, example.size());
  return sample_of(request, std::move(prompt), std::move(references), 30, false);
}

Document make_cwe(const Request& request) {
  Rng rng = request.rng();
  const bool small = request.options.tokens < 4096;
  const Counted shown =
      small ? counted_words(Rng(rng.next()), 20, 3, 1) : counted_words(Rng(rng.next()), 40, 10, 3);
  const Prompt solved = cwe_prompt(shown.text);
  const std::string example = fmt::format("{}{} {} {}\n", solved.text, solved.question,
                                          solved.answer_prefix, numbered(shown.common));
  const Rng list_rng(rng.next());
  const auto list = [&](Index n) {
    return counted_words(list_rng, n, small ? 6 : 30, small ? 1 : 3);
  };
  const Index n = fit_units(11, request.length(), "a list of common words", [&](Index words) {
    return example + cwe_prompt(list(words).text).text;
  });
  const Counted counted = list(n);
  Prompt prompt = cwe_prompt(counted.text);
  prompt.text = example + prompt.text;
  auto references = located(counted.common, prompt.text, example.size());
  Document document = sample_of(request, std::move(prompt), std::move(references), 120, false);
  document.items[0].tags["words"] =
      n > static_cast<Index>(words::common().size()) ? "joined" : "plain";
  return document;
}

Document make_fwe(const Request& request) {
  Rng rng = request.rng();
  std::vector<std::string> vocabulary = {"..."};  // the most frequent is noise
  const auto size = static_cast<std::size_t>(std::max<Index>(request.options.tokens / 50, 8));
  while (vocabulary.size() < size) {
    std::string word = letters(rng, 6);
    if (std::find(vocabulary.begin(), vocabulary.end(), word) == vocabulary.end())
      vocabulary.push_back(std::move(word));
  }
  const Rng order(rng.next());
  const auto build = [&](Index n) {
    constexpr double kZeta2 = 1.6449340668482264;
    std::vector<std::string> coded;
    for (std::size_t rank = 1; rank <= size; ++rank) {
      const double share = 1.0 / (static_cast<double>(rank * rank) * kZeta2);
      coded.insert(coded.end(), static_cast<std::size_t>(static_cast<double>(n) * share),
                   vocabulary[rank - 1]);
    }
    Rng shuffler = order;
    shuffle(shuffler, coded);
    return fmt::format(
        "Read the following coded text and track the frequency of each coded word. "
        "Find the three most frequently appeared coded words. {}\n",
        fmt::join(coded, " "));
  };
  const Index n = fit_units(40, request.length(), "forty coded words", build);
  Prompt prompt = {build(n),
                   "Question: Do not provide any explanation. Please ignore the dots '....'. What "
                   "are the three most frequently appeared words in the above coded text?",
                   "Answer: According to the coded text above, the three most frequently appeared "
                   "words are:"};
  auto references = located({vocabulary[1], vocabulary[2], vocabulary[3]}, prompt.text, 0);
  return sample_of(request, std::move(prompt), std::move(references), 50, false);
}

}  // namespace pith::eval::ruler
