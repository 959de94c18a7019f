// Downloads over http and https into a partial file, going on where an earlier attempt stopped. It
// knows no models.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/types.h"
#include "hub/partial.h"

namespace pith::hub {

struct HttpRequest {
  std::string url;
  Index bytes = 0;  // of the whole file; 0: unknown
  bool checked =
      false;  // a checksum follows, so that a resumed file which changed meanwhile is noticed
  int attempts = 5;  // without headway
  std::chrono::milliseconds first_delay{1000};
  std::function<void(Index done, Index total)> progress;  // what it throws ends the download
};

// Throws not_found (404, 410), io (network, server, access) or bad_file (a web page, another size),
// always naming the URL.
void download(const HttpRequest& request, PartialFile& out);

}  // namespace pith::hub
