// The event streams (docs/spec/bbs.md §3).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/asio.h"
#include "bbs/api/api.h"
#include "bbs/events/event_hub.h"
#include "net/http/http_router.h"
#include "net/sse/sse_response.h"

namespace rivera::bbs {

// The constructor adds the routes, for the callers that callers_of() names; others get 403.
class EventService {
 public:
  // A client that reads nothing for `write_limit` is disconnected.
  EventService(net::HttpRouter& router, Api& api, EventHub& hub,
               std::chrono::nanoseconds write_limit = std::chrono::minutes(1));

 private:
  struct Stream {
    std::vector<Hub> hubs;
    EventForm form;
    bool reads_filter;
  };

  // `name` is upstream's, for metrics.
  void add(net::HttpRouter& router, const char* name, const char* method, const char* path, Stream stream);
  asio::awaitable<void> serve_counted(RequestMeter meter, Stream stream, net::HttpExchange& exchange);
  asio::awaitable<void> serve(Stream stream, net::HttpExchange& exchange);

  Api& api_;
  EventHub& hub_;
  std::chrono::nanoseconds write_limit_;
};

}  // namespace rivera::bbs
