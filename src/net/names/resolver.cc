#include "net/names/resolver.h"

#include <ares.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "base/work/wait.h"

namespace rivera::net {
namespace {

using Addresses = std::vector<asio::ip::address>;

constexpr int kFirstTryMilliseconds = 1500;  // doubled for each further one
constexpr int kTries = 3;
constexpr std::size_t kMostLookUps = 4096;

// One caller. Everything except `executor` is used on that executor.
struct Waiter {
  explicit Waiter(asio::any_io_executor on) : executor(on), changed(on) {}
  asio::any_io_executor executor;
  base::Condition changed;
  bool is_done = false;
  error_code failure;
  Addresses addresses;
};

asio::ip::address to_address(const sockaddr& from) {
  if (from.sa_family == AF_INET) {
    return asio::ip::address_v4(ntohl(reinterpret_cast<const sockaddr_in&>(from).sin_addr.s_addr));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
  asio::ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), v6.sin6_addr.s6_addr, bytes.size());
  return asio::ip::address_v6(bytes, v6.sin6_scope_id);
}

Addresses to_addresses(const ares_addrinfo& from) {
  Addresses addresses;
  for (const auto* node = from.nodes; node != nullptr; node = node->ai_next) {
    if (node->ai_family == AF_INET || node->ai_family == AF_INET6) addresses.push_back(to_address(*node->ai_addr));
  }
  return addresses;
}

error_code failure_of_status(int status) {
  switch (status) {
    case ARES_SUCCESS:
      return {};
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_ENONAME:
    case ARES_EBADNAME:
      return asio::error::host_not_found;
    default:
      return asio::error::host_not_found_try_again;
  }
}

// The times of change of the files that a channel was made from.
struct ConfigurationTime {
  timespec changed{};
  static ConfigurationTime now() {
    struct stat of {};
    ::stat("/etc/resolv.conf", &of);
    return {of.st_mtim};
  }
  bool operator==(const ConfigurationTime& other) const {
    return changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
  }
};

// The process's look-ups. The channel belongs to the thread; what the mutex guards is shared. A waiter is resumed only
// while it is registered, under the mutex: its executor is then certain to exist.
class LookUps {
 public:
  static LookUps& instance() {
    static LookUps only;
    return only;
  }

  void add(const std::string& host, const std::shared_ptr<Waiter>& waiter) {
    const std::lock_guard lock(mutex_);
    auto found = waiting_.find(host);
    if (found == waiting_.end()) {
      if (waiting_.size() >= kMostLookUps) {
        waiter->is_done = true;
        waiter->failure = asio::error::host_not_found_try_again;
        return;
      }
      found = waiting_.try_emplace(host).first;
      to_start_.push_back(host);
      wake();
    }
    found->second.push_back(waiter);
  }

  void remove(const std::string& host, const std::shared_ptr<Waiter>& waiter) {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(host);
    if (found != waiting_.end()) std::erase(found->second, waiter);
  }

  void use_servers(const std::string& servers) {
    const std::lock_guard lock(mutex_);
    servers_ = servers;
    servers_changed_ = true;
    wake();
  }

 private:
  struct LookUp {
    LookUps& owner;
    std::string host;
  };

  LookUps() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {}
  ~LookUps() {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
      wake();
    }
    thread_.join();
    ::close(wake_);
  }

  void wake() {
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
  }

  void run() {
    ares_library_init(ARES_LIB_INIT_ALL);
    for (;;) {
      wait();
      std::vector<std::string> hosts;
      {
        const std::lock_guard lock(mutex_);
        if (is_stopping_) break;
        hosts.swap(to_start_);
        if (servers_changed_) close_channel();
        servers_changed_ = false;
      }
      if (!hosts.empty() && !(ConfigurationTime::now() == configured_)) close_channel();
      if (channel_ == nullptr) open_channel(hosts);
      for (const auto& host : hosts) start(host);
    }
    close_channel();
    ares_library_cleanup();
  }

  // Until something is to be done, and gives c-ares what has come for it.
  void wait() {
    std::vector<pollfd> polled{{wake_, POLLIN, 0}};
    for (const auto& [fd, events] : sockets_) polled.push_back({fd, events, 0});
    timeval most{3600, 0};
    timeval next{};
    const timeval* limit = channel_ == nullptr ? &most : ares_timeout(channel_, &most, &next);
    const auto milliseconds = static_cast<int>(limit->tv_sec * 1000 + limit->tv_usec / 1000 + 1);
    const int ready = ::poll(polled.data(), polled.size(), milliseconds);
    std::uint64_t ignored = 0;
    (void)!::read(wake_, &ignored, sizeof ignored);
    if (channel_ == nullptr) return;
    for (std::size_t i = 1; ready > 0 && i < polled.size(); ++i) {
      const short events = polled[i].revents;
      if (events == 0) continue;
      const bool readable = (events & (POLLIN | POLLERR | POLLHUP)) != 0;
      const bool writable = (events & POLLOUT) != 0;
      ares_process_fd(channel_, readable ? polled[i].fd : ARES_SOCKET_BAD, writable ? polled[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }

  // `hosts` takes in the look-ups that a closed channel has left behind.
  void open_channel(std::vector<std::string>& hosts) {
    ares_options options{};
    options.timeout = kFirstTryMilliseconds;
    options.tries = kTries;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
      auto& sockets = static_cast<LookUps*>(self)->sockets_;
      if (!readable && !writable) {
        sockets.erase(fd);
      } else {
        sockets[fd] = static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
      }
    };
    options.sock_state_cb_data = this;
    configured_ = ConfigurationTime::now();
    const int status =
        ares_init_options(&channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
      channel_ = nullptr;
      return;
    }
    const std::lock_guard lock(mutex_);
    if (!servers_.empty()) ares_set_servers_ports_csv(channel_, servers_.c_str());
    hosts.insert(hosts.end(), left_behind_.begin(), left_behind_.end());
    left_behind_.clear();
  }

  // Its look-ups end with ARES_EDESTRUCTION.
  void close_channel() {
    if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
    sockets_.clear();
  }

  void start(const std::string& host) {
    if (channel_ == nullptr) {
      finish(host, asio::error::host_not_found_try_again, {});
      return;
    }
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    auto look_up = std::make_unique<LookUp>(LookUp{*this, host});
    ares_getaddrinfo(
        channel_, host.c_str(), nullptr, &hints,
        [](void* argument, int status, int /*timeouts*/, ares_addrinfo* result) {
          const std::unique_ptr<LookUp> ended(static_cast<LookUp*>(argument));
          const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> found(result, ares_freeaddrinfo);
          ended->owner.take_result(ended->host, status, found ? to_addresses(*found) : Addresses());
        },
        look_up.release());
  }

  void take_result(const std::string& host, int status, Addresses addresses) {
    if (status == ARES_EDESTRUCTION) {
      left_behind_.push_back(host);
      return;
    }
    error_code failure = failure_of_status(status);
    if (!failure && addresses.empty()) failure = asio::error::host_not_found;
    finish(host, failure, std::move(addresses));
  }

  void finish(const std::string& host, error_code failure, Addresses addresses) {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(host);
    if (found == waiting_.end()) return;
    for (const auto& waiter : found->second) {
      asio::post(waiter->executor, [waiter, failure, addresses] {
        waiter->is_done = true;
        waiter->failure = failure;
        waiter->addresses = addresses;
        waiter->changed.notify_all();
      });
    }
    waiting_.erase(found);
  }

  std::mutex mutex_;
  std::map<std::string, std::vector<std::shared_ptr<Waiter>>> waiting_;  // by name, also those that have no caller left
  std::vector<std::string> to_start_;
  std::string servers_;
  bool servers_changed_ = false;
  bool is_stopping_ = false;

  // The thread's own.
  ares_channel channel_ = nullptr;
  ConfigurationTime configured_;
  std::map<int, short> sockets_;  // of the channel, with what is to be polled for
  std::vector<std::string> left_behind_;

  const int wake_;
  std::thread thread_;
};

// A waiter for as long as this lives.
class Registration {
 public:
  Registration(std::string host, std::shared_ptr<Waiter> waiter) : host_(std::move(host)), waiter_(std::move(waiter)) {
    LookUps::instance().add(host_, waiter_);
  }
  ~Registration() { LookUps::instance().remove(host_, waiter_); }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  std::string host_;
  std::shared_ptr<Waiter> waiter_;
};

}  // namespace

asio::awaitable<Addresses> resolve(std::string host, std::chrono::nanoseconds limit) {
  error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) co_return Addresses{address};

  const auto end = std::chrono::steady_clock::now() + limit;
  auto waiter = std::make_shared<Waiter>(co_await asio::this_coro::executor);
  const Registration registration(std::move(host), waiter);
  while (!waiter->is_done) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left.count() <= 0) throw boost::system::system_error(asio::error::host_not_found_try_again);
    co_await waiter->changed.wait_for(left);
  }
  if (waiter->failure) throw boost::system::system_error(waiter->failure);
  co_return std::move(waiter->addresses);
}

void use_name_servers(const std::string& servers) { LookUps::instance().use_servers(servers); }

}  // namespace rivera::net
