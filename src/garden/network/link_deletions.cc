#include "garden/network/link_deletions.h"

#include <algorithm>

#include "base/work/wait.h"
#include "garden/network/netlink.h"

namespace rivera::garden {

LinkDeletions::LinkDeletions(const Context& context)
    : context_(context), background_(context.executor, context.logger) {}

asio::awaitable<void> LinkDeletions::stop() { co_await background_.stop(); }

asio::awaitable<void> LinkDeletions::remove(std::vector<std::string> names) {
  const auto request = std::make_shared<Request>();
  request->names = names;
  waiting_.push_back(request);
  if (!is_working_) background_.spawn("delete-links", work());
  while (!request->is_done) {
    auto look = [names] { return std::any_of(names.begin(), names.end(), interface_exists); };
    const bool are_left = co_await context_.on_worker(std::move(look));
    if (!are_left) break;
    co_await base::sleep_for(std::chrono::milliseconds(1));
  }
  // They are deleted, by this request or another one: interfaces of these names that are made from now on are others.
  std::erase(waiting_, request);
  if (request->failure) std::rethrow_exception(request->failure);
}

asio::awaitable<void> LinkDeletions::work() {
  is_working_ = true;
  while (!waiting_.empty()) {
    const auto batch = std::exchange(waiting_, {});
    std::vector<std::string> names;
    for (const auto& request : batch) names.insert(names.end(), request->names.begin(), request->names.end());
    auto remove_all = [names] { Netlink().delete_links(names); };
    std::exception_ptr failure;
    try {
      co_await thread_.run(std::move(remove_all));
    } catch (...) {
      failure = std::current_exception();
    }
    for (const auto& request : batch) {
      request->is_done = true;
      request->failure = failure;
    }
  }
  is_working_ = false;
}

}  // namespace rivera::garden
