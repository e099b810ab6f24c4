#include "bbs/outgoing/task_callbacks.h"

#include "base/work/cancellation.h"
#include "models/forms/json.h"

namespace rivera::bbs {
namespace {

constexpr std::size_t kMostCallbacksWaiting = 100'000;
constexpr int kAttempts = 3;
constexpr int kMostRedirects = 10;

// Whether a response asks to send the request elsewhere, as Go's client understands it.
bool is_redirect(const net::ResponseHead& head) {
  const int status = head.status;
  const bool known = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  return known && head.headers.has("Location");
}

// 307 and 308 repeat the request, the others become a GET without a body.
void redirect(net::HttpRequest& request, int status) {
  if (status == 307 || status == 308) return;
  request.method = "GET";
  request.body.clear();
  request.headers.remove("Content-Type");
}

// `location` is an absolute URL or a path on the same server. Throws std::invalid_argument if it is neither.
void follow(std::string_view location, net::Endpoint& endpoint, std::string& target) {
  if (location.starts_with('/') && !location.starts_with("//")) {
    target = std::string(location.substr(0, location.find('#')));
    return;
  }
  auto [to, new_target] = net::Endpoint::parse_url(location);
  if (to.is_unix) throw std::invalid_argument("a redirect to a Unix socket is refused");
  endpoint = std::move(to);
  target = std::move(new_target);
}

}  // namespace

TaskCallbacks::TaskCallbacks(asio::any_io_executor home, Ledger& ledger, net::HttpClientOptions http,
                             std::size_t workers, HasLock has_lock, base::Logger logger)
    : ledger_(ledger),
      http_(home, std::move(http)),
      has_lock_(std::move(has_lock)),
      logger_(logger.session("task-callbacks")),
      queue_(home, kMostCallbacksWaiting),
      most_workers_(workers),
      workers_(home, logger_) {}

void TaskCallbacks::submit(TaskPtr task) {
  if (!queue_.try_push(std::move(task))) {
    logger_.error("too-many-waiting", {{"limit", kMostCallbacksWaiting}});
  } else if (workers_.size() < most_workers_) {
    workers_.spawn("worker", work());
  }
}

asio::awaitable<void> TaskCallbacks::stop() { co_await workers_.stop(); }

asio::awaitable<void> TaskCallbacks::work() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  while (auto task = queue_.try_pop()) {
    const std::string guid = (*task)->task.task_guid();
    try {
      co_await call_back(std::move(*task));
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      logger_.error("failed", {{"task_guid", guid}, {"error", e.what()}});
    }
  }
}

asio::awaitable<void> TaskCallbacks::call_back(TaskPtr task) {
  const std::string guid = task->task.task_guid();
  Ledger::Operation resolve = [guid](Board& board, base::Timestamp now) { return board.resolving_task(guid, now); };
  const Outcome resolving = co_await ledger_.run(std::move(resolve));
  if (resolving.error) co_return;  // another callback handles it

  Answer answer = Answer::kTryAgain;
  for (int attempt = 0; attempt < kAttempts && answer == Answer::kTryAgain; ++attempt) {
    require_lock(has_lock_);
    answer = co_await post(task->task);
  }
  if (answer != Answer::kHeard) {
    logger_.info("not-heard", {{"task_guid", guid}});
    co_return;
  }
  Ledger::Operation remove = [guid](Board& board, base::Timestamp) { return board.delete_task(guid); };
  const Outcome removed = co_await ledger_.run(std::move(remove));
  if (removed.error) logger_.error("failed-to-delete", {{"task_guid", guid}, {"error", removed.error->message()}});
}

asio::awaitable<TaskCallbacks::Answer> TaskCallbacks::post(const models::Task& task) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  try {
    auto [endpoint, target] = net::Endpoint::parse_url(task.task_definition().completion_callback_url());
    net::HttpRequest request;
    request.method = "POST";
    request.target = target;
    request.headers.set("Content-Type", "application/json");
    request.body = models::to_json_text(models::callback_response(task));
    net::ResponseHead head = co_await send(endpoint, request);
    for (int i = 0; i < kMostRedirects && is_redirect(head); ++i) {
      redirect(request, head.status);
      follow(head.headers.get("Location"), endpoint, request.target);
      require_lock(has_lock_);
      head = co_await send(endpoint, request);
    }
    if (is_redirect(head)) throw std::runtime_error("stopped after 10 redirects");
    co_return head.status == 503 || head.status == 504 ? Answer::kTryAgain : Answer::kHeard;
  } catch (const base::DeadlineExceeded&) {
    co_return Answer::kTryAgain;
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger_.info("call-failed", {{"task_guid", task.task_guid()}, {"error", e.what()}});
    co_return Answer::kGiveUp;
  }
}

asio::awaitable<net::ResponseHead> TaskCallbacks::send(net::Endpoint endpoint, net::HttpRequest request) {
  const auto response = co_await http_.open(std::move(endpoint), std::move(request));
  co_return response->head();
}

}  // namespace rivera::bbs
