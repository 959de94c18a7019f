// The subcommands: each adds itself, its options, its help and its work to the application. One
// file per command. Nothing is computed here; a command runs when the parser has accepted the whole
// command line.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace pith::cli {

void add_run(CLI::App& app);
void add_chat(CLI::App& app);
void add_generate(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_inspect(CLI::App& app);
void add_recipes(CLI::App& app);
void add_bench(CLI::App& app);
void add_eval(CLI::App& app);
void add_compare(CLI::App& app);
void add_pull(CLI::App& app);
void add_calibrate(CLI::App& app);

}  // namespace pith::cli
