#include "eval/report/excerpt.h"

#include <algorithm>

namespace pith::eval {
namespace {

constexpr Index kWordSearch = 24;   // bytes within which a cut looks for a word's end
constexpr Index kSmallestGap = 24;  // bytes; less is shown: a gap's note would be longer

bool inside_symbol(std::string_view text, Index at) {
  return at < std::ssize(text) &&
         (static_cast<unsigned char>(text[static_cast<std::size_t>(at)]) & 0xc0) == 0x80;
}

bool space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// The nearest place at or before (after) `at` where a word begins (ends); otherwise a whole symbol.
Index cut_before(std::string_view text, Index at) {
  const Index first = std::max<Index>(0, at - kWordSearch);
  for (Index i = at; i > first; --i)
    if (space(text[static_cast<std::size_t>(i - 1)])) return i;
  if (first == 0) return 0;
  while (at > 0 && inside_symbol(text, at)) --at;
  return at;
}
Index cut_after(std::string_view text, Index at) {
  const Index size = std::ssize(text);
  if (at >= size) return size;
  for (Index i = at; i < std::min(size, at + kWordSearch); ++i)
    if (space(text[static_cast<std::size_t>(i)])) return i;
  while (at < size && inside_symbol(text, at)) ++at;
  return at;
}

struct Mark {
  TextSpan span;
  Piece::Kind kind;
  Index number;
};

// Answer tokens and support in the order of the text, without overlap: an answer's tokens win.
std::vector<Mark> marks_of(const DocumentItem& item) {
  std::vector<Mark> marks;
  Index end = 0;
  for (std::size_t i = 0; i < item.answer_tokens.size(); ++i) {
    TextSpan span = item.answer_tokens[i];
    span.begin = std::max(span.begin, end);  // tokens that share a symbol stand for the same bytes
    if (span.begin >= span.end) continue;
    marks.push_back({span, Piece::Kind::answer, static_cast<Index>(i)});
    end = span.end;
  }
  const std::vector<Mark> answers = marks;
  for (TextSpan span : item.support) {
    for (const Mark& answer : answers) {
      if (answer.span.begin >= span.end || answer.span.end <= span.begin) continue;
      if (span.begin < answer.span.begin)
        marks.push_back({{span.begin, answer.span.begin}, Piece::Kind::support, 0});
      span.begin = answer.span.end;
    }
    if (span.begin < span.end) marks.push_back({span, Piece::Kind::support, 0});
  }
  std::sort(marks.begin(), marks.end(),
            [](const Mark& a, const Mark& b) { return a.span.begin < b.span.begin; });
  std::vector<Mark> apart;
  for (Mark mark : marks) {
    if (!apart.empty()) mark.span.begin = std::max(mark.span.begin, apart.back().span.end);
    if (mark.span.begin < mark.span.end) apart.push_back(mark);
  }
  return apart;
}

}  // namespace

std::string_view head(std::string_view text, Index bytes) {
  if (std::ssize(text) <= bytes) return text;
  while (bytes > 0 && inside_symbol(text, bytes)) --bytes;
  return text.substr(0, static_cast<std::size_t>(bytes));
}

std::vector<Piece> excerpt(const DocumentRecord& document, const DocumentItem& item, Index around,
                           Index places) {
  const std::string_view text = document.text;
  const auto marks = marks_of(item);
  std::vector<TextSpan> stretches;
  if (marks.empty()) stretches.push_back({0, cut_after(text, 2 * around)});
  for (const Mark& mark : marks) {
    const TextSpan stretch{cut_before(text, mark.span.begin - around),
                           cut_after(text, mark.span.end + around)};
    if (!stretches.empty() && stretch.begin <= stretches.back().end)
      stretches.back().end = std::max(stretches.back().end, stretch.end);
    else if (std::ssize(stretches) < places)
      stretches.push_back(stretch);
    else
      break;
  }
  std::vector<Piece> pieces;
  Index at = 0;
  const auto plain = [&](Index end) {
    if (at < end)
      pieces.push_back({Piece::Kind::text,
                        std::string(text.substr(static_cast<std::size_t>(at),
                                                static_cast<std::size_t>(end - at))),
                        0});
    at = std::max(at, end);
  };
  const auto gap = [&](Index end) {
    if (end - at <= kSmallestGap) return plain(end);
    pieces.push_back({Piece::Kind::gap, "", end - at});
    at = end;
  };
  auto mark = marks.begin();
  for (const TextSpan& stretch : stretches) {
    gap(stretch.begin);
    for (; mark != marks.end() && mark->span.end <= stretch.end; ++mark) {
      plain(mark->span.begin);
      pieces.push_back(
          {mark->kind,
           std::string(text.substr(static_cast<std::size_t>(mark->span.begin),
                                   static_cast<std::size_t>(mark->span.end - mark->span.begin))),
           mark->number});
      at = mark->span.end;
    }
    plain(stretch.end);
  }
  gap(std::ssize(text));
  return pieces;
}

}  // namespace pith::eval
