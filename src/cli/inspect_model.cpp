#include <map>
#include <optional>
#include <type_traits>

#include "base/error.h"
#include "cli/inspect.h"
#include "cli/output.h"
#include "gguf/gguf.h"
#include "model/config.h"
#include "model/model.h"

namespace pith::cli {
namespace {

constexpr std::size_t kShownElements =
    6;  // of an array in the text form; JSON holds at most kJsonElements
constexpr std::size_t kJsonElements = 64;
constexpr Index kShownWidth = 100;

struct TypeTotal {
  Index tensors = 0, weights = 0, bytes = 0;
};

Index weights_of(const gguf::Tensor& tensor) { return tensor.rows() * tensor.cols(); }

template <typename T>
constexpr bool is_list = false;
template <typename T>
constexpr bool is_list<std::vector<T>> = true;

Json to_json(const gguf::Value& value, std::size_t most) {
  return std::visit(
      [&](const auto& held) -> Json {
        using T = std::decay_t<decltype(held)>;
        if constexpr (is_list<T>) {
          Json list = Json::array();
          for (std::size_t i = 0; i < std::min(held.size(), most); ++i)
            list.push_back(typename T::value_type(held[i]));
          return list;
        } else {
          return held;
        }
      },
      value);
}

// The length of an array; nothing for other values.
std::optional<std::size_t> length(const gguf::Value& value) {
  return std::visit(
      [](const auto& held) -> std::optional<std::size_t> {
        if constexpr (is_list<std::decay_t<decltype(held)>>) {
          return held.size();
        } else {
          return std::nullopt;
        }
      },
      value);
}

std::string to_text(const gguf::Value& value) {
  const std::string shown =
      shorten(to_json(value, kShownElements).dump(-1, ' ', false, Json::error_handler_t::replace),
              kShownWidth);
  const auto elements = length(value);
  if (!elements || *elements <= kShownElements) return shown;
  return fmt::format("{} … {} elements", shown, human_count(static_cast<Index>(*elements)));
}

Json config_json(const ModelConfig& config) {
  Index windowed = 0;
  for (const LayerConfig& layer : config.layers) windowed += layer.window > 0 ? 1 : 0;
  return {{"architecture", config.architecture},
          {"name", config.name},
          {"layers", config.layer_count()},
          {"width", config.width},
          {"query_heads", config.query_heads},
          {"kv_heads", config.kv_heads},
          {"head_dim", config.head_dim},
          {"hidden", config.hidden},
          {"vocabulary", config.vocabulary},
          {"context_length", config.context_length},
          {"windowed_layers", windowed},
          {"cache_bytes_per_token", 4 * config.layer_count() * config.kv_heads * config.head_dim}};
}

// As saved caches name the model that they belong to.
std::string hash_name(const gguf::File& file) {
  return fmt::format("{:016x}", Model::hash_of(file));
}

struct ModelView {
  const gguf::File& file;
  std::optional<ModelConfig> config;
  std::string why_not;  // pith cannot run it
  std::map<std::string_view, TypeTotal> types;
  TypeTotal total;
};

ModelView look(const gguf::File& file) {
  ModelView view{file, std::nullopt, "", {}, {}};
  try {
    view.config = read_config(file);
  } catch (const Error& error) {  // the file is sound; its content is still worth showing
    view.why_not = error.what();
  }
  for (const gguf::Tensor& tensor : file.tensors()) {
    for (TypeTotal* sum : {&view.types[info(tensor.type).name], &view.total}) {
      ++sum->tensors;
      sum->weights += weights_of(tensor);
      sum->bytes += std::ssize(tensor.data);
    }
  }
  return view;
}

void put_json_view(const ModelView& view, bool tensors) {
  Json json;
  json["kind"] = "gguf";
  json["file"] = view.file.name();
  json["version"] = view.file.version();
  json["model_hash"] = hash_name(view.file);
  json["config"] = view.config ? config_json(*view.config) : Json(nullptr);
  if (!view.config) json["cannot_run"] = view.why_not;
  json["n_tensors"] = view.total.tensors;
  json["n_weights"] = view.total.weights;
  json["tensor_bytes"] = view.total.bytes;
  json["types"] = Json::object();
  for (const auto& [name, sum] : view.types)
    json["types"][std::string(name)] = {
        {"tensors", sum.tensors}, {"weights", sum.weights}, {"bytes", sum.bytes}};
  json["metadata"] = Json::object();
  for (const auto& [key, value] : view.file.metadata()) {
    const auto elements = length(value);
    if (elements && *elements > kJsonElements) {
      json["metadata"][key] = {{"length", *elements}, {"first", to_json(value, kJsonElements)}};
    } else {
      json["metadata"][key] = to_json(value, kJsonElements);
    }
  }
  if (tensors) {
    json["tensors"] = Json::array();
    for (const gguf::Tensor& tensor : view.file.tensors())
      json["tensors"].push_back({{"name", tensor.name},
                                 {"type", info(tensor.type).name},
                                 {"shape", tensor.shape},
                                 {"bytes", tensor.data.size()}});
  }
  put_json(json);
}

void put_tensors(const gguf::File& file) {
  Table table;
  table.add_column("tensor", Table::Align::left);
  table.add_column("type", Table::Align::left);
  table.add_column("shape", Table::Align::left);
  table.add_column("bytes");
  for (const gguf::Tensor& tensor : file.tensors())
    table.add_row({one_line(tensor.name), std::string(info(tensor.type).name),
                   fmt::format("{}", fmt::join(tensor.shape, " x ")),
                   human_bytes(std::ssize(tensor.data))});
  put("\n" + table.to_string());
}

void put_text_view(const ModelView& view, bool tensors) {
  print("{}: GGUF version {}, {} tensors, {} weights, {}\n\n", view.file.name(),
        view.file.version(), view.total.tensors, human_count(view.total.weights),
        human_bytes(view.total.bytes));
  if (view.config) {
    const Json config = config_json(*view.config);
    for (const auto& [key, value] : config.items())
      print("  {:<22} {}\n", key,
            value.is_string() ? one_line(value.get<std::string>()) : value.dump());
  } else {
    print("pith cannot run this model: {}\n", one_line(view.why_not));
  }
  print("  {:<22} {}\n", "model_hash", hash_name(view.file));
  put("\n");
  Table types;
  types.add_column("type", Table::Align::left);
  types.add_column("tensors");
  types.add_column("weights");
  types.add_column("bytes");
  for (const auto& [name, sum] : view.types)
    types.add_row({std::string(name), human_count(sum.tensors), human_count(sum.weights),
                   human_bytes(sum.bytes)});
  put(types.to_string() + "\n");
  for (const auto& [key, value] : view.file.metadata())
    print("  {} = {}\n", one_line(key), to_text(value));
  if (tensors) put_tensors(view.file);
}

}  // namespace

void inspect_model(const std::filesystem::path& path, bool tensors, bool json) {
  const auto file = gguf::File::open(path);
  const ModelView view = look(file);
  json ? put_json_view(view, tensors) : put_text_view(view, tensors);
}

}  // namespace pith::cli
