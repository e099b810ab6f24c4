// The per-container supervisor: parent of the container's first process and of every other started in it.
//
// It outlives garden. It owns the processes' standard streams, keeps unread output (bounded), remembers exit statuses
// and reaps every process, so that killing garden neither stops an application nor loses its exit status
// (docs/architecture.md §1, decision 4). It never enters the container.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <poll.h>
#include <string>
#include <vector>

#include "garden/shim/fd.h"
#include "garden/shim/process.h"
#include "garden/shim/protocol.h"
#include "garden/shim/user_namespace.h"

namespace rivera::garden::shim {

class Supervisor {
 public:
  // Listens on kSocketName in the working directory. Holds the network namespace until the first process is in it.
  // Throws std::runtime_error.
  explicit Supervisor(Fd network);
  ~Supervisor();
  // Serves until a quit request, or until no garden has connected for half a minute after the start: then garden was
  // killed between starting this shim and using it.
  void run();

 private:
  struct Session {
    Fd socket;
    FrameParser parser;
    std::string outbox;
    Process* process = nullptr;
    bool is_attached = false;  // requests are taken only as the first frame
    bool follows = false;      // gets a message for every process that ends
    bool waits_for_all = false;
    bool closes_when_sent = false;
  };
  // A runtime command that is starting a process.
  struct Launch {
    LaunchRequest request;
    pid_t runtime = -1;
    Session* session = nullptr;
    Fd input, output, error;  // our ends
    Fd console;               // listening, until the terminal has come
    Fd terminal;
  };
  using Ready = std::function<void()>;

  void add(int fd, short events, Ready ready);
  void gather();
  int timeout_ms() const;

  void accept_sessions();
  void receive(Session& session);
  bool may_receive(const Session& session) const;
  void handle(Session& session, const Frame& frame);
  void handle_first(Session& session, const Frame& frame);
  void handle_in_session(Session& session, const Frame& frame);
  void send(Session& session, FrameType type, std::string_view payload = {});
  void send_rest(Session& session);
  void close_dead_sessions();

  void launch(Session& session, const Frame& frame);
  void launched(Launch& launch, int status);
  bool adopt(Launch& launch, pid_t pid);
  void take_terminal(Launch& launch);
  void attach(Session& session, Process& process);
  void follow(Session& session);
  void status(Session& session);
  void kill_all();
  bool anything_lives() const;

  void reap();
  void ended(pid_t pid, int status);
  void read(Process& process, Stream stream);
  void deliver(Process& process, Stream stream, std::string_view bytes);
  void drain(Process& process);
  void finish_due();
  void finish(Process& process);
  void tell_followers(const std::string& id, pid_t pid, int status);
  void forget_finished();
  void answer_waiters();

  Fd network_;
  Fd listener_;
  Fd signals_;
  bool quits_ = false;
  double first_session_by_ = 0;  // monotonic seconds; 0 once there was one
  std::list<Session> sessions_;
  std::list<Launch> launches_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
  std::map<pid_t, int> unclaimed_;  // exit statuses of children whose launch is not finished
  std::vector<pollfd> polled_;
  std::vector<Ready> ready_;
};

// What the daemon makes first and holds: the network namespace until the container's first process is in it, the user
// namespace as long as it lives.
struct NamespaceRequest {
  bool network = false;
  std::optional<UserNamespaceRequest> user;
};

// Becomes a daemon in `directory` and supervises. Returns the program's exit status; the parent returns when the socket
// listens, and prints the paths of the namespaces that were made, the network's first, each on a line.
int supervise(const std::string& directory, const NamespaceRequest& request);

}  // namespace rivera::garden::shim
