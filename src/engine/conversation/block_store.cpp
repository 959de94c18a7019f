#include "engine/conversation/block_store.h"

#include <fmt/format.h>
#include <signal.h>
#include <xxhash.h>

#include <charconv>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "cache/snapshot.h"

namespace pith {
namespace {

constexpr std::string_view kSuffix = ".block";

std::vector<Token> joined(const Context& before, std::span<const Token> turn) {
  std::vector<Token> tokens = before.tokens();
  tokens.insert(tokens.end(), turn.begin(), turn.end());
  return tokens;
}

// Files are written as KEY.block.PID.X.part (base/files.h): those of processes that are no more.
void remove_abandoned(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const auto at = name.find(std::string(kSuffix) + ".");
    if (at == std::string::npos || !name.ends_with(".part")) continue;
    const char* first = name.data() + at + kSuffix.size() + 1;
    const char* last = name.data() + name.size() - std::string_view(".part").size();
    if (first >= last) continue;
    int process = 0;
    const auto [end, error] = std::from_chars(first, last, process);
    if (error != std::errc() || *end != '.' || process <= 0) continue;
    if (::kill(process, 0) != 0 && errno == ESRCH) std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace

KeyMaker& KeyMaker::add(std::string_view text) {
  bytes_ += fmt::format("{}:", text.size());
  bytes_ += text;
  return *this;
}

KeyMaker& KeyMaker::add(std::span<const Token> tokens) {
  return add(std::string_view(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes()));
}

KeyMaker& KeyMaker::add(const cache::Cache& cache, bool numbers) {
  const cache::Shape& shape = cache.shape();
  std::string text;
  const auto append = [&](const auto& value) {
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  for (Index lane = 0; lane < shape.lanes(); ++lane) {
    for (const cache::EntryInfo& entry : cache.read_info(lane)) {
      append(entry.position);
      append(entry.log_weight);
      append(entry.span);
      append(entry.kind);
    }
    append(cache.size(lane));
    if (!numbers) continue;
    std::vector<float> rows(static_cast<std::size_t>(cache.size(lane) * shape.head_dim));
    for (const bool keys : {true, false}) {
      keys ? cache.read_keys(lane, rows) : cache.read_values(lane, rows);
      append(XXH3_64bits(rows.data(), rows.size() * sizeof(float)));
    }
  }
  append(XXH3_64bits(text.data(), text.size()));
  return add(std::string_view(text).substr(text.size() - sizeof(XXH64_hash_t)));
}

BlockKey KeyMaker::key() const {
  const XXH128_hash_t hash = XXH3_128bits(bytes_.data(), bytes_.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

BlockStore::BlockStore(std::filesystem::path folder) : folder_(std::move(folder)) {
  make_folder(folder_);
  remove_abandoned(folder_);
}

std::filesystem::path BlockStore::path(const BlockKey& key) const {
  return folder_ / (key + std::string(kSuffix));
}

std::optional<BlockStore::Found> BlockStore::find(const BlockKey& key, const Context& before,
                                                  std::span<const Token> turn) const {
  const auto file = path(key);
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return std::nullopt;
  cache::Snapshot block = cache::load(file);
  const auto expect = [&](bool as_named, const char* what) {
    if (!as_named)
      fail(ErrorCode::bad_file,
           fmt::format("{}: {} is not what its name says; remove the file", file.string(), what));
  };
  const Index first = before.next_position();
  const cache::Shape expected = before.cache().shape(), &shape = block.cache.shape();
  expect(block.info.model_hash == before.engine().model().hash(), "the model");
  expect(shape.layers == expected.layers && shape.kv_heads == expected.kv_heads &&
             shape.head_dim == expected.head_dim && shape.windows == expected.windows,
         "the shape");
  expect(block.cache.rotation().like(before.cache().rotation()), "the rotation");
  expect(block.info.tokens == joined(before, turn), "the text");
  for (Index lane = 0; lane < shape.lanes(); ++lane)
    for (const cache::EntryInfo& entry : block.cache.read_info(lane))
      expect(entry.span.begin >= first, "what an entry stands for");
  return Found{std::move(block.cache), std::move(block.info.recipe)};
}

void BlockStore::put(const BlockKey& key, const Context& before, std::span<const Token> turn,
                     const cache::Cache& entries, const std::string& recipe) const {
  cache::save(entries,
              {.version = 0,
               .model_name = before.engine().config().name,
               .model_hash = before.engine().model().hash(),
               .recipe = recipe,
               .tokens = joined(before, turn),
               .next_position = before.next_position() + std::ssize(turn)},
              path(key));
}

}  // namespace pith
