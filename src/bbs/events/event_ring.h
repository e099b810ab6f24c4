// The last events of the BBS, numbered in commit order, with cursors for the streams (docs/spec/bbs.md §9.4).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bbs/events/event.h"

namespace rivera::bbs {

// An event's number. It counts up by one over the events of all hubs.
using EventId = std::uint64_t;

// An event as it stands on a stream, "id: N\nevent: NAME\ndata: BASE64\n\n". Made once for all streams.
using EncodedEvent = std::shared_ptr<const std::string>;

// Passive. Used on the hub's strand.
//
// An event is encoded when a stream first reads it; until then it keeps its records alive. An index holds the event ids
// of each hub and of each cell that streams may filter on, so a filtered stream is not woken by, and does not scan, the
// events of other cells.
class EventRing {
 public:
  // The oldest events are dropped beyond `events` events or about `bytes` bytes of memory.
  struct Limits {
    std::size_t events = 100'000;
    std::size_t bytes = std::size_t{256} << 20;
  };
  // Which events a stream carries, and in which form.
  struct Filter {
    std::vector<Hub> hubs;
    std::string cell;  // "" = every cell
    EventForm form = EventForm::kCurrent;
  };
  class Cursor;

  // `first` is the id of the first event.
  explicit EventRing(EventId first) : EventRing(first, Limits()) {}
  EventRing(EventId first, Limits limits);
  ~EventRing();  // after all cursors
  EventRing(const EventRing&) = delete;
  EventRing& operator=(const EventRing&) = delete;

  // Appends an event and wakes the cursors that wait for it. O(log cells + woken cursors).
  void append(Event event);

  // A cursor after all present events. The ring must outlive it.
  std::unique_ptr<Cursor> at_end(Filter filter, std::function<void()> on_event);
  // A cursor after the event `last`; null if `last` is not an id of this ring, or if a matching event after it may have
  // been dropped.
  std::unique_ptr<Cursor> behind(EventId last, Filter filter, std::function<void()> on_event);

  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  // The events of one hub, or of one hub on one cell.
  struct Channel {
    Hub hub;
    std::string cell;  // "" = the hub's
    std::deque<EventId> events;
    EventId forgotten;  // events up to this one may be missing
    std::vector<Cursor*> cursors;
  };
  struct Entry {
    std::optional<Event> event;           // absent once it is encoded in the only form it has
    std::array<EncodedEvent, 2> encoded;  // by form
    std::array<Channel*, 3> channels{};   // its hub's, and those of its cells
    std::size_t bytes = 0;
  };

  EventId begin() const { return next_ - entries_.size(); }
  Channel& channel(Hub hub, std::string_view cell);
  void forget_if_unused(Channel& channel);
  void file(Entry& entry, EventId id, Channel& channel);
  void forget_oldest();
  const EncodedEvent& encoded(EventId id, EventForm form);
  void set_bytes(Entry& entry, std::size_t bytes);

  const EventId first_;
  EventId next_;
  Limits limits_;
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
  std::array<std::map<std::string, Channel, std::less<>>, kHubs> channels_;
};

// The position of one stream. Costs nothing while it waits, however far it is behind.
class EventRing::Cursor {
 public:
  ~Cursor();

  // The next events, in order: as many as fit `bytes`, but at least one if there is any. Returns no event after a
  // dropped one.
  std::vector<EncodedEvent> take(std::size_t bytes);
  // True if matching events were dropped before this cursor read them.
  bool is_overtaken() const;

 private:
  friend class EventRing;
  Cursor(EventRing& ring, Filter filter, EventId last, std::function<void()> on_event);

  EventRing& ring_;
  EventForm form_;
  std::vector<Channel*> channels_;  // one for each hub
  EventId last_;                    // everything up to this one has been read
  std::function<void()> on_event_;
};

}  // namespace rivera::bbs
