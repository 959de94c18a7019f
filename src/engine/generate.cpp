#include "engine/generate.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"

namespace pith {
namespace {

// Text on its way out: whole symbols only, and nothing that may still become a stop string.
class TextGate {
 public:
  explicit TextGate(const std::vector<std::string>& stops) : stops_(stops) {}

  // Takes bytes; appends to `out` what is certain. Returns true once a stop string is complete.
  bool push(std::string_view bytes, std::string& out) {
    pending_ += symbols_.push(bytes);
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

  std::string rest() { return pending_ + symbols_.flush(); }

 private:
  // Length of the longest end of the pending text with which some stop string begins.
  std::size_t longest_possible_stop() const {
    std::size_t longest = 0;
    for (const auto& stop : stops_)
      for (std::size_t n = std::min(stop.size(), pending_.size()); n > longest; --n)
        if (std::string_view(pending_).substr(pending_.size() - n) == std::string_view(stop).substr(0, n)) longest = n;
    return longest;
  }

  const std::vector<std::string>& stops_;
  Utf8Stream symbols_;
  std::string pending_;
};

}  // namespace

std::string_view to_string(StopReason reason) {
  switch (reason) {
    case StopReason::end_of_text: return "end_of_text";
    case StopReason::stop_string: return "stop_string";
    case StopReason::max_tokens: return "max_tokens";
    case StopReason::context_full: return "context_full";
    case StopReason::cancelled: return "cancelled";
  }
  return "?";
}

Generated generate(Context& context, const GenerateOptions& options, const OnText& on_text) {
  PITH_CHECK(!context.logits().empty(), "read something before generating");
  const Tokenizer& tokenizer = context.engine().tokenizer();
  const Index range = context.engine().config().context_length;
  Sampler sampler(options.sampling);
  TextGate gate(options.stop);
  Generated result;
  const auto finish = [&](StopReason reason) {
    result.reason = reason;
    return true;
  };
  for (bool done = options.max_tokens <= 0 && finish(StopReason::max_tokens); !done;) {
    const Token token = sampler.pick(context.logits());
    result.tokens.push_back(token);
    if (!options.ignore_end && tokenizer.is_end_of_generation(token)) {
      finish(StopReason::end_of_text);
      break;
    }
    std::string certain;
    const bool stopped = gate.push(tokenizer.piece(token, false), certain);
    result.text += certain;
    if (!certain.empty() && on_text && !on_text(certain)) {
      finish(StopReason::cancelled);
      return result;
    }
    if (stopped) {
      finish(StopReason::stop_string);
      return result;
    }
    if (static_cast<Index>(result.tokens.size()) >= options.max_tokens) done = finish(StopReason::max_tokens);
    else if (context.next_position() >= range) done = finish(StopReason::context_full);
    if (done) break;
    const auto start = std::chrono::steady_clock::now();
    context.read(std::span(&token, 1));
    result.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ++result.steps;
  }
  const std::string rest = gate.rest();
  result.text += rest;
  if (!rest.empty() && on_text) on_text(rest);
  return result;
}

}  // namespace pith
