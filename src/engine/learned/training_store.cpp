#include "engine/learned/training_store.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cstring>

#include "base/error.h"
#include "base/files.h"

namespace pith {
namespace {

// file = head, numbers, first moments, second moments (`size` floats each), u64 XXH3 of all that;
// in version 2, of a loss that counts hits, the best numbers (`size` floats) and how many hits they
// have (i64) stand before the hash.
struct Head {
  char magic[8] = {'P', 'I', 'T', 'H', 'V', 'T', '0', '1'};
  std::int64_t step = 0, size = 0;
  float first_loss = 0, last_loss = 0;
  double first_power = 1, second_power = 1;
};

std::int64_t file_size(std::int64_t size, bool has_best) {
  return static_cast<std::int64_t>(sizeof(Head) + sizeof(std::uint64_t)) +
         size * (has_best ? 4 : 3) * static_cast<std::int64_t>(sizeof(float)) +
         (has_best ? static_cast<std::int64_t>(sizeof(std::int64_t)) : 0);
}

template <typename T>
std::string_view bytes_of(const T* data, std::size_t count) {
  return {reinterpret_cast<const char*>(data), count * sizeof(T)};
}

}  // namespace

TrainingStore::TrainingStore(std::filesystem::path folder, OnTurnStep on_step)
    : folder_(std::move(folder)), on_step_(std::move(on_step)) {}

std::filesystem::path TrainingStore::path_of(const std::string& name) const {
  return folder_ / (name + ".turn");
}

std::optional<TrainingState> TrainingStore::find(const std::string& name) const {
  const auto path = path_of(name);
  if (!is_there(path)) return std::nullopt;
  const std::string text = read_file(path);
  const auto damaged = [&]() {
    fail(ErrorCode::bad_file, fmt::format("{}: this training is damaged; delete the file, and it "
                                          "is begun anew",
                                          path.string()));
  };
  Head head;
  std::uint64_t hash = 0;
  if (text.size() < sizeof(head) + sizeof(hash)) damaged();
  std::memcpy(&head, text.data(), sizeof(head));
  std::memcpy(&hash, text.data() + text.size() - sizeof(hash), sizeof(hash));
  const bool has_best = head.magic[7] == '2';
  head.magic[7] = Head{}.magic[7];
  const auto most = static_cast<std::int64_t>(text.size());  // no sum below overflows
  if (std::memcmp(head.magic, Head{}.magic, sizeof(head.magic)) != 0 || head.size < 0 ||
      head.size > most || most != file_size(head.size, has_best) ||
      hash != XXH3_64bits(text.data(), text.size() - sizeof(hash)))
    damaged();
  TrainingState state{.step = head.step,
                      .first_loss = head.first_loss,
                      .last_loss = head.last_loss,
                      .adam = Adam(static_cast<std::size_t>(head.size))};
  const char* at = text.data() + sizeof(Head);
  state.numbers.resize(static_cast<std::size_t>(head.size));
  std::vector<std::vector<float>*> rows = {&state.numbers, &state.adam.first, &state.adam.second};
  if (has_best) rows.push_back(&state.best);
  state.best.resize(has_best ? state.numbers.size() : 0);
  for (auto* row : rows) {
    std::memcpy(row->data(), at, row->size() * sizeof(float));
    at += row->size() * sizeof(float);
  }
  if (has_best) std::memcpy(&state.best_hits, at, sizeof(state.best_hits));
  state.adam.first_power = head.first_power;
  state.adam.second_power = head.second_power;
  return state;
}

void TrainingStore::keep(const std::string& name, const TrainingState& state) const {
  Head head;
  if (!state.best.empty()) head.magic[7] = '2';
  head.step = state.step;
  head.size = std::ssize(state.numbers);
  head.first_loss = state.first_loss;
  head.last_loss = state.last_loss;
  head.first_power = state.adam.first_power;
  head.second_power = state.adam.second_power;
  std::string text(bytes_of(&head, 1));
  for (const auto* row : {&state.numbers, &state.adam.first, &state.adam.second})
    text += bytes_of(row->data(), row->size());
  if (!state.best.empty())
    text.append(bytes_of(state.best.data(), state.best.size()))
        .append(bytes_of(&state.best_hits, 1));
  const std::uint64_t hash = XXH3_64bits(text.data(), text.size());
  text += bytes_of(&hash, 1);
  make_folder(folder_);
  FileWriter writer(path_of(name));
  writer.write(text);
  writer.commit();
}

Checkpoint TrainingStore::checkpoint(const std::string& name) const {
  return {.state = find(name),
          .keep = [this, name](const TrainingState& state) { keep(name, state); }};
}

std::string training_name(std::string_view before, std::span<const Token> turn) {
  const std::string text = fmt::format("{}|{}", before, bytes_of(turn.data(), turn.size()));
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace pith
