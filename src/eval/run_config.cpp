#include "eval/run_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/files.h"
#include "base/suggest.h"
#include "base/thread_pool.h"
#include "eval/arms.h"
#include "eval/predictions.h"
#include "kernels/isa.h"

namespace pith::eval {
namespace {

constexpr Index kLargestConfig = Index{1} << 20;  // bytes
constexpr std::string_view kRecorded = "recorded";

// A value of the file, with its place for messages.
struct Value {
  const YAML::Node& node;
  std::string key, place;

  [[noreturn]] void refuse(std::string_view expected) const {
    const std::string got = node.IsScalar()     ? fmt::format("\"{}\"", node.Scalar())
                            : node.IsSequence() ? "a list"
                            : node.IsMap()      ? "a map"
                                                : "nothing";
    fail(ErrorCode::bad_input, fmt::format("{}: {} is {}; expected {}", place, key, got, expected));
  }

  std::string text() const {
    if (!node.IsScalar() || node.Scalar().empty()) refuse("a text");
    return node.Scalar();
  }
  bool flag() const {
    if (node.IsScalar() && node.Scalar() == "true") return true;
    if (node.IsScalar() && node.Scalar() == "false") return false;
    refuse("true or false");
  }
  Index integer(Index least, Index most) const {
    const std::string expected = fmt::format("an integer from {} to {}", least, most);
    if (!node.IsScalar()) refuse(expected);
    const std::string& digits = node.Scalar();
    Index number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || number < least ||
        number > most)
      refuse(expected);
    return number;
  }
  std::vector<std::string> texts() const {
    if (node.IsScalar()) return {text()};
    if (!node.IsSequence()) refuse("a text or a list of texts");
    std::vector<std::string> all;
    for (const auto& one : node) {
      if (!one.IsScalar() || one.Scalar().empty()) refuse("a list of texts");
      all.push_back(one.Scalar());
    }
    return all;
  }
};

struct Key {
  std::string_view name;
  void (*read)(const Value&, RunConfig&);
};

constexpr Index kMost = Index{1} << 40;
const std::vector<Key>& keys() {
  static const std::vector<Key> all = {
      {"model", [](const Value& v, RunConfig& c) { c.model = v.text(); }},
      {"suite", [](const Value& v, RunConfig& c) { c.suites = v.texts(); }},
      {"tokens", [](const Value& v, RunConfig& c) { c.suite.tokens = v.integer(64, 1 << 24); }},
      {"contexts", [](const Value& v, RunConfig& c) { c.suite.contexts = v.integer(1, 100000); }},
      {"seed",
       [](const Value& v, RunConfig& c) {
         c.suite.seed = static_cast<std::uint64_t>(v.integer(0, kMost));
       }},
      {"kv", [](const Value& v, RunConfig& c) { c.recipes = v.texts(); }},
      {"budgets", [](const Value& v, RunConfig& c) { c.budgets = v.texts(); }},
      {"baseline", [](const Value& v, RunConfig& c) { c.baseline = v.text(); }},
      {"twins", [](const Value& v, RunConfig& c) { c.twins = v.flag(); }},
      {"question_aware", [](const Value& v, RunConfig& c) { c.question_aware = v.flag(); }},
      {"check", [](const Value& v, RunConfig& c) { c.check = v.flag(); }},
      {"exact", [](const Value& v, RunConfig& c) { c.exact = v.flag(); }},
      {"threads", [](const Value& v,
                     RunConfig& c) { c.threads = static_cast<int>(v.integer(0, kMostThreads)); }},
      {"together", [](const Value& v, RunConfig& c) { c.together = v.integer(1, 256); }},
      {"shard", [](const Value& v, RunConfig& c) { set_shard(v.text(), c); }},
      {"out", [](const Value& v, RunConfig& c) { c.out = v.text(); }},
      {kRecorded, [](const Value&, RunConfig&) {}},
  };
  return all;
}

YAML::Node load_map(std::string_view yaml, std::string_view name) {
  YAML::Node root;
  try {
    root = YAML::Load(std::string(yaml));
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::bad_input,
         fmt::format("{}:{}: no YAML: {}", name, error.mark.line + 1, error.msg));
  }
  if (!root.IsMap())
    fail(ErrorCode::bad_input,
         fmt::format("{}: expected lines such as `suite: needles`; keys are those of the options "
                     "of pith eval",
                     name));
  return root;
}

const Key& find_key(const std::string& name, const std::string& place) {
  std::string wanted = name;
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  std::vector<std::string> known;
  for (const Key& key : keys()) {
    if (key.name == wanted) return key;
    if (key.name != kRecorded) known.emplace_back(key.name);
  }
  const auto nearest = nearest_names(wanted, known, 1);
  fail(ErrorCode::bad_input,
       fmt::format("{}: no key is called \"{}\"{}; known: {}", place, name,
                   nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest.front()),
                   fmt::join(known, ", ")));
}

std::vector<std::string> joined(std::vector<std::string> all,
                                const std::vector<std::string>& more) {
  for (const auto& one : more)
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
  return all;
}

std::vector<std::string> names_of(const RunConfig& config) {
  std::vector<std::string> names;
  for (const auto& arm : all_arms(config)) names.push_back(arm.name());
  return names;
}

}  // namespace

RunConfig parse_config(std::string_view yaml, std::string_view name) {
  RunConfig config;
  const YAML::Node root = load_map(yaml, name);
  std::vector<std::string_view> seen;
  for (const auto& entry : root) {
    const std::string place = fmt::format("{}:{}", name, entry.first.Mark().line + 1);
    if (!entry.first.IsScalar())
      fail(ErrorCode::bad_input, fmt::format("{}: a key must be a word", place));
    const Key& key = find_key(entry.first.Scalar(), place);
    if (std::find(seen.begin(), seen.end(), key.name) != seen.end())
      fail(ErrorCode::bad_input, fmt::format("{}: {} is given twice", place, key.name));
    seen.push_back(key.name);
    key.read({entry.second, entry.first.Scalar(), place}, config);
  }
  return config;
}

RunConfig read_config(const std::filesystem::path& path) {
  return parse_config(read_file(path, kLargestConfig), path.string());
}

void set_shard(std::string_view text, RunConfig& config) {
  Index shard = -1, shards = 0;
  const auto slash = text.find('/');
  if (slash != std::string_view::npos) {
    std::from_chars(text.data(), text.data() + slash, shard);
    std::from_chars(text.data() + slash + 1, text.data() + text.size(), shards);
  }
  if (text != fmt::format("{}/{}", shard, shards) || shard < 0 || shard >= shards)
    fail(ErrorCode::bad_input,
         fmt::format("'{}' is no shard; write I/N with I from 0 to N - 1, such as 0/4", text));
  config.shard = shard;
  config.shards = shards;
}

RunFacts facts_of(const Engine& engine) {
  return {.model_name = engine.config().name,
          .model_hash = fmt::format("{:016x}", engine.model().hash()),
          .numerics = engine.options().numerics == Numerics::exact ? "exact" : "fast",
          .isa = std::string(to_string(active_isa())),
          .cache_type = std::string(to_string(engine.cache_format())),
          .version = PITH_VERSION};
}

RecordedRun recorded(const RunConfig& config, const RunFacts& facts) {
  RecordedRun run{config, facts};
  run.config.recipes = names_of(config);
  run.config.budgets.clear();
  return run;
}

std::string to_yaml(const RecordedRun& run) {
  const RunConfig& config = run.config;
  const RunFacts& facts = run.facts;
  YAML::Emitter yaml;
  const auto list = [&](const char* key, const std::vector<std::string>& values) {
    yaml << YAML::Key << key << YAML::Value << YAML::BeginSeq;
    for (const auto& value : values) yaml << YAML::DoubleQuoted << value;
    yaml << YAML::EndSeq;
  };
  yaml << YAML::BeginMap << YAML::Key << "model" << YAML::Value << YAML::DoubleQuoted
       << config.model;
  list("suite", config.suites);
  yaml << YAML::Key << "tokens" << YAML::Value << config.suite.tokens;
  yaml << YAML::Key << "contexts" << YAML::Value << config.suite.contexts;
  yaml << YAML::Key << "seed" << YAML::Value << config.suite.seed;
  list("kv", config.recipes);
  yaml << YAML::Key << "baseline" << YAML::Value << YAML::DoubleQuoted << config.baseline;
  yaml << YAML::Key << "twins" << YAML::Value << config.twins;
  yaml << YAML::Key << "question_aware" << YAML::Value << config.question_aware;
  yaml << YAML::Key << "check" << YAML::Value << config.check;
  yaml << YAML::Key << "exact" << YAML::Value << config.exact;
  yaml << YAML::Key << std::string(kRecorded) << YAML::Value << YAML::BeginMap;
  const std::pair<const char*, std::string> recorded[] = {
      {"model_name", facts.model_name}, {"model_hash", facts.model_hash},
      {"numerics", facts.numerics},     {"isa", facts.isa},
      {"cache_type", facts.cache_type}, {"version", facts.version}};
  for (const auto& [key, value] : recorded)
    yaml << YAML::Key << key << YAML::Value << YAML::DoubleQuoted << value;
  yaml << YAML::EndMap << YAML::EndMap;
  return std::string(yaml.c_str()) + "\n";
}

RecordedRun read_recorded(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.yaml";
  if (!std::filesystem::exists(path))
    fail(ErrorCode::not_found,
         fmt::format("{} holds no run (config.yaml is missing); it must be the --out of a run of "
                     "pith eval",
                     folder.string()));
  const std::string text = read_file(path, kLargestConfig);
  const YAML::Node facts = load_map(text, path.string())[std::string(kRecorded)];
  const auto fact = [&](const char* key) {
    if (!facts.IsDefined() || !facts.IsMap() || !facts[key].IsDefined() || !facts[key].IsScalar())
      fail(ErrorCode::bad_file,
           fmt::format("{}: no {} under `{}`; it must be a file that pith eval wrote",
                       path.string(), key, kRecorded));
    return facts[key].Scalar();
  };
  return {parse_config(text, path.string()),
          {.model_name = fact("model_name"),
           .model_hash = fact("model_hash"),
           .numerics = fact("numerics"),
           .isa = fact("isa"),
           .cache_type = fact("cache_type"),
           .version = fact("version")}};
}

RecordedRun joined(const RecordedRun& there, const RecordedRun& more, const std::string& name) {
  const auto same = [&](std::string_view key, const auto& before, const auto& now) {
    if (before != now)
      fail(ErrorCode::bad_input,
           fmt::format("{} holds a run with {} {}, this one has {}; results of both cannot stand "
                       "in one folder: choose another --out, or the same settings",
                       name, key, before, now));
  };
  same("model_hash", there.facts.model_hash, more.facts.model_hash);
  same("numerics", there.facts.numerics, more.facts.numerics);
  same("isa", there.facts.isa, more.facts.isa);
  same("version", there.facts.version, more.facts.version);
  same("tokens", there.config.suite.tokens, more.config.suite.tokens);
  same("seed", there.config.suite.seed, more.config.suite.seed);
  same("question_aware", there.config.question_aware, more.config.question_aware);
  RecordedRun both = more;
  both.config.suites = joined(there.config.suites, more.config.suites);
  both.config.recipes = joined(there.config.recipes, more.config.recipes);
  both.config.suite.contexts = std::max(there.config.suite.contexts, more.config.suite.contexts);
  both.config.twins = there.config.twins || more.config.twins;
  both.config.check = there.config.check || more.config.check;
  return both;
}

void record(const RecordedRun& run, const std::filesystem::path& out) {
  make_folder(out);
  const std::filesystem::path path = out / "config.yaml";
  // Settings of a run that answered nothing bind nobody.
  const bool goes_on = std::filesystem::exists(path) && holds_predictions(out);
  FileWriter writer(path);
  writer.write(to_yaml(goes_on ? joined(read_recorded(out), run, out.string()) : run));
  writer.commit();
}

}  // namespace pith::eval
