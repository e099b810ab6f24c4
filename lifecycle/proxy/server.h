// The listening ports and all connections.
#pragma once

#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/connection.h"
#include "proxy/settings.h"

namespace proxy {

// One thread. Certificates that the cell replaces in `directory` apply from the next connection on; established
// connections continue.
class Server {
 public:
  // Reads the certificates and listens. Throws std::runtime_error.
  Server(std::string directory, Settings settings);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves for the rest of the process's life.
  [[noreturn]] void run();

 private:
  struct Port {
    Listener listener;
    Socket socket;
    Context context;
    sockaddr_storage backend{};
    socklen_t backend_length = 0;
  };
  using Connections = std::list<Connection>;

  void listen_on(const Listener& listener);
  void watch_directory();
  void read_certificates();
  void accept_all(Port& port);
  void step(Connections::iterator connection);
  void step_unfinished();
  void end(Connections::iterator connection);
  void end_overdue();
  void watch(int fd, std::uint32_t events) const;
  void pause_accepting(bool paused);
  int wait_limit() const;

  std::string directory_;
  Settings settings_;
  Socket epoll_;
  Socket changes_;  // inotify
  std::list<Port> ports_;
  std::unordered_map<int, Port*> by_socket_;
  std::size_t most_connections_ = 0;
  bool is_paused_ = false;
  bool certificates_are_old_ = false;  // the last attempt to read them failed
  Clock::time_point read_again_at_{};  // then, and where changes are not noticed
  Connections connections_;
  bool is_one_brief_ = false;  // of the connections, or was at the last sweep
  Clock::time_point next_sweep_{};
  std::unordered_map<int, Connections::iterator> by_fd_;
  std::vector<int> unfinished_;  // client sockets of those that had not done all they could
};

}  // namespace proxy
