// The last events of the BBS, numbered in the order of their commits, and the places where streams stand among them
// (docs/spec/bbs.md §9.4).
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
// An event is encoded when a stream first takes it; until then it keeps its records alive. Beside the events there is
// an index: for each hub, and for each cell that streams may be filtered on, the ids of its events. So a filtered
// stream is neither touched by the events of other cells nor has to look through them.
class EventRing {
 public:
  // The oldest events are forgotten when there are more of them, or when they take more memory, about.
  struct Limits {
    std::size_t events = 100'000;
    std::size_t bytes = std::size_t{256} << 20;
  };
  // Which events a stream is about.
  struct Wish {
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

  // Adds the next event and tells the cursors that want it. O(log cells + those cursors).
  void append(Event event);

  // A place behind all events so far. The ring outlives it.
  std::unique_ptr<Cursor> at_end(Wish wish, std::function<void()> on_event);
  // A place behind the event `last`; null if `last` is none of this ring's ids or a wanted event after it may have been
  // forgotten.
  std::unique_ptr<Cursor> behind(EventId last, Wish wish, std::function<void()> on_event);

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

// Where one stream stands. Costs nothing while it waits, however far it falls behind.
class EventRing::Cursor {
 public:
  ~Cursor();

  // The next events, in order: as many as stay below `bytes` together, but one if there is any. None of those that
  // follow a forgotten one.
  std::vector<EncodedEvent> take(std::size_t bytes);
  // Whether events that it wants were forgotten before it took them.
  bool is_overtaken() const;

 private:
  friend class EventRing;
  Cursor(EventRing& ring, Wish wish, EventId last, std::function<void()> on_event);

  EventRing& ring_;
  EventForm form_;
  std::vector<Channel*> channels_;  // one for each hub
  EventId last_;                    // what it wants up to this one has been taken
  std::function<void()> on_event_;
};

}  // namespace rivera::bbs
