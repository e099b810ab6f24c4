// The access log: two lines for each request, in a separate file (docs/spec/bbs.md §7.1, access_log_path).
#pragma once

#include <string>

#include "base/asio.h"
#include "base/files.h"
#include "base/log/log.h"
#include "net/http/http_server.h"

namespace rivera::bbs {

// Lines have lager's form: "<source>.request.serving" and "<source>.request.done", with method, path, address and the
// names in the peer's certificate; the second also says how long it took. The file is appended to; for rotation, rename
// it and call reopen().
class AccessLog {
 public:
  // Throws std::system_error naming the path if it cannot be opened.
  AccessLog(std::string path, const std::string& source, base::LogTimeFormat time_format);

  // Opens the path again and continues there. Throws as the constructor does; the old file then stays in use.
  void reopen();

  // Serves the exchange with `handler`, with a line before and a line after. Both must outlive the call.
  asio::awaitable<void> serve(const net::HttpHandler& handler, net::HttpExchange& exchange) const;

 private:
  const std::string path_;
  base::UniqueFd file_;  // keeps its number for as long as this lives
  base::Logger logger_;
};

}  // namespace rivera::bbs
