// Delivers events to subscribed streams (docs/spec/bbs.md §3.4).
//
//   publish ─> EventRing ─> the streams that wait for such an event ─> their mailboxes ─> their connections
//
// The hub lives on the home strand, a stream on the strand of its connection. Between them pass a batch of encoded
// events, in a mailbox that holds one batch, and the stream's request for the next one.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.h"
#include "bbs/events/event_ring.h"

namespace rivera::bbs {

class EventReader;  // a subscription as the hub sees it

// The source of one stream's events. Lives on the stream's executor; destroying it ends the subscription. May outlive
// the hub.
class EventSource {
 public:
  ~EventSource();
  EventSource(const EventSource&) = delete;
  EventSource& operator=(const EventSource&) = delete;

  // Waits for and returns the next events: at least one, at most about 64 KiB unless a single one is larger. Empty when
  // the stream has ended: the hub is closed, or the ring has dropped events that this stream had not received.
  asio::awaitable<std::vector<EncodedEvent>> next();

 private:
  friend class EventHub;
  explicit EventSource(std::shared_ptr<EventReader> reader) : reader_(std::move(reader)) {}
  std::shared_ptr<EventReader> reader_;
};

// Lives on `home`. Publishing never waits for a stream: the ring keeps the last events for all streams, and a stream
// that falls further behind than the ring reaches is ended.
//
// Ids are plain numbers, as upstream's are, but they count all events of all streams from a random start. So a client
// that reconnects with an id finds its position in the ring, and an id of another BBS is recognized as foreign
// (docs/spec/bbs.md §9.4).
class EventHub {
 public:
  explicit EventHub(asio::any_io_executor home, EventRing::Limits limits = {});
  ~EventHub();

  // Subscribes a stream on `executor`. It begins after `last_event_id` if given, else with the next published event. If
  // it cannot begin there without a gap, it ends at once. May be called from any executor.
  std::unique_ptr<EventSource> subscribe(asio::any_io_executor executor, EventRing::Filter filter,
                                         std::string last_event_id);
  void publish(const Events& events);
  // Ends every stream after its last event; later subscriptions end at once.
  void close();
  std::size_t subscribers() const;

 private:
  friend class EventReader;
  struct State;  // shared with the subscriptions, which may end after the hub

  asio::any_io_executor home_;
  std::shared_ptr<State> state_;
};

}  // namespace rivera::bbs
