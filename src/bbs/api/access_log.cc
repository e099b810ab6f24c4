#include "bbs/api/access_log.h"

#include <chrono>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include <boost/json/array.hpp>

#include "base/duration.h"

namespace rivera::bbs {
namespace {

base::UniqueFd open_for_appending(const std::string& path) {
  base::UniqueFd file(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
  if (!file) throw std::system_error(errno, std::generic_category(), "cannot open the access log " + path);
  return file;
}

boost::json::object certificate_names(const net::Stream::PeerIdentity& peer) {
  return {
      {"common_name", peer.common_name},
      {"organizational_units", boost::json::array(peer.organizational_units.begin(), peer.organizational_units.end())},
      {"dns_names", boost::json::array(peer.dns_names.begin(), peer.dns_names.end())}};
}

}  // namespace

AccessLog::AccessLog(std::string path, const std::string& source, base::LogTimeFormat time_format)
    : path_(std::move(path)),
      file_(open_for_appending(path_)),
      logger_(source, base::LogLevel::kInfo, time_format, file_.get()) {}

void AccessLog::reopen() {
  const base::UniqueFd fresh = open_for_appending(path_);
  // Atomic, so that no line is lost between the two files.
  if (dup3(fresh.get(), file_.get(), O_CLOEXEC) < 0) {
    throw std::system_error(errno, std::generic_category(), "cannot reopen the access log " + path_);
  }
}

asio::awaitable<void> AccessLog::serve(const net::HttpHandler& handler, net::HttpExchange& exchange) const {
  const net::RequestHead& request = exchange.request();
  const base::Logger logger =
      logger_.session("request", {{"method", request.method},
                                  {"request", request.target},
                                  {"remote_addr", exchange.stream().peer_address()},
                                  {"peer_certificate", certificate_names(exchange.stream().peer_identity())}});
  // Written on every exit, including failures and cancellation.
  struct Ending {
    const base::Logger& logger;
    std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
    ~Ending() {
      const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - started;
      logger.info("done", {{"duration", base::format_go_duration(took)}});
    }
  };
  logger.info("serving");
  const Ending ending{logger};
  co_await handler(exchange);
}

}  // namespace rivera::bbs
