#include "executor/identity/credential_keeper.h"

#include <algorithm>
#include <fstream>

#include "base/files.h"
#include "base/work/cancellation.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCredentialMount = "/etc/cf-instance-credentials";
constexpr const char* kCertificateFile = "instance.crt";
constexpr const char* kKeyFile = "instance.key";
constexpr auto kRetryPause = std::chrono::seconds(10);
constexpr auto kLongestWait = std::chrono::hours(1);  // the clock may be set meanwhile

void make_empty(const fs::path& directory) {
  fs::remove_all(directory);
  fs::create_directories(directory);
  fs::permissions(directory, fs::perms(0755));
}

void write_in_place(const fs::path& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path.string());
  fs::permissions(path, fs::perms(0644));
}

void write_files(const fs::path& directory, const std::vector<ProxyFile>& files) {
  for (const auto& file : files) {
    if (file.in_place) {
      write_in_place(directory / file.name, file.content);
    } else {
      base::write_file_atomically(directory / file.name, file.content, 0644);
    }
  }
}

// What a container has from before a restart; an empty certificate if it cannot be used any more.
net::KeyPair read_pair(const fs::path& directory) {
  try {
    return {base::read_file(directory / kCertificateFile), base::read_file(directory / kKeyFile)};
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace

CredentialKeeper::CredentialKeeper(IdentityIssuer& issuer, const ProxyOptions& proxy, const Container& container,
                                   asio::any_io_executor executor, base::WorkerPool& workers, base::Logger logger)
    : issuer_(issuer),
      proxy_(proxy),
      container_(container),
      workers_(workers),
      logger_(logger.session("credentials")),
      identity_directory_(issuer.options().directory / container.guid),
      proxy_directory_(proxy.config_directory / container.guid),
      changed_(std::move(executor)) {}

asio::awaitable<void> CredentialKeeper::make_directories() {
  auto make = [identity = identity_directory_, proxy = proxy_directory_, proxied = has_proxy()] {
    if (proxied) make_empty(proxy);
    make_empty(identity);
  };
  co_await workers_.run(std::move(make));
}

std::vector<garden::BindMount> CredentialKeeper::mounts() const {
  std::vector<garden::BindMount> mounts;
  if (has_proxy()) {
    mounts.push_back({.src_path = proxy_.program_directory, .dst_path = kProxyMount});
    mounts.push_back({.src_path = proxy_directory_.string(), .dst_path = kProxyConfigMount});
  }
  mounts.push_back({.src_path = identity_directory_.string(), .dst_path = kCredentialMount});
  return mounts;
}

std::vector<std::string> CredentialKeeper::environment() const {
  const std::string directory = kCredentialMount;
  return {"CF_INSTANCE_CERT=" + directory + "/" + kCertificateFile, "CF_INSTANCE_KEY=" + directory + "/" + kKeyFile};
}

asio::awaitable<void> CredentialKeeper::begin() {
  auto read = [directory = identity_directory_] { return read_pair(directory); };
  identity_ = co_await workers_.run(std::move(read));
  try {
    if (!identity_.certificate_pem.empty()) {
      renew_at_ = issuer_.renewal(net::certificate_expiry(identity_.certificate_pem));
    }
  } catch (const std::exception& e) {
    logger_.error("unreadable-certificate", {{"guid", container_.guid}, {"error", e.what()}});
  }
  if (renew_at_ <= issuer_.now()) co_await renew(true);
}

asio::awaitable<void> CredentialKeeper::keep() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (;;) {
    const auto left = renew_at_ - issuer_.now();
    if (left > std::chrono::nanoseconds(0) && !routes_changed_) {
      co_await changed_.wait_for(std::min<std::chrono::nanoseconds>(left, kLongestWait));
      continue;
    }
    bool failed = false;
    try {
      routes_changed_ = false;
      co_await renew(left <= std::chrono::nanoseconds(0));
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      logger_.error("failed-to-renew", {{"guid", container_.guid}, {"error", e.what()}});
      failed = true;
    }
    if (!failed) continue;
    co_await base::sleep_for(kRetryPause);
    routes_changed_ = true;
  }
}

void CredentialKeeper::routes_changed() {
  if (!has_proxy()) return;
  routes_changed_ = true;
  changed_.notify_all();
}

// Only the proxy needs the certificate for connections between containers.
asio::awaitable<void> CredentialKeeper::renew(bool identity_too) {
  if (is_nameless_) co_return;
  if (identity_too) {
    auto issued = co_await issuer_.identity(container_, false);
    identity_ = std::move(issued);
  }
  std::vector<ProxyFile> files;
  if (has_proxy()) {
    auto c2c = co_await issuer_.c2c(container_, false);
    files = proxy_files(container_, proxy_, {identity_, std::move(c2c)});
  }
  if (is_nameless_) co_return;
  co_await write(std::move(files), identity_too);
  if (identity_too) renew_at_ = issuer_.renewal(net::certificate_expiry(identity_.certificate_pem));
}

asio::awaitable<void> CredentialKeeper::write(std::vector<ProxyFile> proxy_files, bool identity_too) {
  auto write_all = [files = std::move(proxy_files), proxy = proxy_directory_, directory = identity_directory_,
                    pair = identity_, identity_too] {
    write_files(proxy, files);
    if (!identity_too) return;
    base::write_file_atomically(directory / kKeyFile, pair.key_pem, 0644);
    base::write_file_atomically(directory / kCertificateFile, pair.certificate_pem, 0644);
  };
  co_await workers_.run(std::move(write_all));
}

asio::awaitable<void> CredentialKeeper::take_name_away() {
  if (!has_proxy() || std::exchange(is_nameless_, true)) co_return;
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  try {
    auto identity = co_await issuer_.identity(container_, true);
    auto c2c = co_await issuer_.c2c(container_, true);
    auto files = proxy_files(container_, proxy_, {std::move(identity), std::move(c2c)});
    co_await write(std::move(files), false);
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger_.error("failed-to-take-name-away", {{"guid", container_.guid}, {"error", e.what()}});
    co_return;
  }
  co_await base::sleep_for(proxy_.reload_duration);
}

asio::awaitable<void> CredentialKeeper::remove() {
  auto remove_all = [identity = identity_directory_, proxy = proxy_directory_, proxied = has_proxy()] {
    std::error_code ec;
    fs::remove_all(identity, ec);
    if (proxied) fs::remove_all(proxy, ec);
  };
  co_await workers_.run(std::move(remove_all));
}

}  // namespace rivera::executor
