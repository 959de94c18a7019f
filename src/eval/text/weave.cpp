#include "eval/text/weave.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "eval/text/prose.h"

namespace pith::eval {
namespace {

Index length_of(std::string_view text) { return static_cast<Index>(text.size()); }

// The filler that a text uses, and where paragraphs end.
struct Stock {
  Filler filler;
  Rng rng;
  std::vector<std::string> sentences = {};
  std::vector<bool> ends = {};  // a paragraph ends after this sentence
  Index until_end = 0;

  void need(Index n) {
    while (size_of() < n) {
      sentences.push_back(filler.next());
      if (until_end == 0) until_end = between(rng, 3, 8);
      ends.push_back(--until_end == 0);
    }
  }
  Index size_of() const { return static_cast<Index>(sentences.size()); }
};

Woven assemble(const std::vector<Planted>& planted, const Stock& stock, Index n) {
  std::vector<std::pair<Index, std::size_t>> order;  // (filler sentences before it, which)
  for (std::size_t i = 0; i < planted.size(); ++i)
    order.emplace_back(std::llround(planted[i].depth * static_cast<double>(n)), i);
  std::sort(order.begin(), order.end());
  Woven woven;
  woven.planted.resize(planted.size());
  woven.places.resize(planted.size());
  const std::string_view between_sentences = stock.filler.one_per_line ? "\n" : " ";
  std::string_view gap;
  const auto add = [&](std::string_view text) {
    woven.text += gap;
    woven.text += text;
    gap = between_sentences;
  };
  auto next = order.begin();
  for (Index i = 0; i <= n; ++i) {
    for (; next != order.end() && next->first <= i; ++next) {
      const auto which = next->second;
      add(planted[which].sentence.text);
      const Index begin = length_of(woven.text) - length_of(planted[which].sentence.text);
      woven.places[which] = {begin, length_of(woven.text)};
      woven.planted[which] = planted[which].sentence;
      for (auto& slot : woven.planted[which].slots)
        slot.span = {begin + slot.span.begin, begin + slot.span.end};
    }
    if (i == n) break;
    add(stock.sentences[static_cast<std::size_t>(i)]);
    if (!stock.filler.one_per_line && stock.ends[static_cast<std::size_t>(i)]) gap = "\n\n";
  }
  return woven;
}

// Replaces the last filler sentence by one of about `bytes` bytes, the best of two hundred.
void exchange_last(Stock& stock, Index n, Index bytes) {
  std::string best;
  for (int i = 0; i < 200; ++i) {
    std::string candidate = stock.filler.next();
    if (best.empty() || std::abs(length_of(candidate) - bytes) < std::abs(length_of(best) - bytes))
      best = std::move(candidate);
  }
  stock.sentences[static_cast<std::size_t>(n - 1)] = std::move(best);
}

}  // namespace

const Slot& Woven::slot(Index sentence, std::string_view name) const {
  for (const Slot& slot : planted[static_cast<std::size_t>(sentence)].slots)
    if (slot.name == name) return slot;
  check_failed("a slot", __FILE__, __LINE__, std::string(name));
}

Reference Woven::reference(Index sentence, std::string_view name) const {
  const TextSpan span = slot(sentence, name).span;
  return {text.substr(static_cast<std::size_t>(span.begin),
                      static_cast<std::size_t>(span.end - span.begin)),
          {span}};
}

std::string Woven::depth(Index sentence) const {
  const auto begin = places[static_cast<std::size_t>(sentence)].begin;
  return std::to_string((200 * begin + length_of(text)) /
                        (2 * std::max<Index>(length_of(text), 1)));
}

Filler prose_filler(Rng rng) {
  const auto prose = std::make_shared<Prose>(rng);
  return {[prose] { return prose->next(); }, false};
}

Filler noise_filler() {
  return {[] {
            return std::string(
                "The grass is green. The sky is blue. The sun is yellow. "
                "Here we go. There and back again.");
          },
          true};
}

Woven weave(std::vector<Planted> planted, Filler filler, Length length, Rng& rng) {
  Stock stock{std::move(filler), Rng(rng.next())};
  if (stock.filler.one_per_line) {
    const Index n = fit_units(0, length, "the facts", [&](Index lines) {
      stock.need(lines);
      return assemble(planted, stock, lines).text;
    });
    return assemble(planted, stock, n);
  }
  const auto within = [&](Index tokens) {
    return tokens <= length.tokens &&
           length.tokens - tokens <= std::max<Index>(1, length.tokens / 100);
  };
  const Index bare = length.count(assemble(planted, stock, 0).text);
  if (bare > length.tokens)
    fail(ErrorCode::bad_input,
         fmt::format("a document of {} tokens cannot hold facts of {} tokens; "
                     "ask for more tokens",
                     length.tokens, bare));
  double sentence_tokens = 16;  // corrected by each count
  Index n = std::llround(static_cast<double>(length.tokens - bare) / sentence_tokens);
  Woven best = assemble(planted, stock, 0);
  Index best_tokens = bare;
  for (int round = 0; round < 12; ++round) {
    stock.need(n);
    Woven woven = assemble(planted, stock, n);
    const Index tokens = length.count(woven.text);
    if (tokens <= length.tokens && tokens > best_tokens) best = woven, best_tokens = tokens;
    if (within(best_tokens)) break;
    if (n > 0 && tokens > bare)
      sentence_tokens = static_cast<double>(tokens - bare) / static_cast<double>(n);
    const auto missing = static_cast<double>(length.tokens - tokens);
    const Index step = static_cast<Index>(std::floor(missing / sentence_tokens));
    if (step > 0 || step < -1 || n == 0) {
      n = std::max<Index>(n + step, n == 0 ? 1 : 0);
      continue;
    }
    // Less than a sentence away: one filler sentence gives way to a longer or a shorter one.
    const double bytes_per_token =
        static_cast<double>(length_of(woven.text)) / static_cast<double>(tokens);
    const Index last = length_of(stock.sentences[static_cast<std::size_t>(n - 1)]);
    const Index wanted = last + std::llround((missing - 0.5) * bytes_per_token);
    if (wanted < 20)
      --n;
    else
      exchange_last(stock, n, wanted);
  }
  return best;
}

Index fit_units(Index least, Length length, std::string_view what,
                const std::function<std::string(Index)>& build) {
  const auto tokens_of = [&](Index n) { return length.count(build(n)); };
  Index low = least, low_tokens = tokens_of(least);  // fits
  if (low_tokens > length.tokens)
    fail(ErrorCode::bad_input,
         fmt::format("a document of {} tokens cannot hold {} of {} tokens; ask for more tokens",
                     length.tokens, what, low_tokens));
  Index high = 0, n = least + 16;  // high: does not fit; 0 for unknown
  while (high == 0 || high - low > 1) {
    n = std::max(n, low + 1);
    if (high != 0) n = std::min(n, high - 1);
    const Index tokens = tokens_of(n);
    const double unit =
        std::max(static_cast<double>(tokens - low_tokens) / static_cast<double>(n - low), 0.01);
    const Index from = n;
    if (tokens <= length.tokens)
      low = n, low_tokens = tokens;
    else
      high = n;
    n = from + static_cast<Index>(std::floor(static_cast<double>(length.tokens - tokens) / unit));
    if (low_tokens >= length.tokens - std::max<Index>(length.tokens / 200, 0)) break;
  }
  return low;
}

}  // namespace pith::eval
