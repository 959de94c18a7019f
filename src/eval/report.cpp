#include "eval/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "eval/report/answers.h"
#include "eval/report/gather.h"
#include "eval/report/page.h"
#include "eval/report/tables.h"
#include "eval/run_config.h"

namespace pith::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr Index kConfigBytes = 8192;

Json run_json(const ReportRun& run) {
  std::set<std::string> documents, items;
  Index fewest = run.predictions.front().context_tokens, most = fewest;
  for (const Prediction& p : run.predictions) {
    documents.insert(p.suite + "/" + p.document + "/" + p.document_hash);
    items.insert(p.suite + "/" + p.item + "/" + p.document_hash);
    fewest = std::min(fewest, p.context_tokens);
    most = std::max(most, p.context_tokens);
  }
  return {{"name", run.name},
          {"model", run.model},
          {"answers", run.predictions.size()},
          {"items", items.size()},
          {"documents", documents.size()},
          {"tokens", {fewest, most}},
          {"config", run.config.substr(0, kConfigBytes)}};
}

Json arms_json(const Gathered& gathered) {
  Json list = Json::array();
  for (const ReportArm& arm : gathered.arms)
    list.push_back({{"run", arm.run},
                    {"recipe", arm.recipe},
                    {"canonical", arm.canonical},
                    {"method", arm.method},
                    {"budget", arm.budget},
                    {"twin", arm.twin},
                    {"sees_question", arm.sees_question},
                    {"oracle", arm.oracle},
                    {"keeps_full", arm.keeps_full}});
  return list;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  return result;
}

}  // namespace

ReportRun read_report_run(const std::filesystem::path& folder) {
  ReportRun run;
  run.predictions = read_run(folder);
  run.documents = read_documents(folder);
  const auto shown = std::filesystem::absolute(folder).lexically_normal();
  run.name = (shown.has_filename() ? shown : shown.parent_path()).filename().string();
  if (const auto path = folder / "config.yaml"; std::filesystem::exists(path)) {
    run.config = read_file(path);
    run.model = read_recorded(folder).facts.model_name;
  } else if (const auto old = folder / "config.json"; std::filesystem::exists(old)) {
    run.config = read_file(old);
    const Json config = Json::parse(run.config, nullptr, false);
    if (config.is_object()) run.model = config.value("model", "");
  }
  return run;
}

Json report_data(std::span<const ReportRun> runs, Index page_bytes) {
  PITH_CHECK(!runs.empty(), "a report of no runs");
  Json names = Json::array(), run_list = Json::array();
  for (const ReportRun& run : runs) {
    if (run.predictions.empty())
      fail(ErrorCode::bad_input,
           fmt::format("the run {} has no predictions yet; let pith eval answer something first",
                       run.name));
    names.push_back(run.name);
    run_list.push_back(run_json(run));
  }
  const Gathered gathered = gather(runs);
  const auto classes = failure_classes(gathered);
  Json fates = Json::array();
  for (const Fate fate : kFates) fates.push_back(to_string(fate));
  Json data = {{"version", PITH_VERSION},
               {"title", fmt::format("{}", fmt::join(names.get<std::vector<std::string>>(), ", "))},
               {"runs", std::move(run_list)},
               {"sets", gathered.sets},
               {"lengths", gathered.lengths},
               {"failures", classes},
               {"fates", std::move(fates)},
               {"mostly_kept", kMostlyKept},
               {"arms", arms_json(gathered)},
               {"scores", score_table(runs, gathered)},
               {"depths", depth_table(gathered)},
               {"kept", kept_table(gathered)}};
  const Index used = std::ssize(report_page(data));
  Embedded embedded = embed(gathered, classes, std::max<Index>(0, page_bytes - used - 256));
  data["items"] = std::move(embedded.items);
  data["answers"] = std::move(embedded.answers);
  data["left_out"] = std::move(embedded.left_out);
  return data;
}

std::string report_page(const Json& data) {
  const std::pair<std::string_view, std::string> parts[] = {
      {"{{title}}", escaped(data.at("title").get<std::string>())},
      {"{{style}}", std::string(kReportCss)},
      {"{{script}}", std::string(kReportJs)},
      {"{{data}}", script_json(data)}};
  std::string page;
  std::string_view left = kReportHtml;
  for (auto at = left.find("{{"); at != std::string_view::npos; at = left.find("{{")) {
    page += left.substr(0, at);
    left.remove_prefix(at);
    const auto part = std::find_if(std::begin(parts), std::end(parts),
                                   [&](const auto& p) { return left.starts_with(p.first); });
    PITH_CHECK(part != std::end(parts), "report.html has a place without content");
    page += part->second;
    left.remove_prefix(part->first.size());
  }
  return page += left;
}

}  // namespace pith::eval
