// Bringing documents to a length in tokens: planted sentences among filler, and lists of units.
// It asks the tokenizer a handful of times per document, never once per sentence.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/suite.h"
#include "eval/text/draw.h"
#include "eval/text/sentence.h"

namespace pith::eval {

struct Length {
  Index tokens = 0;
  const TokenCounter& count;
};

// A sentence that stands after this share of the filler, in [0, 1].
struct Planted {
  Sentence sentence;
  double depth = 0;
};

struct Woven {
  std::string text;
  std::vector<Sentence> planted;  // in the order given, their slots as bytes of `text`
  std::vector<TextSpan> places;   // of the planted sentences

  const Slot& slot(Index sentence, std::string_view name) const;
  Reference reference(Index sentence, std::string_view name) const;
  std::string depth(Index sentence) const;  // in percent of the text, rounded
};

// Filler of one's own: a sentence, and what stands between two of them.
struct Filler {
  std::function<std::string()> next;
  bool one_per_line = false;  // otherwise paragraphs of three to eight sentences
};
Filler prose_filler(Rng rng);
Filler noise_filler();  // RULER's five short sentences, over and over

// Plants the sentences in filler; `tokens` is reached within 2 % from below (with prose; with noise
// to one line). Throws bad_input if the planted sentences alone are longer.
Woven weave(std::vector<Planted> planted, Filler filler, Length length, Rng& rng);

// The largest n >= least with build(n) of at most `length.tokens`, where a text grows with n.
// Throws bad_input, naming `what`, if build(least) is longer already.
Index fit_units(Index least, Length length, std::string_view what,
                const std::function<std::string(Index)>& build);

}  // namespace pith::eval
