#include "hub/checksum.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <memory>
#include <vector>

#include "base/error.h"

namespace pith::hub {

std::string sha256_of(const std::filesystem::path& path,
                      const std::function<void(Index)>& progress) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             std::fclose);
  if (!file) fail(ErrorCode::not_found, fmt::format("cannot open {}", path.string()));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  bool ok = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  std::vector<unsigned char> buffer(std::size_t{1} << 20);
  Index done = 0;
  while (ok) {
    const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get());
    if (got == 0) break;
    ok = EVP_DigestUpdate(context.get(), buffer.data(), got) == 1;
    done += static_cast<Index>(got);
    if (progress) progress(done);
  }
  if (std::ferror(file.get())) fail(ErrorCode::io, fmt::format("cannot read {}", path.string()));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  ok = ok && EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1;
  if (!ok) fail(ErrorCode::unsupported, "SHA-256 is not available from the OpenSSL library here");
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace pith::hub
