// The event streams (docs/spec/bbs.md §3).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/asio.h"
#include "bbs/api.h"
#include "bbs/event_hub.h"
#include "net/http_router.h"

namespace rivera::bbs {

// Adds its routes when it is made. `hub` belongs to `home`.
class EventService {
 public:
  EventService(net::HttpRouter& router, Api& api, asio::any_io_executor home, EventHub& hub);

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
  asio::awaitable<void> pump(std::shared_ptr<Subscription> subscription, net::HttpExchange& exchange);
  asio::awaitable<std::shared_ptr<Subscription>> subscribe(Subscription::Wish wish);

  Api& api_;
  asio::any_io_executor home_;
  EventHub& hub_;
};

}  // namespace rivera::bbs
