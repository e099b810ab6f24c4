// A network between a test and its database server that can fail at a chosen moment.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/work/wait.h"
#include "sql/testing/test_servers.h"

namespace rivera::sql {

// Forwards TCP connections on a free port of 127.0.0.1 to a server's Unix socket, on a thread of its own. Connections
// are not encrypted: it finds a COMMIT in what passes.
class TestRelay {
 public:
  explicit TestRelay(const TestServer& server);
  ~TestRelay();
  TestRelay(const TestRelay&) = delete;
  TestRelay& operator=(const TestRelay&) = delete;

  // The server's, by way of the relay.
  DatabaseConfig config() const;

  // Once: the next COMMIT does not reach the server, or reaches it and its answer does not come back; both sides then
  // see the connection break.
  enum class Moment { kBeforeCommit, kAfterCommit };
  void cut_at_next_commit(Moment moment);
  // Breaks every connection.
  void cut_all();
  // Forwards nothing and breaks nothing, for old connections and new ones.
  void hang();
  void forward();
  // How often cut_at_next_commit() has come true.
  int cuts();

 private:
  struct Link;
  asio::awaitable<void> accept();
  asio::awaitable<void> to_server(std::shared_ptr<Link> link);
  asio::awaitable<void> to_client(std::shared_ptr<Link> link);
  asio::awaitable<void> wait_while_hanging(const Link& link);
  // Runs `work` on the relay's thread.
  void at_home(std::function<void()> work);

  DatabaseConfig server_;
  std::string socket_;
  asio::io_context io_;
  base::Condition released_{io_.get_executor()};
  struct Listener;
  std::unique_ptr<Listener> listener_;
  std::vector<std::weak_ptr<Link>> links_;
  std::optional<Moment> armed_;
  bool hanging_ = false;
  int cuts_ = 0;
  std::thread thread_;
};

}  // namespace rivera::sql
