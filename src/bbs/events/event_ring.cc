#include "bbs/events/event_ring.h"

#include <algorithm>

#include "base/bytes.h"
#include "bbs/events/event_audience.h"
#include "net/sse/sse.h"

namespace rivera::bbs {
namespace {

// The overhead of an event besides its records or text: its entry, its index entries, the allocator's overhead.
constexpr std::size_t kBytesPerEvent = 512;

// A parsed message takes some four times its encoded form, which is kept beside it.
constexpr std::size_t kBytesPerEncodedByte = 5;

std::size_t size_of(const ActualLRPPtr& r) { return r ? r->wire.size() : 0; }
std::size_t size_of(const DesiredLRPPtr& r) { return r ? r->wire.size() : 0; }
std::size_t size_of(const TaskPtr& r) { return r ? r->wire.size() : 0; }
std::size_t size_of(const Group& g) { return size_of(g.instance) + size_of(g.evacuating); }

// An estimate of the memory that an event not encoded yet keeps alive: its largest record only, because the `after` of
// an event is the `before` of the next one.
std::size_t weight_of(const Event& event) {
  const auto greatest = [](const auto& e) { return std::max(size_of(e.before), size_of(e.after)); };
  return kBytesPerEvent + kBytesPerEncodedByte * std::visit(greatest, event.what);
}

EncodedEvent as_on_a_stream(EventId id, const Event& event, EventForm form) {
  return std::make_shared<const std::string>(
      net::format_event({std::to_string(id), std::string(name_of(event)), base::to_base64(encode(event, form))}));
}

}  // namespace

EventRing::EventRing(EventId first, Limits limits) : first_(first), next_(first), limits_(limits) {
  for (const Hub hub : {Hub::kDesired, Hub::kGroup, Hub::kInstance, Hub::kTask}) channel(hub, "");
}
EventRing::~EventRing() = default;

void EventRing::append(Event event) {
  const EventId id = next_++;
  Entry& entry = entries_.emplace_back();
  set_bytes(entry, weight_of(event));
  file(entry, id, channel(event.hub, ""));
  for (const std::string_view cell : cells_of(event)) {
    if (!cell.empty()) file(entry, id, channel(event.hub, cell));
  }
  entry.event = std::move(event);
  while (entries_.size() > 1 && (entries_.size() > limits_.events || bytes_ > limits_.bytes)) forget_oldest();
}

std::unique_ptr<EventRing::Cursor> EventRing::at_end(Filter filter, std::function<void()> on_event) {
  return std::unique_ptr<Cursor>(new Cursor(*this, std::move(filter), next_ - 1, std::move(on_event)));
}

std::unique_ptr<EventRing::Cursor> EventRing::behind(EventId last, Filter filter, std::function<void()> on_event) {
  if (last < first_ || last >= next_) return nullptr;
  std::unique_ptr<Cursor> cursor(new Cursor(*this, std::move(filter), last, std::move(on_event)));
  if (cursor->is_overtaken()) cursor.reset();
  return cursor;
}

EventRing::Channel& EventRing::channel(Hub hub, std::string_view cell) {
  auto& of_hub = channels_[static_cast<std::size_t>(hub)];
  auto found = of_hub.find(cell);
  if (found == of_hub.end()) {
    // A channel that is new or was dropped has no events in the ring; nothing else is known about it.
    found = of_hub.emplace(cell, Channel{hub, std::string(cell), {}, begin() - 1, {}}).first;
  }
  return found->second;
}

void EventRing::forget_if_unused(Channel& channel) {
  if (channel.cell.empty() || !channel.events.empty() || !channel.cursors.empty()) return;
  auto& of_hub = channels_[static_cast<std::size_t>(channel.hub)];
  of_hub.erase(of_hub.find(channel.cell));
}

void EventRing::file(Entry& entry, EventId id, Channel& channel) {
  *std::find(entry.channels.begin(), entry.channels.end(), nullptr) = &channel;
  channel.events.push_back(id);
  for (const Cursor* cursor : channel.cursors) cursor->on_event_();
}

void EventRing::forget_oldest() {
  const EventId id = begin();
  Entry& oldest = entries_.front();
  for (Channel* channel : oldest.channels) {
    if (!channel) continue;
    channel->events.pop_front();
    channel->forgotten = id;
    forget_if_unused(*channel);
  }
  set_bytes(oldest, 0);
  entries_.pop_front();
}

const EncodedEvent& EventRing::encoded(EventId id, EventForm form) {
  Entry& entry = entries_[id - begin()];
  const bool has_forms = bbs::has_forms(entry.channels.front()->hub);
  EncodedEvent& text = entry.encoded[has_forms ? static_cast<std::size_t>(form) : 0];
  if (text) return text;
  text = as_on_a_stream(id, *entry.event, form);
  if (has_forms) {  // the other form may be asked for later
    set_bytes(entry, entry.bytes + text->size());
  } else {
    entry.event.reset();
    set_bytes(entry, kBytesPerEvent + text->size());
  }
  return text;
}

void EventRing::set_bytes(Entry& entry, std::size_t bytes) {
  bytes_ = bytes_ - entry.bytes + bytes;
  entry.bytes = bytes;
}

EventRing::Cursor::Cursor(EventRing& ring, Filter filter, EventId last, std::function<void()> on_event)
    : ring_(ring), form_(filter.form), last_(last), on_event_(std::move(on_event)) {
  for (const Hub hub : filter.hubs) {
    Channel& channel = ring_.channel(hub, is_filtered_by_cell(hub) ? filter.cell : "");
    channel.cursors.push_back(this);
    channels_.push_back(&channel);
  }
}

EventRing::Cursor::~Cursor() {
  for (Channel* channel : channels_) {
    std::erase(channel->cursors, this);
    ring_.forget_if_unused(*channel);
  }
}

std::vector<EncodedEvent> EventRing::Cursor::take(std::size_t bytes) {
  std::vector<EncodedEvent> taken;
  if (is_overtaken()) return taken;
  for (std::size_t size = 0;;) {
    // The next event of each hub is the first one behind last_; the next of all is the oldest of them.
    std::optional<EventId> next;
    for (const Channel* channel : channels_) {
      const auto found = std::upper_bound(channel->events.begin(), channel->events.end(), last_);
      if (found != channel->events.end() && (!next || *found < *next)) next = *found;
    }
    if (!next) return taken;
    const EncodedEvent& event = ring_.encoded(*next, form_);
    size += event->size();
    if (!taken.empty() && size > bytes) return taken;
    taken.push_back(event);
    last_ = *next;
  }
}

bool EventRing::Cursor::is_overtaken() const {
  return std::any_of(channels_.begin(), channels_.end(),
                     [this](const Channel* channel) { return channel->forgotten > last_; });
}

}  // namespace rivera::bbs
