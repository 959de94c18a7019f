// What `pith inspect` shows of each kind of file. It reads, and changes nothing.
#pragma once

#include <filesystem>

namespace pith::cli {

// Metadata, configuration and tensors of a GGUF file, runnable by pith or not.
void inspect_model(const std::filesystem::path& path, bool tensors, bool json);

// A saved context: what it belongs to, its recipe, and its entries by layer.
void inspect_snapshot(const std::filesystem::path& path, bool json);

}  // namespace pith::cli
