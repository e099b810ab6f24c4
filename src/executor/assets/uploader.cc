#include "executor/assets/uploader.h"

#include <fstream>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "executor/assets/downloader.h"
#include "net/crypto/digest.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 256u << 10;

// Shared by the body source and the coroutine that reads.
struct FileReader {
  explicit FileReader(const fs::path& path) : in(path, std::ios::binary) {
    if (!in) throw std::runtime_error("cannot read " + path.string());
  }
  std::string read() {
    std::string piece(kPiece, '\0');
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    piece.resize(static_cast<std::size_t>(in.gcount()));
    if (in.bad()) throw std::runtime_error("cannot read a file");
    return piece;
  }
  std::ifstream in;
};

asio::awaitable<std::string> read_piece(base::WorkerPool& workers, std::shared_ptr<FileReader> reader) {
  auto read = [reader] { return reader->read(); };
  co_return co_await workers.run(std::move(read));
}

// Headers with the file's size and digests.
net::Headers describe(const fs::path& file) {
  net::Digest md5(net::DigestAlgorithm::kMd5);
  net::Digest sha256(net::DigestAlgorithm::kSha256);
  FileReader reader(file);
  std::uint64_t size = 0;
  for (auto piece = reader.read(); !piece.empty(); piece = reader.read()) {
    md5.update(piece);
    sha256.update(piece);
    size += piece.size();
  }
  return {{"Content-Type", "application/octet-stream"},
          {"Content-Length", std::to_string(size)},
          {"Content-MD5", base::to_base64(md5.finish())},
          {"Content-Digest", "sha-256=:" + base::to_base64(sha256.finish()) + ":"}};
}

}  // namespace

net::BodySource file_body(base::WorkerPool& workers, const fs::path& file) {
  return [&workers, reader = std::make_shared<FileReader>(file)] { return read_piece(workers, reader); };
}

Uploader::Uploader(asio::any_io_executor executor, base::WorkerPool& workers, UploaderOptions options)
    : workers_(workers), options_(std::move(options)) {
  net::HttpClientOptions http;
  http.tls = options_.tls;
  http.connect_timeout = std::chrono::seconds(10);
  http.request_timeout = options_.request_timeout;
  http.max_idle_per_endpoint = 0;
  client_ = std::make_unique<net::HttpClient>(std::move(executor), std::move(http));
  fs::create_directories(options_.temporary_directory);
}

Uploader::~Uploader() = default;

fs::path Uploader::temporary_path() { return options_.temporary_directory / ("upload-" + std::to_string(++files_)); }

asio::awaitable<std::uint64_t> Uploader::upload(std::string url, fs::path file) {
  net::Endpoint::parse_url(url);
  auto describe_file = [file] { return describe(file); };
  const auto headers = co_await workers_.run(std::move(describe_file));
  for (int number = 1;; ++number) {
    std::exception_ptr failure;
    try {
      auto work = attempt(url, file, headers);
      co_await base::within(options_.request_timeout, "upload", std::move(work));
      co_return static_cast<std::uint64_t>(std::stoull(std::string(headers.get("Content-Length"))));
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      failure = std::current_exception();
    }
    if (number >= options_.attempts) std::rethrow_exception(failure);
  }
}

asio::awaitable<void> Uploader::attempt(std::string url, fs::path file, net::Headers headers) {
  auto [endpoint, target] = net::Endpoint::parse_url(url);
  net::RequestHead request;
  request.method = "POST";
  request.target = target;
  request.headers = std::move(headers);
  if (auto authorization = basic_authorization(url)) request.headers.add("Authorization", *authorization);
  auto body = file_body(workers_, file);
  const auto response = co_await client_->open(endpoint, std::move(request), std::move(body));
  if (response->head().status >= 400) {
    throw std::runtime_error(fmt::format("Upload failed: Status code {}", response->head().status));
  }
}

}  // namespace rivera::executor
