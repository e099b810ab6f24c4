// A network between a test and its database server that can fail at a chosen moment.
#pragma once

#include <atomic>

#include "base/testing/test_relay.h"
#include "sql/testing/test_servers.h"

namespace rivera::sql {

// Forwards TCP connections to a server's Unix socket. Connections are not encrypted: it finds a COMMIT in what passes.
class DatabaseRelay {
 public:
  explicit DatabaseRelay(const TestServer& server);

  // The server's, by way of the relay.
  DatabaseConfig config() const;

  // Once: the next COMMIT does not reach the server, or reaches it and its answer does not come back; both sides then
  // see the connection break.
  enum class Moment { kBeforeCommit, kAfterCommit };
  void cut_at_next_commit(Moment moment);
  // How often cut_at_next_commit() has cut a connection.
  int cuts() const { return cuts_; }

  // Breaks every connection.
  void cut_all() { relay_.cut(); }
  // Forwards nothing and breaks nothing, for old connections and new ones, until forward().
  void hang();
  void forward() { relay_.release(); }

 private:
  DatabaseConfig server_;
  std::atomic<int> cuts_ = 0;
  base::TestRelay relay_;  // last: its thread uses the others
};

}  // namespace rivera::sql
