// ask MODEL DOCUMENT QUESTION...: reads a document once, compresses it before any question is
// known, and answers every question from what is left.
#include <pith/pith.h>

#include <fstream>
#include <iostream>
#include <iterator>

std::string text_of(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::cerr << "usage: ask MODEL DOCUMENT QUESTION...\n";
    return 2;
  }
  const std::string recipe = "kvzip_plus + global + int4 @ 4x";
  const auto engine = pithkv::Engine::load(argv[1]);
  const auto whole = engine.read(text_of(argv[2]), {.recipes = {recipe}});
  const auto small = whole.compress(recipe);
  std::cout << small.tokens() << " tokens: " << whole.cache_bytes() << " bytes before, "
            << small.cache_bytes() << " after " << small.recipe() << '\n';

  const auto show = [](std::string_view piece) {
    std::cout << piece << std::flush;
    return true;
  };
  for (int i = 3; i < argc; ++i) {
    std::cout << "> " << argv[i] << '\n';
    const auto answer = small.ask(argv[i], {.max_tokens = 64, .on_text = show});
    std::cout << "\n[" << answer.tokens.size() << " tokens, " << to_string(answer.stop_reason)
              << "]\n";
  }
} catch (const pithkv::Error& error) {
  std::cerr << "ask: " << to_string(error.code()) << ": " << error.what() << '\n';
  return 1;
}
