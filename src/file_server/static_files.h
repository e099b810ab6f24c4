// The files below one directory, as HTTP (docs/spec/access-and-tools.md §3).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/log/log.h"
#include "base/work/worker_pool.h"
#include "file_server/conditions.h"
#include "net/http/http_server.h"

namespace rivera::file_server {

// Serves GET /v1/static/<path>. Files are read in pieces on the worker pool, never whole. A file's digest is computed
// at the first request and again when its size, time or inode has changed; upstream never computes it again.
//
// May be used from any number of connections; its cache lives on `home`.
class StaticFiles {
 public:
  StaticFiles(asio::any_io_executor home, std::filesystem::path root, base::WorkerPool& workers, base::Logger logger);
  ~StaticFiles();

  asio::awaitable<void> serve(net::HttpExchange& exchange);

 private:
  struct OpenFile;
  struct Digest {
    std::string etag;
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    std::uint64_t inode = 0;
  };
  struct Sent {
    int status = 0;
    std::uint64_t size = 0;
  };
  asio::awaitable<Sent> answer(net::HttpExchange& exchange);
  asio::awaitable<Sent> send_file(net::HttpExchange& exchange, std::shared_ptr<OpenFile> file, std::string name);
  asio::awaitable<void> send_bytes(net::HttpExchange& exchange, std::shared_ptr<OpenFile> file, ByteRange range);
  asio::awaitable<Sent> send_parts(net::HttpExchange& exchange, std::shared_ptr<OpenFile> file, net::ResponseHead head,
                                   std::vector<ByteRange> ranges);
  asio::awaitable<std::string> etag_of(std::shared_ptr<OpenFile> file, std::string path);

  asio::any_io_executor home_;
  std::filesystem::path root_;
  base::WorkerPool& workers_;
  base::Logger logger_;
  std::map<std::string, Digest> digests_;  // by path
};

// The path below the root that a request's path names: percent escapes decoded, "." and empty segments taken out.
// nullopt if a segment is "..", or if there is a NUL.
std::optional<std::string> clean_path(std::string_view request_path);

}  // namespace rivera::file_server
