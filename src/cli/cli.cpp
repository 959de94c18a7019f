#include "cli/cli.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/suggest.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "kernels/isa.h"

namespace pith::cli {
namespace {

constexpr int kDone = 0, kInputAtFault = 1, kWrongUsage = 2;
constexpr Index kLongestShown = 40;  // symbols of a mistyped word

constexpr const char* kExamples = R"(Start here:
  pith pull qwen2.5-coder-0.5b-instruct
  pith run -f document.txt -q "Who signs for fuel deliveries?" --kv "kvzip_plus + global + int4 @ 4x"
  pith recipes
Every command explains itself: pith run --help)";

std::string version() {
  return fmt::format(
      "pith {}\ninstruction set: {} (best here: {}; PITH_ISA names a lower one)\n"
      "numerics: fast (int8 activations, bf16 cache); exact (f32) with --exact",
      PITH_VERSION, to_string(active_isa()), to_string(best_isa()));
}

// The subcommand that was being parsed, for a hint to its help.
std::string command_path(const CLI::App& app) {
  std::string path = "pith";
  for (const CLI::App* sub : app.get_subcommands()) path += " " + sub->get_name();
  return path;
}

int report(const std::string& message) {
  std::fflush(stdout);
  fmt::print(stderr, "pith: {}\n", one_line(message));
  return kInputAtFault;
}

// Says so, if the first word is no command: the parser would only ask for one.
bool unknown_command(const CLI::App& app, const std::string& word) {
  if (word.empty() || word.front() == '-') return false;
  std::vector<std::string> known;
  for (const CLI::App* sub : app.get_subcommands({})) known.push_back(sub->get_name());
  if (std::find(known.begin(), known.end(), word) != known.end()) return false;
  const auto near = nearest_names(word, known);
  fmt::print(stderr, "pith: there is no command \"{}\"{}; see pith --help\n",
             shorten(word, kLongestShown),
             near.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(near, " or ")));
  return true;
}

// The first word that the parser could not place: an option by preference, with those that it may
// have been meant for.
std::string unplaced(const CLI::App& app) {
  const std::vector<std::string> words = app.remaining(true);
  const auto option = std::find_if(words.begin(), words.end(), [](const std::string& word) {
    return word.size() > 1 && word.front() == '-' && word != "--";
  });
  if (option == words.end())
    return fmt::format("\"{}\" was not expected",
                       words.empty() ? "" : shorten(words.front(), kLongestShown));
  const std::string name = option->substr(0, option->find('='));
  std::vector<std::string> known;
  const auto chosen = app.get_subcommands();
  for (const CLI::Option* each : (chosen.empty() ? &app : chosen.back())->get_options())
    for (const std::string& one : each->get_lnames()) known.push_back(one);
  std::vector<std::string> near =
      nearest_names(std::string_view(name).substr(name.find_first_not_of('-')), known);
  for (std::string& one : near) one.insert(0, "--");
  return fmt::format(
      "there is no option {}{}", shorten(name, kLongestShown),
      near.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(near, " or ")));
}

int parse_and_run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    flush();
    return kDone;
  } catch (const CLI::CallForVersion& call) {
    print("{}\n", version());
    flush();
    return kDone;
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    put(chosen.empty() ? app.help() : chosen.back()->help("pith"));
    flush();
    return kDone;
  } catch (const CLI::RuntimeError& ended) {  // a command that has said itself what went wrong
    flush();
    return ended.get_exit_code();
  } catch (const CLI::ExtrasError&) {
    fmt::print(stderr, "pith: {}; see {} --help\n", unplaced(app), command_path(app));
    return kWrongUsage;
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "pith: {}; see {} --help\n", one_line(error.what()), command_path(app));
    return kWrongUsage;
  }
}

}  // namespace

int run(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes arrives as an error, like a full disk
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe arrives as OutputClosed, so that files being
                                  // written are cleaned up
  CLI::App app("Compresses the KV cache of a language model and answers from what is left.",
               "pith");
  app.require_subcommand(1);
  app.set_version_flag("--version", "");
  app.footer(kExamples);
  app.get_formatter()->column_width(30);
  for (const char* whole : {"INT", "UINT"}) app.get_formatter()->label(whole, "N");
  app.get_formatter()->label("FLOAT", "X");
  add_run(app);
  add_chat(app);
  add_generate(app);
  add_tokenize(app);
  add_inspect(app);
  add_recipes(app);
  add_bench(app);
  add_eval(app);
  add_compare(app);
  add_probe(app);
  add_report(app);
  add_pull(app);
  add_calibrate(app);
  try {
    if (argc > 1 && unknown_command(app, argv[1])) return kWrongUsage;
    return parse_and_run(app, argc, argv);
  } catch (const OutputClosed&) {
    return kDone;
  } catch (const Error& error) {
    return report(error.what());
  } catch (const std::bad_alloc&) {
    return report("out of memory: take a smaller model or a shorter document");
  } catch (const std::exception& error) {
    return report(std::string("this should not have happened: ") + error.what());
  }
}

}  // namespace pith::cli
