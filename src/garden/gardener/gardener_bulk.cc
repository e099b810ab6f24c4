// How the gardener does several things side by side.
#include <algorithm>

#include "base/work/cancellation.h"
#include "garden/gardener/gardener.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

struct Gathering {
  explicit Gathering(asio::any_io_executor executor) : changed(std::move(executor)) {}
  base::Condition changed;
  std::size_t left = 0;
  std::vector<std::exception_ptr> failures;
};

template <typename T>
struct Answers {
  std::vector<Gardener::Answer<T>> list;
};

template <typename T>
asio::awaitable<void> keep_answer(std::shared_ptr<Answers<T>> answers, std::size_t index, asio::awaitable<T> question) {
  try {
    T value = co_await std::move(question);
    answers->list[index].value = std::move(value);
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    answers->list[index].error = e.what();
  }
}

asio::awaitable<void> gather(std::shared_ptr<Gathering> gathering, std::size_t index, asio::awaitable<void> work) {
  try {
    co_await std::move(work);
  } catch (...) {
    gathering->failures[index] = std::current_exception();
  }
  --gathering->left;
  gathering->changed.notify_all();
}

}  // namespace

asio::awaitable<std::vector<std::exception_ptr>> Gardener::all_at_once(std::vector<asio::awaitable<void>> works) {
  const auto gathering = std::make_shared<Gathering>(context_.executor);
  gathering->left = works.size();
  gathering->failures.resize(works.size());
  for (std::size_t i = 0; i < works.size(); ++i) background_.spawn("part", gather(gathering, i, std::move(works[i])));
  while (gathering->left > 0) co_await gathering->changed.wait();
  co_return gathering->failures;
}

template <typename T>
asio::awaitable<std::vector<Gardener::Answer<T>>> Gardener::ask_for_all(std::vector<std::string> handles,
                                                                        Question<T> question) {
  constexpr std::size_t kTogether = 32;
  const auto answers = std::make_shared<Answers<T>>();
  answers->list.resize(handles.size());
  for (std::size_t first = 0; first < handles.size(); first += kTogether) {
    std::vector<asio::awaitable<void>> works;
    for (std::size_t i = first; i < std::min(first + kTogether, handles.size()); ++i) {
      works.push_back(keep_answer<T>(answers, i, (this->*question)(handles[i])));
    }
    co_await all_at_once(std::move(works));
  }
  co_return std::move(answers->list);
}

asio::awaitable<std::vector<Gardener::Answer<api::ContainerInfo>>> Gardener::bulk_info(
    std::vector<std::string> handles) {
  auto answers = co_await ask_for_all<api::ContainerInfo>(std::move(handles), &Gardener::info);
  co_return answers;
}

asio::awaitable<std::vector<Gardener::Answer<api::ContainerMetrics>>> Gardener::bulk_metrics(
    std::vector<std::string> handles) {
  auto answers = co_await ask_for_all<api::ContainerMetrics>(std::move(handles), &Gardener::metrics);
  co_return answers;
}

}  // namespace rivera::garden
