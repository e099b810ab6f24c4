// The form that all routes share: protobuf in, protobuf out, errors inside (docs/spec/bbs.md §1.2, §1.6).
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/asio.h"
#include "base/log.h"
#include "base/metrics.h"
#include "bbs/outcome.h"
#include "models/errors.h"
#include "models/validation.h"
#include "models/wire.h"
#include "net/http_router.h"

namespace rivera::bbs {

// What a handler knows of its call besides the message.
struct Call {
  std::string trace_id;  // X-Vcap-Request-Id, "" if there is none
};

// For routes that do not look at their request.
struct Ignored {};

// Puts routes into a router; owns what they need. Made once; the router and all it refers to must outlive serving.
class Api {
 public:
  struct Options {
    // Whether this BBS may answer now: it holds the lock (§9.5). Any thread.
    std::function<bool()> may_answer;
    std::size_t body_limit = 64u << 20;
  };

  Api(net::HttpRouter& router, Options options, base::Metrics& metrics, base::Logger logger);

  // A POST route under upstream's name. `handle(Request, Call)` gives an awaitable of the encoded response; it may
  // throw models::ModelError, which becomes the response's field `error`, followed by `error_suffix`. The request has
  // been validated.
  template <typename Request, typename Handle>
  void post(std::string name, std::string path, Handle handle, std::string error_suffix = "") {
    add(std::move(name), std::move(path), std::move(error_suffix),
        [handle = std::move(handle)](std::string body, Call call) -> asio::awaitable<std::string> {
          if constexpr (std::is_same_v<Request, Ignored>) {
            return handle(Ignored{}, std::move(call));
          } else {
            Request request = models::decode_request<Request>(body);
            models::validate(request);
            return handle(std::move(request), std::move(call));
          }
        });
  }

  bool may_answer() const { return options_.may_answer(); }

 private:
  using Handler = std::function<asio::awaitable<std::string>(std::string body, Call call)>;
  struct Route {
    std::string name;
    std::string error_suffix;
    Handler handle;
  };

  void add(std::string name, std::string path, std::string error_suffix, Handler handle);
  asio::awaitable<void> serve(const Route& route, net::HttpExchange& exchange);
  asio::awaitable<std::string> answer(const Route& route, std::string body, Call call);

  net::HttpRouter& router_;
  Options options_;
  base::Metrics& metrics_;
  base::Logger logger_;
  std::deque<Route> routes_;
};

// A response that is only an error.
std::string error_body(const models::ModelError& error);
// A response without content, or the outcome's error.
std::string body_of(const Outcome& outcome);
// The same with field 2 set if `outcome.answer` is true.
std::string body_with_answer(const Outcome& outcome);

// A response whose field 2 repeats the records' bytes, picked by `bytes_of`.
template <typename Records, typename BytesOf>
std::string list_body(const Records& records, BytesOf bytes_of) {
  std::size_t size = 0;
  for (const auto& record : records) size += bytes_of(*record).size() + 6;
  std::string body;
  body.reserve(size);
  for (const auto& record : records) models::append_field(body, 2, bytes_of(*record));
  return body;
}

}  // namespace rivera::bbs
