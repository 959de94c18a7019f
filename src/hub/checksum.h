// SHA-256 of files. Not for anything but checking downloads.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/types.h"

namespace pith::hub {

// Lower-case hex. Reads in pieces and reports how many bytes were read. Throws not_found or io.
std::string sha256_of(const std::filesystem::path& path,
                      const std::function<void(Index done)>& progress = {});

}  // namespace pith::hub
