#include "hub/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace pith::hub {
namespace {

constexpr long kConnectSeconds = 20, kStallSeconds = 60, kMaxRedirects = 10;

// The headers of the last response: a redirect's are forgotten when the next one begins.
struct Response {
  long status = 0;
  Index length = -1;       // of this response's body
  Index range_start = -1;  // of a partial response
  Index total = -1;        // of the whole file, from Content-Range
  std::string validator;   // ETag, else Last-Modified: says whether the file is still the same
  bool is_page = false;
};

Index to_number(std::string_view text) {
  Index value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

void read_header(std::string_view line, Response& response) {
  if (line.starts_with("HTTP/")) {
    response = {};
    const std::size_t space = std::min(line.find(' '), line.size() - 1);
    response.status = static_cast<long>(to_number(line.substr(space + 1, 3)));
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == "content-length") response.length = to_number(value);
  if (name == "content-type") response.is_page = value.starts_with("text/html");
  // A weak ETag cannot vouch for single bytes.
  if (name == "etag" && !value.starts_with("W/")) response.validator = value;
  if (name == "last-modified" && response.validator.empty()) response.validator = value;
  if (name == "content-range" && value.starts_with("bytes ")) {
    const std::size_t slash = value.find('/');
    if (value[6] != '*') response.range_start = to_number(value.substr(6));
    if (slash != std::string_view::npos) response.total = to_number(value.substr(slash + 1));
  }
}

// One request and what becomes of it. Nothing may be thrown through libcurl, so errors wait in
// `failure`.
class Transfer {
 public:
  Transfer(const HttpRequest& request, PartialFile& out) : request_(request), out_(out) {}

  enum class Outcome { done, retry };

  // Throws what another attempt would not cure.
  Outcome run(std::string& problem) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    const std::unique_ptr<CURL, void (*)(CURL*)> handle(curl_easy_init(), curl_easy_cleanup);
    if (!handle) fail(ErrorCode::io, "libcurl could not be started");
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(range_headers(),
                                                                     curl_slist_free_all);
    char error[CURL_ERROR_SIZE] = "";
    set_options(handle.get(), headers.get(), error);
    const CURLcode code = curl_easy_perform(handle.get());
    if (failure_) std::rethrow_exception(failure_);
    if (!begun_ && code == CURLE_OK) begin();  // there was no body
    if (restart_ || retry_status()) {
      problem = restart_ ? "the file changed on the server"
                         : fmt::format("the server answers {}", response_.status);
      return Outcome::retry;
    }
    if (code == CURLE_OK) return Outcome::done;
    problem = error[0] ? error : curl_easy_strerror(code);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT ||
        code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_PEER_FAILED_VERIFICATION)
      fail_here(ErrorCode::io, problem);
    return Outcome::retry;
  }

 private:
  const HttpRequest& request_;
  PartialFile& out_;
  Response response_;
  Index asked_from_ = 0;
  bool begun_ = false;  // the body of the final response has begun
  bool restart_ = false;
  std::exception_ptr failure_;

  [[noreturn]] void fail_here(ErrorCode code, const std::string& problem) const {
    fail(code, fmt::format("{}: {}", request_.url, problem));
  }

  std::string known_validator() const {
    return out_.notes().empty() ? "" : out_.notes().front().text;
  }

  // Without a checksum or a validator there is no telling whether the rest belongs to what is here.
  curl_slist* range_headers() {
    const std::string validator = known_validator();
    if (validator.empty() && !request_.checked) out_.truncate(0);
    asked_from_ = out_.size();
    if (asked_from_ == 0) return nullptr;
    curl_slist* list =
        curl_slist_append(nullptr, fmt::format("Range: bytes={}-", asked_from_).c_str());
    if (!validator.empty())
      list = curl_slist_append(list, fmt::format("If-Range: {}", validator).c_str());
    return list;
  }

  void set_options(CURL* handle, curl_slist* headers, char* error) {
    curl_easy_setopt(handle, CURLOPT_URL, request_.url.c_str());
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "pith/" PITH_VERSION);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(handle, CURLOPT_MAXREDIRS, kMaxRedirects);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &Transfer::on_data);
  }

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) {
    read_header({data, size}, static_cast<Transfer*>(self)->response_);
    return size;
  }

  static std::size_t on_data(char* data, std::size_t, std::size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    try {
      return transfer.take({data, size}) ? size : 0;
    } catch (...) {
      transfer.failure_ = std::current_exception();
      return 0;
    }
  }

  bool retry_status() const {
    const long status = response_.status;
    return status == 408 || status == 429 || status >= 500;
  }

  void check_status() {
    const long status = response_.status;
    if (status == 416) {  // what is here is not shorter than the file: it is another one
      out_.truncate(0);
      restart_ = true;
      return;
    }
    if (status == 404 || status == 410)
      fail_here(ErrorCode::not_found,
                fmt::format("there is no such file (the server answers {})", status));
    if (status == 401 || status == 403)
      fail_here(ErrorCode::io,
                fmt::format("the server refuses access ({}); download the file by hand and give "
                            "its path",
                            status));
    if (status >= 300 && !retry_status())
      fail_here(ErrorCode::io, fmt::format("the server answers {}", status));
  }

  // Before the first byte of a body is written.
  void begin() {
    check_status();
    if (restart_ || retry_status()) return;
    if (response_.is_page)
      fail_here(ErrorCode::bad_file, "this is a web page, not a model file; check the address");
    if (response_.status == 206 && response_.range_start != asked_from_)
      fail_here(ErrorCode::io, "the server sends another part of the file than was asked for");
    if (response_.status != 206) out_.truncate(0);
    if (out_.size() == 0) out_.note(response_.validator);
    const Index total = total_size();
    if (request_.bytes > 0 && total > 0 && total != request_.bytes)
      fail_here(ErrorCode::bad_file,
                fmt::format("the server has {} bytes, {} were expected", total, request_.bytes));
    if (total > 0) require_space(out_.path().parent_path(), total - out_.size());
  }

  Index total_size() const {
    if (response_.status == 206) return std::max<Index>(response_.total, 0);
    return response_.length > 0 ? response_.length : request_.bytes;
  }

  bool take(std::string_view bytes) {
    if (!begun_) begin();
    begun_ = true;
    if (restart_ || retry_status()) return false;
    if (request_.bytes > 0 && out_.size() + static_cast<Index>(bytes.size()) > request_.bytes)
      fail_here(ErrorCode::bad_file,
                fmt::format("the server sends more than the {} bytes expected", request_.bytes));
    out_.write(std::as_bytes(std::span(bytes.data(), bytes.size())));
    if (request_.progress) request_.progress(out_.size(), total_size());
    return true;
  }
};

}  // namespace

void download(const HttpRequest& request, PartialFile& out) {
  auto delay = request.first_delay;
  int left = request.attempts;
  while (request.bytes == 0 || out.size() != request.bytes) {
    if (request.bytes > 0 && out.size() > request.bytes) out.truncate(0);
    const Index before = out.size();
    std::string problem;
    if (Transfer(request, out).run(problem) == Transfer::Outcome::done) break;
    if (out.size() > before) {
      left = request.attempts;
      delay = request.first_delay;
    } else if (--left <= 0) {
      fail(ErrorCode::io, fmt::format("{}: {} (after {} attempts); what was loaded is kept, so "
                                      "try again later",
                                      request.url, problem, request.attempts));
    }
    std::this_thread::sleep_for(delay);
    delay *= 2;
  }
  if (request.bytes > 0 && out.size() != request.bytes)
    fail(ErrorCode::bad_file, fmt::format("{}: {} bytes came, {} were expected", request.url,
                                          out.size(), request.bytes));
}

}  // namespace pith::hub
