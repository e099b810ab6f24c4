#include "bbs/event_hub.h"

#include <algorithm>

#include "base/bytes.h"

namespace rivera::bbs {
namespace {

// One event in the forms that were asked for so far.
class LazyEvent {
 public:
  explicit LazyEvent(const Event& event) : event_(event) {}
  const EncodedEvent& in(EventForm form) {
    EncodedEvent& encoded = forms_[static_cast<std::size_t>(form)];
    if (!encoded) {
      std::string text = "event: ";
      text += name_of(event_);
      text += "\ndata: ";
      text += base::to_base64(encode(event_, form));
      text += "\n\n";
      encoded = std::make_shared<const std::string>(std::move(text));
    }
    return encoded;
  }

 private:
  const Event& event_;
  std::array<EncodedEvent, 2> forms_;
};

}  // namespace

Subscription::Subscription(EventHub& hub, asio::any_io_executor executor, Wish wish)
    : hub_(&hub), wish_(std::move(wish)), changed_(executor) {}

Subscription::~Subscription() {
  if (hub_) hub_->forget(this);
}

bool Subscription::wants(Hub hub) const {
  return open_ && std::find(wish_.hubs.begin(), wish_.hubs.end(), hub) != wish_.hubs.end();
}

void Subscription::push(Hub hub, EncodedEvent event) {
  std::size_t& count = buffered_[static_cast<std::size_t>(hub)];
  if (count >= kBuffer) return close();
  ++count;
  buffer_.push_back({hub, std::move(event)});
  changed_.notify_all();
}

asio::awaitable<std::vector<EncodedEvent>> Subscription::next() {
  while (buffer_.empty() && open_) co_await changed_.wait();
  std::vector<EncodedEvent> events;
  events.reserve(buffer_.size());
  for (Entry& entry : buffer_) events.push_back(std::move(entry.event));
  buffer_.clear();
  buffered_.fill(0);
  co_return events;
}

void Subscription::close() {
  open_ = false;
  changed_.notify_all();
}

EventHub::~EventHub() {
  for (Subscription* subscription : subscriptions_) subscription->hub_ = nullptr;
}

std::shared_ptr<Subscription> EventHub::subscribe(Subscription::Wish wish) {
  std::shared_ptr<Subscription> subscription(new Subscription(*this, executor_, std::move(wish)));
  subscriptions_.push_back(subscription.get());
  if (closed_) subscription->close();
  return subscription;
}

void EventHub::publish(const Events& events) {
  if (subscriptions_.empty()) return;
  for (const Event& event : events) {
    LazyEvent lazy(event);
    for (Subscription* subscription : subscriptions_) {
      if (!subscription->wants(event.hub) || !concerns_cell(event, subscription->wish_.cell)) continue;
      subscription->push(event.hub, lazy.in(subscription->wish_.form));
    }
  }
}

void EventHub::close() {
  closed_ = true;
  for (Subscription* subscription : subscriptions_) subscription->close();
}

void EventHub::forget(Subscription* subscription) { std::erase(subscriptions_, subscription); }

}  // namespace rivera::bbs
