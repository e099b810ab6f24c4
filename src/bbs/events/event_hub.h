// Who listens to events, and the way to them (docs/spec/bbs.md §3.4).
//
//   publish ─> EventRing ─> the streams that wait for such an event ─> their mailboxes ─> their connections
//
// The hub lives on the home strand, a stream on its connection's; what goes from one to the other is a batch of encoded
// events in a mailbox of one place, and the stream's wish for the next one.
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

// What one stream has still to send. Lives on the stream's executor; its end is the end of the subscription. May
// outlive the hub.
class EventSource {
 public:
  ~EventSource();
  EventSource(const EventSource&) = delete;
  EventSource& operator=(const EventSource&) = delete;

  // The next events, at least one, at most some 64 KiB of them unless one is larger; waits until there is one. Empty
  // when the stream is over: the hub is closed, or events that this stream should have had are forgotten.
  asio::awaitable<std::vector<EncodedEvent>> next();

 private:
  friend class EventHub;
  explicit EventSource(std::shared_ptr<EventReader> reader) : reader_(std::move(reader)) {}
  std::shared_ptr<EventReader> reader_;
};

// Lives on `home`. Emission never waits, whatever the streams do: the ring remembers the last events for all of them,
// and a stream that the ring overtakes is over.
//
// Ids are plain numbers, as upstream's are, but count over all events of all streams, from a random start: so an id
// tells a stream that reconnects its place in the ring, and one of another BBS is recognized as foreign
// (docs/spec/bbs.md §9.4).
class EventHub {
 public:
  explicit EventHub(asio::any_io_executor home, EventRing::Limits limits = {});
  ~EventHub();

  // A stream on `executor`. It begins behind `last_event_id` if the client gives one, else with what is published from
  // now on; it is over at once if it cannot begin there without a gap. May be called from any executor.
  std::unique_ptr<EventSource> subscribe(asio::any_io_executor executor, EventRing::Wish wish,
                                         std::string last_event_id);
  void publish(const Events& events);
  // Ends every stream, now and for later subscribers, once it has had everything.
  void close();
  std::size_t subscribers() const;

 private:
  friend class EventReader;
  struct State;  // shared with the subscriptions, which may end after the hub

  asio::any_io_executor home_;
  std::shared_ptr<State> state_;
};

}  // namespace rivera::bbs
