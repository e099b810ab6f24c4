// Upload of files over HTTP (docs/spec/cell.md §3.6).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/work/worker_pool.h"
#include "net/http/http_client.h"

namespace rivera::executor {

struct UploaderOptions {
  std::optional<net::TlsContext> tls;
  std::filesystem::path temporary_directory;
  int attempts = 3;
  std::chrono::nanoseconds request_timeout = std::chrono::minutes(10);
  std::uint64_t max_bytes = std::uint64_t{16} << 30;  // of a file that a container hands over
};

// Used on one strand.
class Uploader {
 public:
  Uploader(asio::any_io_executor executor, base::WorkerPool& workers, UploaderOptions options);
  ~Uploader();

  // Posts `file` with its digests. Returns its size in bytes. Throws std::invalid_argument for a bad URL,
  // std::runtime_error("Upload failed: Status code 500").
  asio::awaitable<std::uint64_t> upload(std::string url, std::filesystem::path file);

  // A path for a new temporary file, which the caller removes.
  std::filesystem::path temporary_path();
  std::uint64_t max_bytes() const { return options_.max_bytes; }

 private:
  asio::awaitable<void> attempt(std::string url, std::filesystem::path file, net::Headers headers);

  base::WorkerPool& workers_;
  UploaderOptions options_;
  std::unique_ptr<net::HttpClient> client_;
  std::uint64_t files_ = 0;
};

// Reads a file on workers, as the body of a request.
net::BodySource file_body(base::WorkerPool& workers, const std::filesystem::path& file);

}  // namespace rivera::executor
