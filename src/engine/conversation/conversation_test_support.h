// A tiny model to talk to, some texts, and a folder of a test's own. It tests nothing itself.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/conversation/conversation.h"
#include "support/test_folder.h"
#include "support/tiny_model.h"

namespace pith::test {

inline constexpr const char* kTexts[] = {"hello the and in the hello and the in the",
                                         "and then the end?", "in the end the others and the hello",
                                         "the and in"};

class ConversationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bytes_ = tiny_model({});
    engine_ = Engine::from(gguf::File::parse(bytes_, "tiny"), {.threads = 2});
  }

  ConversationOptions options(const std::string& recipe) const {
    ConversationOptions options;
    options.recipe = recipe::Recipe::parse(recipe);
    options.generation = {.max_tokens = 6, .ignore_end = true};
    return options;
  }
  // Says all texts; what is due is compressed after each.
  static void talk(Conversation& conversation) {
    for (const char* text : kTexts) {
      conversation.say(text);
      conversation.compress_now();
    }
  }
  static std::vector<float> keys(const Conversation& conversation, Index lane = 0) {
    const cache::Cache& cache = conversation.context().cache();
    std::vector<float> out(static_cast<std::size_t>(cache.size(lane) * cache.shape().head_dim));
    cache.read_keys(lane, out);
    return out;
  }
  std::filesystem::path a_block() const {
    return std::filesystem::directory_iterator(store_)->path();
  }

  std::vector<std::byte> bytes_;
  std::shared_ptr<Engine> engine_;
  const test::TestFolder own_;
  const std::filesystem::path& store_ = own_.path();
};

}  // namespace pith::test
