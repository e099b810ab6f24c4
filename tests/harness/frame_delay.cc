#include "harness/frame_delay.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <mutex>
#include <net/if.h>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace rivera::harness {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostFrames = 4096;
constexpr std::size_t kLargestFrame = 65536;

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

base::UniqueFd make_tap(const std::string& name) {
  base::UniqueFd tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!tap) fail("opening /dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(tap.get(), TUNSETIFF, &request) != 0) fail("making the device " + name);
  return tap;
}

// What is under way from one device to the other.
struct Direction {
  struct Frame {
    Clock::time_point due;
    std::vector<char> bytes;
  };
  int from = -1;
  int to = -1;
  std::chrono::milliseconds delay{0};
  std::deque<Frame> frames;

  // False if the device is gone.
  bool receive() {
    std::vector<char> buffer(kLargestFrame);
    for (;;) {
      const ssize_t size = ::read(from, buffer.data(), buffer.size());
      // EIO: the device is down, as before it is set up.
      if (size < 0) return errno == EAGAIN || errno == EINTR || errno == EIO;
      if (size == 0) return false;
      if (frames.size() >= kMostFrames) continue;
      frames.push_back({Clock::now() + delay, {buffer.begin(), buffer.begin() + size}});
    }
  }

  void send_due(Clock::time_point now) {
    for (; !frames.empty() && frames.front().due <= now; frames.pop_front()) {
      // What the device does not take is lost.
      [[maybe_unused]] const ssize_t sent = ::write(to, frames.front().bytes.data(), frames.front().bytes.size());
    }
  }
};

struct Link {
  base::UniqueFd left, right;
  Direction there, back;
};

}  // namespace

class FrameDelay::Relay {
 public:
  Relay() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {}
  ~Relay() {
    {
      const std::lock_guard lock(mutex_);
      stops_ = true;
    }
    wake();
    thread_.join();
  }

  void add(std::unique_ptr<Link> link) {
    {
      const std::lock_guard lock(mutex_);
      added_.push_back(std::move(link));
    }
    wake();
  }

 private:
  void wake() { ::eventfd_write(wake_.get(), 1); }

  bool take_added() {
    eventfd_t count = 0;
    ::eventfd_read(wake_.get(), &count);
    const std::lock_guard lock(mutex_);
    for (auto& link : added_) links_.push_back(std::move(link));
    added_.clear();
    return !stops_;
  }

  std::optional<Clock::time_point> next_due() const {
    std::optional<Clock::time_point> due;
    for (const auto& link : links_) {
      for (const Direction* direction : {&link->there, &link->back}) {
        if (direction->frames.empty()) continue;
        const auto front = direction->frames.front().due;
        due = due ? std::min(*due, front) : front;
      }
    }
    return due;
  }

  void wait() {
    std::vector<pollfd> events{{wake_.get(), POLLIN, 0}};
    for (const auto& link : links_) {
      events.push_back({link->left.get(), POLLIN, 0});
      events.push_back({link->right.get(), POLLIN, 0});
    }
    timespec limit{};
    const auto due = next_due();
    if (due) {
      const auto left = std::max(Clock::duration::zero(), *due - Clock::now());
      const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
      limit = {nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
    }
    ::ppoll(events.data(), events.size(), due ? &limit : nullptr, nullptr);
  }

  void run() {
    while (take_added()) {
      wait();
      const auto now = Clock::now();
      std::erase_if(links_, [](const auto& link) { return !link->there.receive() || !link->back.receive(); });
      for (const auto& link : links_) {
        link->there.send_due(now);
        link->back.send_due(now);
      }
    }
  }

  base::UniqueFd wake_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Link>> added_;
  bool stops_ = false;
  std::vector<std::unique_ptr<Link>> links_;  // of the thread
  std::thread thread_;
};

FrameDelay::FrameDelay() : relay_(std::make_unique<Relay>()) {}
FrameDelay::~FrameDelay() = default;

void FrameDelay::connect(const std::string& left, const std::string& right, std::chrono::milliseconds delay) {
  auto link = std::make_unique<Link>();
  link->left = make_tap(left);
  link->right = make_tap(right);
  link->there = {.from = link->left.get(), .to = link->right.get(), .delay = delay, .frames = {}};
  link->back = {.from = link->right.get(), .to = link->left.get(), .delay = delay, .frames = {}};
  relay_->add(std::move(link));
}

}  // namespace rivera::harness
