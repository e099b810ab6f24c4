// A client that keeps a server busy with as little as possible, or with as much as it takes.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "net/stream/endpoint.h"

namespace rivera::harness {

struct Trickle {
  std::string begin = {};                                         // sent at once
  std::string piece = {};                                         // sent again and again after it; "": nothing more
  std::chrono::milliseconds pause{0};                             // before each piece
  std::size_t most = std::size_t{1} << 40;                        // bytes of pieces
  bool reads = true;                                              // what the server says
  std::chrono::milliseconds patience = std::chrono::seconds(20);  // then the client leaves
};

struct TrickleResult {
  std::string failure;                  // why there was no connection; "": there was one
  bool was_cut = false;                 // the server has ended the connection
  std::chrono::milliseconds lasted{0};  // from the connection to its end
  std::size_t sent = 0;                 // bytes of pieces
  std::string answer;                   // the first 64 KiB
  // "HTTP/1.1 400 Bad Request"; "" if there was none.
  std::string status_line() const { return answer.substr(0, answer.find("\r\n")); }
};

// One connection from its beginning to its end. Throws only cancellations.
asio::awaitable<TrickleResult> trickle(net::Endpoint server, std::optional<net::TlsContext> tls, Trickle client);

}  // namespace rivera::harness
