#include "eval/report.h"

#include <filesystem>
#include <memory>

#include "base/files.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith report runs/s0
  pith report runs/4k runs/16k -o both.html
One HTML file that needs no network: scores against bytes with intervals, every task, how answers fail, where each missed fact went, and
the answers with their context. Several runs stand side by side; runs of other lengths make the depth map one of depth by length.)";

struct ReportCommand {
  std::vector<std::string> folders;
  std::string out;
  bool json = false;
};

// Two runs of one name are told apart by the folders that they lie in.
void tell_apart(std::vector<eval::ReportRun>& runs, const std::vector<std::string>& folders) {
  for (std::size_t i = 0; i < runs.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (runs[i].name == runs[j].name) {
        runs[i].name = folders[i];
        runs[j].name = folders[j];
      }
}

void report_command(const ReportCommand& command) {
  std::vector<eval::ReportRun> runs;
  for (const auto& folder : command.folders) {
    runs.push_back(eval::read_report_run(folder));
    const auto& run = runs.back();
    if (run.documents.empty())
      note(
          fmt::format("{} has no documents.jsonl: answers are shown without their context; the "
                      "same pith eval command adds it",
                      folder));
  }
  tell_apart(runs, command.folders);
  const auto data = eval::report_data(runs);
  if (command.json) {
    put_json(data);
    return;
  }
  const std::filesystem::path path =
      command.out.empty() ? std::filesystem::path(command.folders.front()) / "report.html"
                          : std::filesystem::path(command.out);
  FileWriter writer(path);
  writer.write(eval::report_page(data));
  const Index size = writer.size();
  writer.commit();
  const auto& left_out = data.at("left_out");
  const Index missing = left_out.at("right").get<Index>() + left_out.at("wrong").get<Index>();
  note(fmt::format("{}, {}{}", path.string(), human_bytes(size),
                   missing == 0 ? ""
                                : fmt::format("; {} answers are counted but not in it as text ({} "
                                              "of them wrong)",
                                              human_count(missing),
                                              human_count(left_out.at("wrong").get<Index>()))));
}

}  // namespace

void add_report(CLI::App& app) {
  auto command = std::make_shared<ReportCommand>();
  CLI::App* sub =
      app.add_subcommand("report", "Make one HTML file of finished runs, to be read offline");
  sub->add_option("folders", command->folders, "Folders that pith eval --out wrote")
      ->required()
      ->type_name("DIR");
  sub->add_option("-o,--out", command->out, "The file to write (default: report.html in DIR)")
      ->type_name("FILE");
  sub->add_flag("--json", command->json, "Print the data of the page instead");
  sub->footer(kExamples);
  sub->callback([command] { report_command(*command); });
}

}  // namespace pith::cli
