#include "cli/probe_page.h"

#include "cli/probe_json.h"
#include "cli/probe_page_html.h"

namespace pith::cli {
namespace {

constexpr std::string_view kData = "/*PITH_DATA*/null";

// JSON inside a script element: "</script>" and "<!--" must not be read as markup.
std::string for_script(const Json& json) {
  const std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  std::string result;
  for (char c : text) {
    if (c == '<')
      result += "\\u003c";
    else
      result += c;
  }
  return result;
}

}  // namespace

std::string probe_page(const probe::Report& report, const PageTitle& title) {
  const probe::KeptSets& kept = report.arms.front().kept;
  Json data = document_json(report);
  data["document"] = title.document;
  data["model"] = title.model;
  data["numerics"] = title.numerics;
  data["version"] = PITH_VERSION;
  data["text"] = report.text;
  data["layers"] = kept.layers;
  data["kv_heads"] = kept.kv_heads;
  data["windowed"] = kept.windowed;
  data["arms"] = Json::array();
  for (const auto& arm : report.arms) {
    Json one = arm_json(report, arm);
    one["kept"] = kept_json(report, arm.kept);
    data["arms"].push_back(std::move(one));
  }
  data["series"] = Json::array();
  for (const auto& series : report.series) {
    Json one = series_json(series);
    one["arms"] = series.arms.empty() ? std::vector<Index>{0} : series.arms;  // `full` itself
    data["series"].push_back(std::move(one));
  }
  std::string page(kProbePage);
  page.replace(page.find(kData), kData.size(), for_script(data));
  return page;
}

}  // namespace pith::cli
