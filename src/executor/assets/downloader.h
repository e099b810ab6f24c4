// Download of assets over HTTP (docs/spec/cell.md §4.2, §4.5).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "base/work/worker_pool.h"
#include "executor/assets/checksum.h"
#include "net/http/http_client.h"

namespace rivera::executor {

struct AssetTlsOptions {
  std::string ca_file;            // trusted in addition to the system's CAs
  std::string downloads_ca_file;  // also trusted
  std::string certificate_file;   // requires key_file, and the reverse
  std::string key_file;
  bool skip_verification = false;
};

// The TLS context for downloads and uploads. Writes a bundle of all CAs to `work_directory`.
// Throws std::invalid_argument "The TLS certificate or key is missing", std::runtime_error naming a bad file.
net::TlsContext asset_tls_context(const AssetTlsOptions& options, const std::filesystem::path& work_directory);

// Headers that identify a version of an asset.
struct Validators {
  std::string etag;
  std::string last_modified;
  bool empty() const { return etag.empty() && last_modified.empty(); }
};

struct DownloadResult {
  bool not_modified = false;  // status 304: nothing was written
  Validators validators;
  std::uint64_t bytes = 0;  // as received
};

struct DownloaderOptions {
  std::optional<net::TlsContext> tls;
  int attempts = 4;
  std::chrono::nanoseconds first_pause = std::chrono::milliseconds(500);  // doubles each time, up to 5 s
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(10);       // for each read
  std::chrono::nanoseconds request_timeout = std::chrono::minutes(10);
  std::uint64_t max_bytes = std::uint64_t{16} << 30;  // of a response body
};

// The response body exceeds DownloaderOptions::max_bytes. Not retried.
class DownloadTooLarge : public std::runtime_error {
 public:
  DownloadTooLarge() : std::runtime_error("Download failed: the body is too large") {}
};

// Used on one strand.
class Downloader {
 public:
  Downloader(asio::any_io_executor executor, base::WorkerPool& workers, DownloaderOptions options);
  ~Downloader();

  // Downloads `url` to `file` unless its version is still `known`. Follows redirects. Retries every failure except a
  // wrong checksum, a bad URL and a body that is too large. Cancellable. Throws ChecksumError, DownloadTooLarge,
  // std::invalid_argument for a bad URL, otherwise std::runtime_error: "Download failed: Status code 404".
  asio::awaitable<DownloadResult> download(std::string url, std::filesystem::path file, Validators known,
                                           ChecksumSpec checksum);

 private:
  asio::awaitable<DownloadResult> attempt(std::string url, std::filesystem::path file, Validators known,
                                          ChecksumSpec checksum);
  asio::awaitable<std::unique_ptr<net::HttpIncoming>> open(std::string url, Validators known);
  asio::awaitable<std::uint64_t> save_body(net::HttpIncoming& incoming, std::filesystem::path file,
                                           ChecksumSpec checksum);

  base::WorkerPool& workers_;
  DownloaderOptions options_;
  std::unique_ptr<net::HttpClient> client_;
};

// "Basic ..." for the user information of a URL; nullopt if it has none.
std::optional<std::string> basic_authorization(std::string_view url);
// The URL without the parts that may hold a secret: user information, query and fragment.
std::string loggable_url(std::string_view url);

}  // namespace rivera::executor
