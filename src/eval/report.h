// The report: finished runs gathered into one JSON document, and that into one HTML file that needs
// nothing else, no network included. It runs no model and draws nothing itself: the page's script
// does (report/report.js).
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "eval/documents.h"
#include "eval/predictions.h"

namespace pith::eval {

struct ReportRun {
  std::string name;    // what the report calls it
  std::string model;   // from the run's configuration; empty if that does not say
  std::string config;  // its text, as it is
  std::vector<Prediction> predictions;
  std::vector<DocumentRecord> documents;  // empty for runs that wrote none
};

// Reads predictions, documents and config.yaml of a folder, which gives the run its name. Throws
// not_found where there are no predictions, bad_file for damage.
ReportRun read_report_run(const std::filesystem::path& folder);

// All that the page shows. Figures are made from all predictions; of documents and answers as much
// is taken as keeps the page below `page_bytes`, wrong answers first, and `left_out` says what not.
// Throws bad_input for a run without predictions or without those of `full`.
nlohmann::ordered_json report_data(std::span<const ReportRun> runs, Index page_bytes = 1'900'000);

// The page. Nothing in the data can break out of it.
std::string report_page(const nlohmann::ordered_json& data);

}  // namespace pith::eval
