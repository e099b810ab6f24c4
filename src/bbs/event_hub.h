// Who listens to events, and the way to them (docs/spec/bbs.md §3.4).
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/asio.h"
#include "base/wait.h"
#include "bbs/event.h"

namespace rivera::bbs {

// An event as it stands on a stream, all but its id: "event: NAME\ndata: BASE64\n\n". Made once for all subscribers.
using EncodedEvent = std::shared_ptr<const std::string>;

class EventHub;

// What one stream has still to send. Made by EventHub::subscribe(); used on the hub's executor, like the hub.
class Subscription {
 public:
  struct Wish {
    std::vector<Hub> hubs;
    std::string cell;  // "" = every cell
    EventForm form = EventForm::kCurrent;
  };
  static constexpr std::size_t kBuffer = 1024;  // events of each hub

  ~Subscription();

  // All that has come since the last call, at least one event; empty when the stream is over: the hub is closed, or
  // this subscriber was too slow and has had what it could keep.
  asio::awaitable<std::vector<EncodedEvent>> next();
  // Ends it at once; a waiting next() returns.
  void close();

 private:
  friend class EventHub;
  Subscription(EventHub& hub, asio::any_io_executor executor, Wish wish);
  bool wants(Hub hub) const;
  void push(Hub hub, EncodedEvent event);

  EventHub* hub_;
  Wish wish_;
  struct Entry {
    Hub hub;
    EncodedEvent event;
  };
  std::deque<Entry> buffer_;
  std::array<std::size_t, kHubs> buffered_{};
  base::Condition changed_;
  bool open_ = true;
};

// Lives on one strand. Emission never waits: a subscriber whose buffer is full is cut off.
class EventHub {
 public:
  explicit EventHub(asio::any_io_executor executor) : executor_(executor) {}
  ~EventHub();

  std::shared_ptr<Subscription> subscribe(Subscription::Wish wish);
  void publish(const Events& events);
  // Ends every stream, now and for later subscribers.
  void close();
  std::size_t subscribers() const { return subscriptions_.size(); }

 private:
  friend class Subscription;
  void forget(Subscription* subscription);

  asio::any_io_executor executor_;
  std::vector<Subscription*> subscriptions_;
  bool closed_ = false;
};

}  // namespace rivera::bbs
