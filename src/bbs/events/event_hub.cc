#include "bbs/events/event_hub.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <random>
#include <utility>

#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/post.hpp>

#include "base/units.h"

namespace rivera::bbs {
namespace {

// The largest batch for one client, which is also the memory that a stuck client holds.
constexpr std::size_t kBatchBytes = 64 * base::kKibibyte;

// All ids have 19 digits and fit into 63 bits.
EventId random_first_id() {
  std::random_device device;
  std::uniform_int_distribution<EventId> distribution(1'000'000'000'000'000'000, 5'000'000'000'000'000'000);
  return distribution(device);
}

std::optional<EventId> parse_id(std::string_view text) {
  EventId id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

}  // namespace

struct EventHub::State {
  explicit State(EventRing::Limits limits) : ring(random_first_id(), limits) {}

  EventRing ring;
  std::vector<EventReader*> readers;
  std::vector<EventReader*> woken;  // during publish(): the readers that waited for this event
  bool closed = false;
};

// Used on the home strand only, except its mailbox.
class EventReader {
 public:
  using Batch = std::vector<EncodedEvent>;

  EventReader(std::shared_ptr<EventHub::State> hub, asio::any_io_executor hub_executor, asio::any_io_executor stream)
      : home(std::move(hub_executor)), mailbox(stream, 1), hub_(std::move(hub)) {}
  ~EventReader() { detach(); }

  void attach(EventRing::Filter filter, const std::string& last_event_id) {
    hub_->readers.push_back(this);
    const auto wake = [this] {
      if (std::exchange(waits_, false)) hub_->woken.push_back(this);
    };
    if (last_event_id.empty()) {
      cursor_ = hub_->ring.at_end(std::move(filter), wake);
    } else if (const auto last = parse_id(last_event_id)) {
      cursor_ = hub_->ring.behind(*last, std::move(filter), wake);
    }
  }

  void detach() {
    cursor_.reset();
    std::erase(hub_->readers, this);
  }

  // The stream wants more, and its mailbox is empty.
  void serve() {
    Batch batch;
    if (cursor_) batch = cursor_->take(kBatchBytes);
    const bool is_over = !cursor_ || hub_->closed || cursor_->is_overtaken();
    waits_ = batch.empty() && !is_over;
    if (!waits_) mailbox.try_send(error_code(), std::move(batch));
  }

  void serve_if_waiting() {
    if (waits_) serve();
  }

  const asio::any_io_executor home;
  asio::experimental::concurrent_channel<void(error_code, Batch)> mailbox;

 private:
  std::shared_ptr<EventHub::State> hub_;
  std::unique_ptr<EventRing::Cursor> cursor_;  // null: the stream cannot begin without a gap
  bool waits_ = false;
};

EventSource::~EventSource() {
  const asio::any_io_executor home = reader_->home;
  asio::post(home, [reader = std::move(reader_)] { reader->detach(); });
}

asio::awaitable<std::vector<EncodedEvent>> EventSource::next() {
  asio::post(reader_->home, [reader = reader_] { reader->serve(); });
  co_return co_await reader_->mailbox.async_receive(asio::use_awaitable);
}

EventHub::EventHub(asio::any_io_executor home, EventRing::Limits limits)
    : home_(std::move(home)), state_(std::make_shared<State>(limits)) {}

EventHub::~EventHub() { close(); }

std::unique_ptr<EventSource> EventHub::subscribe(asio::any_io_executor executor, EventRing::Filter filter,
                                                 std::string last_event_id) {
  auto reader = std::make_shared<EventReader>(state_, home_, std::move(executor));
  asio::post(home_, [reader, filter = std::move(filter), last = std::move(last_event_id)]() mutable {
    reader->attach(std::move(filter), last);
  });
  return std::unique_ptr<EventSource>(new EventSource(std::move(reader)));
}

void EventHub::publish(const Events& events) {
  for (const Event& event : events) state_->ring.append(event);
  for (EventReader* reader : state_->woken) reader->serve();
  state_->woken.clear();
}

void EventHub::close() {
  state_->closed = true;
  for (EventReader* reader : state_->readers) reader->serve_if_waiting();
}

std::size_t EventHub::subscribers() const { return state_->readers.size(); }

}  // namespace rivera::bbs
