#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/error.h"
#include "text/bpe.h"
#include "text/pre_tokenizers.h"
#include "text/sentencepiece.h"
#include "text/special_matcher.h"
#include "text/utf8.h"
#include "text/vocabulary.h"
#include "text/word_splitter.h"

namespace pith {
namespace {

constexpr std::size_t kMaxText = std::size_t{1} << 30;  // offsets within a text fit 32 bits

// Ends of a turn that files often fail to declare by id.
constexpr std::array<std::string_view, 10> kTurnEnds = {
    "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>",    "<|end_of_text|>",
    "<|end|>",    "<end_of_turn>", "<EOT>",      "<|endofturn|>", "<end_of_utterance>",
};

// llama.cpp takes this text for a control token in every vocabulary, be it declared a normal or a
// user-defined one.
constexpr std::string_view kAlwaysControl = "</s>";

const PreTokenizer& require_pre_tokenizer(const Vocabulary& vocabulary) {
  if (const PreTokenizer* pre = find_pre_tokenizer(vocabulary.pre)) return *pre;
  std::string known;
  for (const PreTokenizer& pre : known_pre_tokenizers())
    known += fmt::format("{}{}", known.empty() ? "" : ", ", pre.name);
  fail(ErrorCode::bad_model, fmt::format("{}: the pre-tokenizer \"{}\" is unknown; pith knows {}",
                                         vocabulary.name, vocabulary.pre, known));
}

}  // namespace

struct Tokenizer::Impl {
  Vocabulary vocabulary;
  TokenIds ids;
  std::string kind;
  SpecialMatcher user_defined, all_special;
  std::optional<WordSplitter> splitter;
  std::optional<Bpe> bpe;
  std::optional<SentencePiece> sentencepiece;
  std::string bytes;                  // of all tokens, one after the other
  std::vector<std::size_t> offsets;   // [V + 1] into `bytes`
  std::vector<bool> ends_generation;  // [V]

  explicit Impl(Vocabulary source);
  void index_specials();
  std::string bytes_of(std::size_t id) const;
  std::string_view piece(Token token, bool with_special) const;
  bool is_special(Token token) const;
  struct Session;
  void encode_plain(std::string_view fragment, Index offset, Session& session) const;
  std::vector<TokenSpan> encode(std::string_view text, TokenizeOptions options) const;
};

Tokenizer::Impl::Impl(Vocabulary source) : vocabulary(std::move(source)) {
  vocabulary.check();
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i)
    ids.emplace(vocabulary.tokens[i], static_cast<Token>(i));
  if (vocabulary.model == "gpt2") {
    kind = fmt::format("gpt2/{}", vocabulary.pre);
    const PreTokenizer& pre = require_pre_tokenizer(vocabulary);
    splitter.emplace(pre);
    bpe.emplace(vocabulary, ids, pre.takes_words_whole);
  } else if (vocabulary.model == "llama") {
    kind = "llama";
    sentencepiece.emplace(vocabulary);
  } else {
    fail(ErrorCode::bad_model,
         fmt::format(
             "{}: the tokenizer \"{}\" is unknown; pith knows gpt2 (byte-level BPE) and llama "
             "(SentencePiece)",
             vocabulary.name, vocabulary.model));
  }
  index_specials();
  offsets.reserve(vocabulary.tokens.size() + 1);
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    offsets.push_back(bytes.size());
    bytes += bytes_of(i);
  }
  offsets.push_back(bytes.size());
  vocabulary.merges = {};  // tens of megabytes that Bpe now holds as ids
}

void Tokenizer::Impl::index_specials() {
  ends_generation.resize(vocabulary.tokens.size());
  const auto ends = [&](Token id) {
    if (id >= 0) ends_generation[static_cast<std::size_t>(id)] = true;
  };
  ends(vocabulary.eos);
  for (const Token id : vocabulary.end_of_generation) ends(id);
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::string& text = vocabulary.tokens[i];
    const auto id = static_cast<Token>(i);
    const bool control = is_special(id) || text == kAlwaysControl;
    const bool always = vocabulary.types[i] == TokenType::user_defined && !control;
    if ((!control && !always) || text.empty()) continue;
    if (text.size() > SpecialMatcher::kMaxLength) {
      fail(ErrorCode::bad_model,
           fmt::format("{}: special token {} has {} bytes; at most {} are supported",
                       vocabulary.name, i, text.size(), SpecialMatcher::kMaxLength));
    }
    all_special.add(text, id);
    if (always) user_defined.add(text, id);
    if (is_special(id) && std::find(kTurnEnds.begin(), kTurnEnds.end(), text) != kTurnEnds.end())
      ends(id);
  }
}

bool Tokenizer::Impl::is_special(Token token) const {
  const TokenType type = vocabulary.types[static_cast<std::size_t>(token)];
  return type == TokenType::control || type == TokenType::unknown;
}

std::string Tokenizer::Impl::bytes_of(std::size_t id) const {
  const std::string& text = vocabulary.tokens[id];
  switch (vocabulary.types[id]) {
    case TokenType::normal:
      return bpe ? bytes_of_bpe_token(text) : bytes_of_sentencepiece_token(text);
    case TokenType::byte:
      // Checked by SentencePiece; in a BPE vocabulary the type has no meaning and the text stands
      // for itself.
      return bpe ? text
                 : std::string(1, static_cast<char>(std::stoi(text.substr(3, 2), nullptr, 16)));
    case TokenType::unused:
      return "";
    case TokenType::unknown:
    case TokenType::control:
    case TokenType::user_defined:
      return text;
  }
  return "";
}

std::string_view Tokenizer::Impl::piece(Token token, bool with_special) const {
  if (token < 0 || static_cast<std::size_t>(token) >= vocabulary.tokens.size()) {
    fail(ErrorCode::bad_input, fmt::format("token {} lies outside the vocabulary of {} tokens",
                                           token, vocabulary.tokens.size()));
  }
  if (!with_special && is_special(token)) return {};
  const std::size_t begin = offsets[static_cast<std::size_t>(token)],
                    end = offsets[static_cast<std::size_t>(token) + 1];
  return std::string_view(bytes).substr(begin, end - begin);
}

// What one call needs besides the immutable tables, so that several threads can encode at once.
struct Tokenizer::Impl::Session {
  std::optional<WordSplitter::Cursor> cursor;
  Bpe::Scratch bpe;
  SentencePiece::Scratch sentencepiece;
  std::vector<TokenSpan> out;
};

void Tokenizer::Impl::encode_plain(std::string_view fragment, Index offset,
                                   Session& session) const {
  if (fragment.empty()) return;
  if (sentencepiece) {
    sentencepiece->encode(fragment, offset, vocabulary.add_space_prefix, session.sentencepiece,
                          session.out);
    return;
  }
  if (!session.cursor) session.cursor.emplace(*splitter);
  for (std::size_t at = 0; at < fragment.size();) {
    const std::size_t next = session.cursor->next(fragment, at);
    bpe->encode(fragment.substr(at, next - at), offset + static_cast<Index>(at), session.bpe,
                session.out);
    at = next;
  }
}

std::vector<TokenSpan> Tokenizer::Impl::encode(std::string_view text,
                                               TokenizeOptions options) const {
  if (text.size() > kMaxText) {
    fail(ErrorCode::bad_input,
         fmt::format("the text has {} bytes; at most {} can be tokenized at once", text.size(),
                     kMaxText));
  }
  require_utf8(text, "the text");
  Session session;
  session.out.reserve(text.size() / 4 + 2);
  if (options.add_special && vocabulary.add_bos) session.out.push_back({vocabulary.bos, 0, 0});
  const SpecialMatcher& specials = options.parse_special ? all_special : user_defined;
  for (std::size_t at = 0; at < text.size();) {
    const auto match = specials.find(text, at);
    const std::size_t end = match.id >= 0 ? match.begin : text.size();
    encode_plain(text.substr(at, end - at), static_cast<Index>(at), session);
    if (match.id < 0) break;
    session.out.push_back(
        {match.id, static_cast<Index>(match.begin), static_cast<Index>(match.end)});
    at = match.end;
  }
  const auto size = static_cast<Index>(text.size());
  if (options.add_special && vocabulary.add_eos)
    session.out.push_back({vocabulary.eos, size, size});
  return std::move(session.out);
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::from_gguf(const gguf::File& file) {
  return from_vocabulary(Vocabulary::from_gguf(file));
}

Tokenizer Tokenizer::from_vocabulary(Vocabulary vocabulary) {
  return Tokenizer(std::make_unique<Impl>(std::move(vocabulary)));
}

std::vector<Token> Tokenizer::encode(std::string_view text, TokenizeOptions options) const {
  const auto spans = impl_->encode(text, options);
  std::vector<Token> ids(spans.size());
  std::transform(spans.begin(), spans.end(), ids.begin(),
                 [](const TokenSpan& span) { return span.id; });
  return ids;
}

std::vector<TokenSpan> Tokenizer::encode_spans(std::string_view text,
                                               TokenizeOptions options) const {
  auto spans = impl_->encode(text, options);
  const auto size = static_cast<Index>(text.size());
  const auto inside_symbol = [&](Index at) {
    return at > 0 && at < size && is_continuation(text[static_cast<std::size_t>(at)]);
  };
  for (std::size_t i = 0; i < spans.size(); ++i) {
    // Bytes without a token belong to the token in front of them, so that nothing of the text is
    // lost.
    const Index next = i + 1 < spans.size() ? spans[i + 1].begin : size;
    spans[i].end = std::max(spans[i].end, next);
    if (i == 0) spans[i].begin = 0;
    while (inside_symbol(spans[i].begin)) --spans[i].begin;
    while (inside_symbol(spans[i].end)) ++spans[i].end;
  }
  return spans;
}

std::string Tokenizer::decode(std::span<const Token> tokens, bool with_special) const {
  std::string out;
  bool prefixed =
      impl_->vocabulary.add_space_prefix;  // encode() has put a space in front of what follows
  for (const Token token : tokens) {
    std::string_view piece = impl_->piece(token, with_special);
    const TokenType type = impl_->vocabulary.types[static_cast<std::size_t>(token)];
    const bool matched_whole = impl_->is_special(token) || type == TokenType::user_defined;
    if (prefixed && !matched_whole && piece.starts_with(' ')) piece.remove_prefix(1);
    prefixed = impl_->vocabulary.add_space_prefix && matched_whole;
    out += piece;
  }
  return out;
}

std::string Tokenizer::piece(Token token, bool with_special) const {
  return std::string(impl_->piece(token, with_special));
}
Index Tokenizer::vocabulary_size() const {
  return static_cast<Index>(impl_->vocabulary.tokens.size());
}
Token Tokenizer::bos() const { return impl_->vocabulary.bos; }
Token Tokenizer::eos() const { return impl_->vocabulary.eos; }

bool Tokenizer::is_end_of_generation(Token token) const {
  return token >= 0 && token < vocabulary_size() &&
         impl_->ends_generation[static_cast<std::size_t>(token)];
}

bool Tokenizer::is_control(Token token) const {
  return token >= 0 && token < vocabulary_size() && impl_->is_special(token);
}

Token Tokenizer::find(std::string_view piece) const {
  const auto found = impl_->ids.find(piece);
  return found == impl_->ids.end() ? -1 : found->second;
}

std::string_view Tokenizer::kind() const { return impl_->kind; }

}  // namespace pith
