// chat MODEL [FILE]: talks, line by line, in a cache that stays small; FILE keeps the conversation.
#include <pith/pith.h>

#include <filesystem>
#include <iostream>
#include <string>

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: chat MODEL [FILE]\n";
    return 2;
  }
  const auto engine = pithkv::Engine::load(argv[1]);
  const pithkv::ConversationOptions options{.recipe = "kvzip_plus + global @ 4x",
                                            .over_bytes = 8 << 20,
                                            .cold = "int4",
                                            .max_tokens = 256};
  auto talk = argc > 2 && std::filesystem::exists(argv[2])
                  ? pithkv::Conversation::load(engine, argv[2], options)
                  : pithkv::Conversation(engine, options);

  for (std::string line; std::cout << "> " << std::flush && std::getline(std::cin, line);) {
    talk.say(line, [](std::string_view piece) {
      std::cout << piece << std::flush;
      return true;
    });
    std::cout << '\n';
    talk.compress_in_background();  // while the next line is typed
    for (const auto& note : talk.take_notes()) std::cerr << '[' << note << "]\n";
  }

  talk.compress_now();
  const auto account = talk.account();
  std::cout << account.turns << " turns, " << account.compressed
            << " compressed: " << account.cache_bytes << " bytes, the full cache has "
            << account.full_bytes << '\n';
  if (argc > 2) talk.save(argv[2]);
} catch (const pithkv::Error& error) {
  std::cerr << "chat: " << to_string(error.code()) << ": " << error.what() << '\n';
  return 1;
}
