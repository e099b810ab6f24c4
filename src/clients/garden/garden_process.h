// The client's side of Garden's process streams (docs/spec/garden.md §1.8). Used by GardenClient only.
#pragma once

#include <memory>
#include <string>

#include "base/work/task_group.h"
#include "clients/garden/garden_client.h"
#include "net/stream/stream.h"

namespace rivera::clients {

class AttachedProcess final : public GardenProcess {
 public:
  // `main` is the connection after the answer's head.
  AttachedProcess(asio::any_io_executor executor, std::unique_ptr<net::Stream> main);
  ~AttachedProcess() override;

  // First of all: reads the ids. Returns the stream's. Throws net::TransportError, also if they have not come after
  // `limit`.
  asio::awaitable<std::string> read_ids(std::chrono::nanoseconds limit);
  // Gives what comes over `stream` to `sink`, in the background.
  void pump(std::unique_ptr<net::Stream> stream, OutputSink sink);
  // Begins to wait for the exit, in the background.
  void watch();

  const std::string& id() const override;
  asio::awaitable<int> wait() override;
  asio::awaitable<void> signal(garden::Signal signal) override;
  asio::awaitable<void> write_input(std::string text) override;
  asio::awaitable<void> close_input() override;
  asio::awaitable<void> set_window_size(garden::WindowSize size) override;

 private:
  struct State;
  static asio::awaitable<void> read_exit(std::shared_ptr<State> state);
  static asio::awaitable<void> copy(std::shared_ptr<State> state, std::shared_ptr<net::Stream> stream, OutputSink sink);

  std::shared_ptr<State> state_;
  base::TaskGroup background_;
};

}  // namespace rivera::clients
