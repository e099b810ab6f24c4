#include "file_server/static_files.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/strand.hpp>
#include <fmt/format.h>

#include "base/bytes.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/units.h"
#include "net/crypto/digest.h"

namespace rivera::file_server {
namespace {

constexpr std::string_view kPrefix = "/v1/static";
constexpr std::size_t kPiece = 256 * base::kKibibyte;
constexpr std::size_t kSniffed = 512;
constexpr std::size_t kMostDigests = 10'000;

net::HttpResponse error_response(int status, std::string_view text) {
  net::HttpResponse response = net::text_response(status, std::string(text) + "\n");
  response.headers.set("X-Content-Type-Options", "nosniff");
  return response;
}

}  // namespace

struct StaticFiles::OpenFile {
  base::UniqueFd fd;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t inode = 0;
  bool is_directory = false;

  // Blocks. Throws std::system_error; gives less than `length` only at the end of the file.
  std::string read(std::uint64_t offset, std::size_t length) const {
    std::string bytes(length, '\0');
    std::size_t got = 0;
    while (got < length) {
      const ssize_t n = ::pread(fd.get(), bytes.data() + got, length - got, static_cast<off_t>(offset + got));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw std::system_error(errno, std::generic_category(), "cannot read a static file");
      if (n == 0) break;
      got += static_cast<std::size_t>(n);
    }
    bytes.resize(got);
    return bytes;
  }
};

namespace {

// nullptr: there is no such file, or none we may read.
template <typename File>
std::shared_ptr<File> open_file(const std::filesystem::path& path) {
  auto file = std::make_shared<File>();
  file->fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!file->fd || ::fstat(file->fd.get(), &status) != 0) return nullptr;
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return nullptr;
  file->is_directory = S_ISDIR(status.st_mode);
  file->size = static_cast<std::uint64_t>(status.st_size);
  file->modified_ns = static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
  file->inode = status.st_ino;
  return file;
}

// The answer to a request that gets no content; nullopt if it gets some.
std::optional<net::HttpResponse> refusal(const Verdict& verdict, const net::ResponseHead& validators,
                                         std::uint64_t size) {
  net::HttpResponse response;
  response.headers = validators.headers;
  switch (verdict.kind) {
    case Verdict::Kind::kWhole:
    case Verdict::Kind::kPartial:
      return std::nullopt;
    case Verdict::Kind::kNotModified:
      response.status = 304;
      return response;
    case Verdict::Kind::kPreconditionFailed:
      response.status = 412;
      return response;
    case Verdict::Kind::kInvalidRange:
      return error_response(416, "invalid range");
    case Verdict::Kind::kNoOverlap:
      response = error_response(416, "invalid range: failed to overlap");
      response.headers.set("Content-Range", fmt::format("bytes */{}", size));
      return response;
  }
  return std::nullopt;
}

template <typename File>
std::string digest_of(const File& file) {
  net::Digest digest(net::DigestAlgorithm::kSha256);
  for (std::uint64_t at = 0; at < file.size; at += kPiece) digest.update(file.read(at, kPiece));
  return "\"" + base::to_hex(digest.finish()) + "\"";
}

}  // namespace

std::optional<std::string> clean_path(std::string_view request_path) {
  const std::string decoded = net::percent_decode(request_path);
  if (decoded.find('\0') != std::string::npos) return std::nullopt;
  std::string clean;
  std::size_t start = 0;
  while (start <= decoded.size()) {
    const std::size_t end = std::min(decoded.find('/', start), decoded.size());
    const std::string_view segment = std::string_view(decoded).substr(start, end - start);
    start = end + 1;
    if (segment == "..") return std::nullopt;
    if (segment.empty() || segment == ".") continue;
    if (!clean.empty()) clean += '/';
    clean += segment;
  }
  return clean;
}

StaticFiles::StaticFiles(asio::any_io_executor home, std::filesystem::path root, base::WorkerPool& workers,
                         base::Logger logger)
    : home_(asio::make_strand(home)), root_(std::move(root)), workers_(workers), logger_(std::move(logger)) {}

StaticFiles::~StaticFiles() = default;

asio::awaitable<void> StaticFiles::serve(net::HttpExchange& exchange) {
  const std::string method = exchange.request().method;
  const std::string uri = exchange.request().target;
  const Sent sent = co_await answer(exchange);
  logger_.info("static-file.response",
               {{"status", sent.status}, {"size", sent.size}, {"method", method}, {"uri", uri}});
}

asio::awaitable<StaticFiles::Sent> StaticFiles::answer(net::HttpExchange& exchange) {
  const std::string path(exchange.request().path());
  net::HttpResponse response;
  std::shared_ptr<OpenFile> file;
  std::string name;
  if (path == kPrefix) {
    response = error_response(301, "Moved Permanently");
    response.headers.set("Location", std::string(kPrefix) + "/");
  } else if (!path.starts_with(kPrefix) || path[kPrefix.size()] != '/') {
    response = error_response(404, "404 page not found");
  } else if (exchange.request().method != "GET") {
    response = error_response(405, "Method Not Allowed");
    response.headers.set("Allow", "GET");
  } else if (const auto relative = clean_path(std::string_view(path).substr(kPrefix.size() + 1)); !relative) {
    response = error_response(400, "invalid URL path");
  } else {
    name = *relative;
    auto open = [full = root_ / name] { return open_file<OpenFile>(full); };
    file = co_await workers_.run(std::move(open));
    if (!file) response = error_response(404, "File not found: " + std::filesystem::path(name).filename().string());
    if (file && file->is_directory) response = error_response(401, "Unauthorized to list the directory");
  }
  if (file && !file->is_directory) {
    const Sent sent = co_await send_file(exchange, std::move(file), std::move(name));
    co_return sent;
  }
  const Sent sent{response.status, response.body.size()};
  co_await exchange.respond(std::move(response));
  co_return sent;
}

asio::awaitable<std::string> StaticFiles::etag_of(std::shared_ptr<OpenFile> file, std::string path) {
  const auto known = digests_.find(path);
  const bool fresh = known != digests_.end() && known->second.size == file->size &&
                     known->second.modified_ns == file->modified_ns && known->second.inode == file->inode;
  if (fresh) co_return known->second.etag;
  auto compute = [file] { return digest_of(*file); };
  std::string etag = co_await workers_.run(std::move(compute));
  if (digests_.size() >= kMostDigests) digests_.clear();
  digests_[path] = {etag, file->size, file->modified_ns, file->inode};
  co_return etag;
}

asio::awaitable<StaticFiles::Sent> StaticFiles::send_file(net::HttpExchange& exchange, std::shared_ptr<OpenFile> file,
                                                          std::string name) {
  FileVersion version;
  version.etag = co_await asio::co_spawn(home_, etag_of(file, name), asio::use_awaitable);
  version.modified = static_cast<std::time_t>(file->modified_ns / 1'000'000'000);
  version.size = file->size;
  Verdict verdict = judge(exchange.request().headers, version);

  net::ResponseHead head;
  head.headers.set("ETag", version.etag);
  head.headers.set("Last-Modified", format_http_date(version.modified));
  if (auto refused = refusal(verdict, head, file->size)) {
    const Sent sent{refused->status, refused->body.size()};
    co_await exchange.respond(std::move(*refused));
    co_return sent;
  }
  auto sniff = [file] { return file->read(0, kSniffed); };
  const std::string first = co_await workers_.run(std::move(sniff));
  head.headers.set("Accept-Ranges", "bytes");
  head.headers.set("Content-Type", content_type(name, first));
  if (verdict.ranges.size() > 1) {
    const Sent sent = co_await send_parts(exchange, file, std::move(head), std::move(verdict.ranges));
    co_return sent;
  }
  const ByteRange range = verdict.ranges.empty() ? ByteRange{0, file->size} : verdict.ranges.front();
  head.status = verdict.ranges.empty() ? 200 : 206;
  if (!verdict.ranges.empty()) {
    head.headers.set("Content-Range",
                     fmt::format("bytes {}-{}/{}", range.start, range.start + range.length - 1, file->size));
  }
  head.headers.set("Content-Length", std::to_string(range.length));
  const Sent sent{head.status, range.length};
  co_await exchange.begin_response(std::move(head));
  co_await send_bytes(exchange, file, range);
  co_await exchange.end_response();
  co_return sent;
}

asio::awaitable<void> StaticFiles::send_bytes(net::HttpExchange& exchange, std::shared_ptr<OpenFile> file,
                                              ByteRange range) {
  std::uint64_t sent = 0;
  while (sent < range.length) {
    const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, range.length - sent));
    auto read = [file, at = range.start + sent, want] { return file->read(at, want); };
    const std::string piece = co_await workers_.run(std::move(read));
    if (piece.empty()) throw std::runtime_error("a static file became shorter while it was sent");
    co_await exchange.write_body(piece);
    sent += piece.size();
  }
}

asio::awaitable<StaticFiles::Sent> StaticFiles::send_parts(net::HttpExchange& exchange, std::shared_ptr<OpenFile> file,
                                                           net::ResponseHead head, std::vector<ByteRange> ranges) {
  const std::string boundary = base::new_guid();
  const std::string type(head.headers.get("Content-Type"));
  std::vector<std::string> intros;
  const std::string end = "\r\n--" + boundary + "--\r\n";
  std::uint64_t total = end.size();
  for (const ByteRange& range : ranges) {
    intros.push_back(fmt::format("{}--{}\r\nContent-Range: bytes {}-{}/{}\r\nContent-Type: {}\r\n\r\n",
                                 intros.empty() ? "" : "\r\n", boundary, range.start, range.start + range.length - 1,
                                 file->size, type));
    total += intros.back().size() + range.length;
  }
  head.status = 206;
  head.headers.set("Content-Type", "multipart/byteranges; boundary=" + boundary);
  head.headers.set("Content-Length", std::to_string(total));
  co_await exchange.begin_response(std::move(head));
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    co_await exchange.write_body(intros[i]);
    co_await send_bytes(exchange, file, ranges[i]);
  }
  co_await exchange.write_body(end);
  co_await exchange.end_response();
  co_return Sent{206, total};
}

}  // namespace rivera::file_server
