// The form that all routes share: protobuf in, protobuf out, errors inside (docs/spec/bbs.md §1.2, §1.6).
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/units.h"
#include "base/work/worker_pool.h"
#include "bbs/api/bbs_probe.h"
#include "bbs/api/encoded_list.h"
#include "bbs/board/outcome.h"
#include "models/errors.h"
#include "models/forms/wire.h"
#include "models/nouns/role.h"
#include "models/validation/validation.h"
#include "net/http/http_router.h"

namespace rivera::bbs {

// The context of a call besides its message.
struct Call {
  std::string trace_id;  // X-Vcap-Request-Id, "" if there is none
};

// For routes that ignore their request.
struct Ignored {};

// Adds routes to a router and owns what they need. The router and everything passed in must outlive serving.
class Api {
 public:
  struct Options {
    // True if this BBS may answer now, because it holds the lock (§9.5). Any thread.
    std::function<bool()> may_answer;
    std::size_t body_limit = 64u << 20;
  };

  Api(net::HttpRouter& router, base::WorkerPool& workers, Options options, BbsProbe& probe, base::Logger logger);

  // Called with a request that was decoded and found invalid.
  template <typename Request>
  using OnInvalid = std::function<void(const Request&, const models::ModelError&)>;

  // Adds a POST route under upstream's name, for the callers that callers_of() names; others get an UnknownError that
  // names them and the route. `handle(Request, Call)` returns an awaitable of the encoded response; the
  // request is valid. A models::ModelError that it throws becomes the field `error` of the response, followed by
  // `error_suffix`.
  template <typename Request, typename Handle>
  void post(std::string name, std::string path, Handle handle, std::string error_suffix = "",
            OnInvalid<Request> on_invalid = nullptr) {
    Route route = made_route(std::move(name), std::move(error_suffix));
    if constexpr (std::is_same_v<Request, Ignored>) {
      route.body_limit = std::min<std::size_t>(options_.body_limit, kIgnoredLimit);
      route.handle = [handle = std::move(handle)](std::string, Call call) -> asio::awaitable<std::string> {
        auto handling = handle(Ignored{}, std::move(call));
        co_return co_await std::move(handling);
      };
    } else {
      route.handle = [this, handle = std::move(handle), on_invalid = std::move(on_invalid)](
                         std::string body, Call call) -> asio::awaitable<std::string> {
        auto reading = read<Request>(std::move(body), on_invalid);
        Request request = co_await std::move(reading);
        auto handling = handle(std::move(request), std::move(call));
        co_return co_await std::move(handling);
      };
    }
    add(std::move(path), std::move(route));
  }

  // The same for a route whose response repeats records in field 2: `handle(Request)` returns an awaitable of an
  // EncodedList.
  template <typename Request, typename Handle>
  void post_list(std::string name, std::string path, Handle handle) {
    Route route = made_route(std::move(name), "");
    route.list = [this, handle = std::move(handle)](std::string body) -> asio::awaitable<std::unique_ptr<EncodedList>> {
      auto reading = read<Request>(std::move(body), OnInvalid<Request>());
      Request request = co_await std::move(reading);
      auto handling = handle(std::move(request));
      co_return co_await std::move(handling);
    };
    add(std::move(path), std::move(route));
  }

  bool may_answer() const { return options_.may_answer(); }
  // For routes with a different form.
  RequestMeter meter_of(const std::string& name) { return probe_.meter_of(name); }

 private:
  static constexpr std::size_t kIgnoredLimit = 64 * base::kKibibyte;  // of a body that is ignored

  // One of `handle` and `list` is set.
  struct Route {
    std::string name;
    std::string error_suffix;
    std::string path = {};
    models::RoleSet callers = {};
    std::size_t body_limit = 0;  // bytes
    std::function<asio::awaitable<std::string>(std::string body, Call call)> handle;
    std::function<asio::awaitable<std::unique_ptr<EncodedList>>(std::string body)> list;
    RequestMeter meter;
  };
  struct Answer {
    std::string body;
    std::unique_ptr<EncodedList> records;  // or this
  };

  // A request, or why it is invalid.
  template <typename Request>
  struct Read {
    Request request;
    std::optional<models::ModelError> error;
  };

  // Decodes and validates; a large body on a worker, so that others are served meanwhile.
  template <typename Request>
  asio::awaitable<Request> read(std::string body, OnInvalid<Request> on_invalid) {
    auto reading = [&body] {
      Read<Request> read{models::decode_request<Request>(body), std::nullopt};
      try {
        models::validate(read.request);
      } catch (const models::ModelError& error) {
        read.error = error;
      }
      return read;
    };
    Read<Request> result;
    if (body.size() <= kReadAtOnce) {
      result = reading();
    } else {
      result = co_await workers_.run(std::move(reading));
    }
    if (!result.error) co_return std::move(result.request);
    if (on_invalid) on_invalid(result.request, *result.error);
    throw *result.error;
  }

  Route made_route(std::string name, std::string error_suffix);
  void add(std::string path, Route route);
  asio::awaitable<void> serve(Route& route, net::HttpExchange& exchange);
  asio::awaitable<Answer> answer(const Route& route, std::string body, Call call);
  asio::awaitable<void> respond(net::HttpExchange& exchange, Answer answer);
  // The logger of one request; made only if a line is written.
  base::Logger traced(const std::string& trace_id) const;

  // The greatest body that is decoded between two turns of the loop: about a millisecond of work.
  static constexpr std::size_t kReadAtOnce = 128 * base::kKibibyte;

  net::HttpRouter& router_;
  base::WorkerPool& workers_;
  Options options_;
  BbsProbe& probe_;
  base::Logger logger_;
  std::deque<Route> routes_;
};

// A response with only an error.
std::string error_body(const models::ModelError& error);
// A response without content, or the outcome's error.
std::string body_of(const Outcome& outcome);
// The same with field 2 set if `outcome.answer` is true.
std::string body_with_answer(const Outcome& outcome);

}  // namespace rivera::bbs
