#include "executor/assets/downloader.h"

#include <fstream>
#include <random>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/files.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::size_t kWriteSize = 1u << 20;
constexpr int kMostRedirects = 10;
constexpr const char* kSystemCas = "/etc/ssl/certs/ca-certificates.crt";

std::string if_exists(const fs::path& path) { return fs::exists(path) ? base::read_file(path) + "\n" : std::string(); }

std::chrono::nanoseconds pause_after(int attempt, std::chrono::nanoseconds first) {
  thread_local std::mt19937 random(std::random_device{}());
  const auto longest = std::chrono::nanoseconds(std::chrono::seconds(5));
  const auto grown = std::min(first * (1 << std::min(attempt - 1, 10)), longest);
  return grown +
         std::uniform_int_distribution<std::int64_t>(0, first.count() * 2 / 5)(random) * std::chrono::nanoseconds(1);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// The path without its "." and ".." segments (RFC 3986 §5.2.4).
std::string without_dot_segments(std::string_view path) {
  std::vector<std::string_view> segments;
  bool ends_in_directory = false;
  path.remove_prefix(1);
  for (;;) {
    const auto slash = path.find('/');
    const auto segment = path.substr(0, slash);
    const bool is_last = slash == std::string_view::npos;
    ends_in_directory = segment == "." || segment == "..";
    if (segment == ".." && !segments.empty()) segments.pop_back();
    if (!ends_in_directory) segments.push_back(segment);
    if (is_last) break;
    path.remove_prefix(slash + 1);
  }
  std::string clean;
  for (const auto segment : segments) clean.append("/").append(segment);
  if (ends_in_directory || clean.empty()) clean += '/';
  return clean;
}

// The URL that `location` means in an answer to `from` (RFC 3986 §5.2).
std::string redirect_target(std::string_view from, std::string_view location) {
  const auto scheme = from.substr(0, from.find("://"));
  const auto colon = location.find(':');
  if (colon != std::string_view::npos && colon < location.find_first_of("/?#")) return std::string(location);
  if (location.starts_with("//")) return fmt::format("{}:{}", scheme, location);
  const auto authority_end = std::min(from.size(), from.find_first_of("/?#", scheme.size() + 3));
  const auto server = from.substr(0, authority_end);
  auto rest = from.substr(authority_end);
  rest = rest.substr(0, rest.find('#'));
  location = location.substr(0, location.find('#'));
  if (location.empty()) return fmt::format("{}{}", server, rest);
  const auto base_path = rest.substr(0, rest.find('?'));
  if (location.starts_with('?')) return fmt::format("{}{}{}", server, base_path, location);
  const auto query_at = std::min(location.size(), location.find('?'));
  std::string path(location.substr(0, query_at));
  if (!path.starts_with('/')) path.insert(0, base_path.empty() ? "/" : base_path.substr(0, base_path.rfind('/') + 1));
  return fmt::format("{}{}{}", server, without_dot_segments(path), location.substr(query_at));
}

// The file being written. Its functions block: call them on workers, one at a time.
struct BodyFile {
  BodyFile(const fs::path& path, const ChecksumSpec& checksum)
      : out(path, std::ios::binary | std::ios::trunc), verifier(checksum) {
    if (!out) throw std::runtime_error("cannot write " + path.string());
  }
  void write(const std::string& bytes) {
    verifier.update(bytes);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out) throw std::runtime_error("cannot write a downloaded file: is the disk full?");
  }
  void finish() {
    out.close();
    if (!out) throw std::runtime_error("cannot write a downloaded file: is the disk full?");
    verifier.verify();
  }

  std::ofstream out;
  ChecksumVerifier verifier;
};

}  // namespace

net::TlsContext asset_tls_context(const AssetTlsOptions& options, const fs::path& work_directory) {
  if (options.certificate_file.empty() != options.key_file.empty()) {
    throw std::invalid_argument("The TLS certificate or key is missing");
  }
  net::TlsFiles files{.certificate_file = options.certificate_file, .key_file = options.key_file, .ca_file = {}};
  if (!options.ca_file.empty() || !options.downloads_ca_file.empty()) {
    std::string bundle = if_exists(kSystemCas);
    if (!options.ca_file.empty()) bundle += base::read_file(options.ca_file) + "\n";
    if (!options.downloads_ca_file.empty()) bundle += base::read_file(options.downloads_ca_file) + "\n";
    const auto path = work_directory / "asset-cas.pem";
    base::write_file_atomically(path, bundle);
    files.ca_file = path.string();
  }
  return net::TlsContext::client(files, false, options.skip_verification);
}

std::optional<std::string> basic_authorization(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  auto authority = url.substr(scheme + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  const auto at = authority.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  return "Basic " + base::to_base64(net::percent_decode(authority.substr(0, at)));
}

std::string loggable_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const auto start = scheme + 3;
  const auto authority = url.substr(start, url.find('/', start) - start);
  const auto at = authority.rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, start)) + std::string(url.substr(start + at + 1));
}

Downloader::Downloader(asio::any_io_executor executor, base::WorkerPool& workers, DownloaderOptions options)
    : workers_(workers), options_(std::move(options)) {
  net::HttpClientOptions http;
  http.tls = options_.tls;
  http.connect_timeout = std::chrono::seconds(10);
  http.request_timeout = std::chrono::seconds(30);  // up to the head
  http.max_idle_per_endpoint = 0;
  client_ = std::make_unique<net::HttpClient>(std::move(executor), std::move(http));
}

Downloader::~Downloader() = default;

asio::awaitable<DownloadResult> Downloader::download(std::string url, fs::path file, Validators known,
                                                     ChecksumSpec checksum) {
  const ChecksumVerifier invalid_checksums_throw(checksum);
  for (int attempt_number = 1;; ++attempt_number) {
    std::exception_ptr failure;
    try {
      auto work = attempt(url, file, known, checksum);
      co_return co_await base::within(options_.request_timeout, "download", std::move(work));
    } catch (const ChecksumError&) {
      throw;
    } catch (const std::invalid_argument&) {
      throw;
    } catch (const DownloadTooLarge&) {
      throw;
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      failure = std::current_exception();
    }
    if (attempt_number >= options_.attempts) std::rethrow_exception(failure);
    co_await base::sleep_for(pause_after(attempt_number, options_.first_pause));
  }
}

asio::awaitable<DownloadResult> Downloader::attempt(std::string url, fs::path file, Validators known,
                                                    ChecksumSpec checksum) {
  const auto incoming = co_await open(std::move(url), known);
  const auto& head = incoming->head();
  if (head.status == 304 && !known.empty()) co_return DownloadResult{.not_modified = true, .validators = known};
  if (head.status != 200) throw std::runtime_error(fmt::format("Download failed: Status code {}", head.status));
  DownloadResult result;
  result.validators = {.etag = std::string(head.headers.get("ETag")),
                       .last_modified = std::string(head.headers.get("Last-Modified"))};
  result.bytes = co_await save_body(*incoming, std::move(file), std::move(checksum));
  co_return result;
}

asio::awaitable<std::unique_ptr<net::HttpIncoming>> Downloader::open(std::string url, Validators known) {
  for (int redirects = 0;; ++redirects) {
    auto [endpoint, target] = net::Endpoint::parse_url(url);
    net::HttpRequest request;
    request.method = "GET";
    request.target = target;
    if (!known.etag.empty()) request.headers.add("If-None-Match", known.etag);
    if (!known.last_modified.empty()) request.headers.add("If-Modified-Since", known.last_modified);
    if (auto authorization = basic_authorization(url)) request.headers.add("Authorization", *authorization);
    auto incoming = co_await client_->open(endpoint, std::move(request));
    if (!is_redirect(incoming->head().status) || redirects == kMostRedirects) co_return incoming;
    url = redirect_target(url, incoming->head().headers.get("Location"));
  }
}

asio::awaitable<std::uint64_t> Downloader::save_body(net::HttpIncoming& incoming, fs::path file,
                                                     ChecksumSpec checksum) {
  incoming.stream().set_timeout(options_.idle_timeout);
  // Shared with the workers, so that it lives as long as one of them writes.
  const auto body = std::make_shared<BodyFile>(file, checksum);
  std::uint64_t total = 0;
  std::string buffer;
  for (bool at_end = false; !at_end;) {
    std::size_t filled = 0;
    buffer.resize(kWriteSize);
    while (filled < kWriteSize && !at_end) {
      const auto count = co_await incoming.read_some(std::span(buffer).subspan(filled));
      filled += count;
      at_end = count == 0;
    }
    buffer.resize(filled);
    total += filled;
    if (total > options_.max_bytes) throw DownloadTooLarge();
    auto write = [body, bytes = buffer] { body->write(bytes); };
    co_await workers_.run(std::move(write));
  }
  auto finish = [body] { body->finish(); };
  co_await workers_.run(std::move(finish));
  co_return total;
}

}  // namespace rivera::executor
