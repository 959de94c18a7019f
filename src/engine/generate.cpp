#include "engine/generate.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/write.h"

std::string_view pithkv::to_string(StopReason reason) {
  switch (reason) {
    case StopReason::end_of_text:
      return "end_of_text";
    case StopReason::stop_string:
      return "stop_string";
    case StopReason::max_tokens:
      return "max_tokens";
    case StopReason::context_full:
      return "context_full";
    case StopReason::cancelled:
      return "cancelled";
  }
  return "?";
}

namespace pith {
namespace {

// Text on its way out: whole symbols only, and nothing that may still become a stop string.
class TextGate {
 public:
  explicit TextGate(const std::vector<std::string>& stops) : stops_(stops) {}

  // Takes bytes; appends to `out` what is certain. Returns true once a stop string is complete.
  bool push(std::string_view bytes, std::string& out) {
    const std::string text = symbols_.push(bytes);
    taken_ += std::ssize(text);
    pending_ += text;
    auto end = std::string::npos;
    for (const auto& stop : stops_)
      if (!stop.empty()) end = std::min(end, pending_.find(stop));
    if (end != std::string::npos) {
      out += pending_.substr(0, end);
      pending_.clear();
      return true;
    }
    const std::size_t held = longest_possible_stop();
    out += pending_.substr(0, pending_.size() - held);
    pending_.erase(0, pending_.size() - held);
    return false;
  }

  Index taken() const { return taken_; }  // bytes of text so far, what is held back included

  // What is still held back, now that no more text comes.
  std::string rest() { return std::exchange(pending_, "") + symbols_.flush(); }
  void drop() {
    pending_.clear();
    symbols_ = {};
  }

 private:
  // Length of the longest end of the pending text with which some stop string begins.
  std::size_t longest_possible_stop() const {
    std::size_t longest = 0;
    for (const auto& stop : stops_)
      for (std::size_t n = std::min(stop.size(), pending_.size()); n > longest; --n)
        if (std::string_view(pending_).substr(pending_.size() - n) ==
            std::string_view(stop).substr(0, n))
          longest = n;
    return longest;
  }

  const std::vector<std::string>& stops_;
  Utf8Stream symbols_;
  std::string pending_;
  Index taken_ = 0;
};

// One text on its way: what `generate` does between two forward passes.
class Writing {
 public:
  Writing(Context& context, const GenerateOptions& options, const OnText& on_text)
      : context_(context),
        options_(options),
        on_text_(on_text),
        sampler_(options.sampling),
        gate_(options.stop) {
    PITH_CHECK(!context.logits().empty(), "read something before generating");
    if (options.max_tokens <= 0) end(StopReason::max_tokens);
  }

  bool done() const { return done_; }
  Context& context() const { return context_; }

  // Draws the next token from the context's logits. Returns it when it must be read for the text to
  // go on.
  std::optional<Token> next() {
    const Tokenizer& tokenizer = context_.engine().tokenizer();
    const Token token = sampler_.pick(context_.logits());
    result_.tokens.push_back(token);
    if (!options_.ignore_end && tokenizer.is_end_of_generation(token))
      return end(StopReason::end_of_text);
    std::string certain;
    const bool stopped = gate_.push(tokenizer.piece(token, false), certain);
    ends_.push_back(gate_.taken());
    const bool wanted = show(certain);
    if (stopped) find_stop();
    if (stopped || !wanted) {
      gate_.drop();
      return end(stopped ? StopReason::stop_string : StopReason::cancelled);
    }
    if (std::ssize(result_.tokens) >= options_.max_tokens) return end(StopReason::max_tokens);
    if (context_.next_position() >= context_.engine().config().context_length)
      return end(StopReason::context_full);
    return token;
  }

  const std::vector<Token>& written() const { return result_.tokens; }

  void count_step(double seconds) {
    result_.seconds += seconds;
    ++result_.steps;
  }

  Generated take() { return std::move(result_); }

 private:
  bool show(const std::string& text) {
    result_.text += text;
    return text.empty() || !on_text_ || on_text_(text);
  }

  // A token that ends within a symbol adds no text yet: it belongs to those that end the symbol.
  void find_stop() {
    Index begin = 0;  // of the tail
    for (std::size_t i = 0; i < ends_.size() && ends_[i] <= std::ssize(result_.text); ++i) {
      if (ends_[i] == begin) continue;
      begin = ends_[i];
      result_.before_stop = static_cast<Index>(i) + 1;
    }
    result_.tail = result_.text.substr(static_cast<std::size_t>(begin));
  }

  std::optional<Token> end(StopReason reason) {
    show(gate_.rest());
    result_.reason = reason;
    done_ = true;
    return std::nullopt;
  }

  Context& context_;
  const GenerateOptions& options_;
  const OnText& on_text_;
  Sampler sampler_;
  TextGate gate_;
  Generated result_;
  std::vector<Index> ends_;  // of the tokens' text, in bytes
  bool done_ = false;
};

}  // namespace

Generated write(Context& context, const GenerateOptions& options, const OnText& on_text,
                const std::function<void(Token)>& read) {
  Writing writing(context, options, on_text);
  while (!writing.done()) {
    const auto token = writing.next();
    if (!token) break;
    const Stopwatch watch;
    read(*token);
    writing.count_step(watch.seconds());
  }
  return writing.take();
}

Generated generate(Context& context, const GenerateOptions& options, const OnText& on_text) {
  return write(context, options, on_text, [&](Token token) { context.read(std::span(&token, 1)); });
}

namespace {

using Renewal = std::function<bool(Writing&)>;

// One step of all texts that are not done: each draws a token and, where it goes on, reads it,
// unless `renew` has done that.
void step_together(std::span<Writing* const> writings, const Renewal& renew = {}) {
  std::vector<Context*> going;
  std::vector<Token> tokens;
  std::vector<Writing*> counted;
  for (Writing* writing : writings) {
    if (writing->done()) continue;
    if (const auto token = writing->next()) {
      const Stopwatch watch;
      if (renew && renew(*writing)) {
        writing->count_step(watch.seconds());
        continue;
      }
      going.push_back(&writing->context());
      tokens.push_back(*token);
      counted.push_back(writing);
    }
  }
  if (going.empty()) return;
  const Stopwatch watch;
  Context::read_one_each(going, tokens);
  const double each = watch.seconds() / static_cast<double>(going.size());
  for (Writing* writing : counted) writing->count_step(each);
}

}  // namespace

std::vector<Generated> generate_together(std::span<Context> contexts,
                                         const GenerateOptions& options) {
  const OnText nobody;
  std::vector<Writing> writings;
  writings.reserve(contexts.size());
  for (Context& context : contexts) writings.emplace_back(context, options, nobody);
  std::vector<Writing*> all;
  for (Writing& writing : writings) all.push_back(&writing);
  while (std::any_of(writings.begin(), writings.end(), [](const auto& w) { return !w.done(); }))
    step_together(all);
  std::vector<Generated> results;
  for (Writing& writing : writings) results.push_back(writing.take());
  return results;
}

double generate_all(Index together, const std::function<std::optional<GenerateJob>(Index)>& next,
                    const std::function<void(Index, Generated)>& done) {
  PITH_CHECK(together >= 1, "at least one text at once");
  const OnText nobody;
  struct Going {
    Index number;
    std::unique_ptr<GenerateJob> job;  // Writing looks into it
    std::unique_ptr<Writing> writing;
  };
  std::vector<Going> going;
  std::map<Index, Generated> ended;  // wait for those before them
  Index started = 0, reported = 0;
  bool more = true;
  double seconds = 0;
  while (more || !going.empty()) {
    while (more && std::ssize(going) < together) {
      auto job = next(started);
      more = job.has_value();
      if (!more) break;
      auto kept = std::make_unique<GenerateJob>(std::move(*job));
      auto writing = std::make_unique<Writing>(kept->context, kept->options, nobody);
      going.push_back({started++, std::move(kept), std::move(writing)});
    }
    std::vector<Writing*> writings;
    for (const auto& one : going) writings.push_back(one.writing.get());
    const auto renew = [&](Writing& writing) {
      const auto one = std::find_if(going.begin(), going.end(), [&](const Going& candidate) {
        return candidate.writing.get() == &writing;
      });
      return one->job->renew && one->job->renew(writing.context(), writing.written());
    };
    const Stopwatch watch;
    step_together(writings, renew);
    seconds += watch.seconds();
    for (auto& one : going)
      if (one.writing->done()) ended.emplace(one.number, one.writing->take());
    std::erase_if(going, [](const Going& one) { return one.writing->done(); });
    for (; ended.contains(reported); ++reported) {
      done(reported, std::move(ended.at(reported)));
      ended.erase(reported);
    }
  }
  return seconds;
}

}  // namespace pith
