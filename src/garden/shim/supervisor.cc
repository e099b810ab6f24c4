#include "garden/shim/supervisor.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/check.h"
#include "base/units.h"

namespace rivera::garden::shim {

namespace {

// Bytes that a slow reader may leave unread before output is dropped for it.
constexpr std::size_t kOutboxLimit = 4u << 20;
// An exit is reported this much later, in seconds, if descendants of the process may still write output.
constexpr double kOutputGrace = 0.1;
constexpr std::size_t kFinishedLimit = 64;
constexpr double kFirstSessionLimit = 30;  // seconds
constexpr std::size_t kReadAtOnce = 256 * base::kKibibyte;

std::string encode_end(const std::string& id, pid_t pid, int status) {
  return PayloadWriter().put(id).put(static_cast<std::uint32_t>(pid)).put(static_cast<std::uint32_t>(status)).take();
}

double now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

}  // namespace

Supervisor::Supervisor(Fd network) : network_(std::move(network)) {
  ::unlink(kSocketName);
  listener_ = Fd(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, kSocketName, sizeof address.sun_path - 1);
  const mode_t mask = ::umask(0077);
  check(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  ::umask(mask);
  check(::listen(listener_.get(), 64), "listen");
  // Every signal that can be blocked is: only a quit request or SIGKILL ends a shim.
  sigset_t all{};
  ::sigfillset(&all);
  check(::sigprocmask(SIG_SETMASK, &all, nullptr), "sigprocmask");
  sigset_t child{};
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  signals_ = Fd(check(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"));
  check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
  first_session_by_ = now() + kFirstSessionLimit;
}

Supervisor::~Supervisor() { ::unlink(kSocketName); }

void Supervisor::run() {
  while (!quits_ ||
         std::any_of(sessions_.begin(), sessions_.end(), [](const Session& s) { return s.closes_when_sent; })) {
    gather();
    const int n = ::poll(polled_.data(), polled_.size(), timeout_ms());
    if (n < 0 && errno != EINTR) fail("poll");
    if (n > 0) {
      for (std::size_t i = 0; i < polled_.size(); ++i) {
        if (polled_[i].revents != 0) ready_[i]();
      }
    }
    if (first_session_by_ > 0 && now() >= first_session_by_) return;
    finish_due();
    answer_waiters();
    forget_finished();
    close_dead_sessions();
  }
}

void Supervisor::add(int fd, short events, Ready ready) {
  if (fd < 0) return;
  polled_.push_back(pollfd{fd, events, 0});
  ready_.push_back(std::move(ready));
}

void Supervisor::gather() {
  polled_.clear();
  ready_.clear();
  add(listener_.get(), POLLIN, [this] { accept_sessions(); });
  for (auto& [id, owned] : processes_) {
    Process& process = *owned;
    add(process.stream_fd(Stream::kOutput), POLLIN, [this, &process] { read(process, Stream::kOutput); });
    add(process.stream_fd(Stream::kError), POLLIN, [this, &process] { read(process, Stream::kError); });
    add(process.input_fd(), POLLOUT, [&process] { process.write_input(); });
  }
  for (auto& session : sessions_) {
    short events = may_receive(session) ? POLLIN : 0;
    if (!session.outbox.empty()) events = static_cast<short>(events | POLLOUT);
    if (events == 0)
      continue;  // poll() would report a closed peer again and again, which is not read before there is room
    add(session.socket.get(), events, [this, &session] {
      if (!session.outbox.empty()) send_rest(session);
      if (may_receive(session)) receive(session);
    });
  }
  for (auto& launch : launches_) add(launch.console.get(), POLLIN, [this, &launch] { take_terminal(launch); });
  // Last, so that output that came before an exit is read before the exit is seen.
  add(signals_.get(), POLLIN, [this] { reap(); });
}

int Supervisor::timeout_ms() const {
  double first = first_session_by_ > 0 ? first_session_by_ : -1;
  for (const auto& [id, process] : processes_) {
    if (!process->is_finished && process->finish_by > 0 && (first < 0 || process->finish_by < first)) {
      first = process->finish_by;
    }
  }
  if (first < 0) return -1;
  return std::max(0, static_cast<int>((first - now()) * 1000) + 1);
}

// --- sessions ---

void Supervisor::accept_sessions() {
  while (true) {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    sessions_.emplace_back().socket = std::move(socket);
    first_session_by_ = 0;
  }
}

bool Supervisor::may_receive(const Session& session) const {
  return session.socket && (session.process == nullptr || !session.process->input_is_full());
}

void Supervisor::receive(Session& session) {
  char buffer[64 * base::kKibibyte];
  const ssize_t n = ::recv(session.socket.get(), buffer, sizeof buffer, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return session.socket.reset();
  try {
    session.parser.feed(std::string_view(buffer, static_cast<std::size_t>(n)));
    while (session.socket) {
      const auto frame = session.parser.next();
      if (!frame) break;
      handle(session, *frame);
    }
  } catch (const std::exception&) {
    session.socket.reset();  // the peer does not speak our protocol
  }
}

void Supervisor::handle(Session& session, const Frame& frame) {
  if (session.is_attached) return handle_in_session(session, frame);
  session.is_attached = true;
  handle_first(session, frame);
}

void Supervisor::handle_first(Session& session, const Frame& frame) {
  switch (frame.type) {
    case FrameType::kLaunch:
      return launch(session, frame);
    case FrameType::kAttach: {
      const auto found = processes_.find(frame.payload);
      if (found != processes_.end()) return attach(session, *found->second);
      send(session, FrameType::kUnknown);
      session.closes_when_sent = true;
      return;
    }
    case FrameType::kStatus:
      return status(session);
    case FrameType::kFollow:
      return follow(session);
    case FrameType::kKillAll:
      kill_all();
      session.waits_for_all = true;
      return;
    case FrameType::kQuit:
      quits_ = !anything_lives();
      send(session, quits_ ? FrameType::kExit : FrameType::kFailed, encode_number(0));
      session.closes_when_sent = true;
      return;
    default:
      throw std::runtime_error("unexpected first frame");
  }
}

void Supervisor::handle_in_session(Session& session, const Frame& frame) {
  Process* process = session.process;
  if (process == nullptr) return;
  PayloadReader payload(frame.payload);
  switch (frame.type) {
    case FrameType::kInput:
      process->queue_input(frame.payload);
      return process->write_input();
    case FrameType::kInputEnd:
      return process->end_input();
    case FrameType::kSignal:
      return process->signal(static_cast<int>(payload.number()));
    case FrameType::kWindow: {
      const auto columns = payload.number();
      return process->set_window(columns, payload.number());
    }
    default:
      throw std::runtime_error("unexpected frame");
  }
}

void Supervisor::send(Session& session, FrameType type, std::string_view payload) {
  if (!session.socket) return;
  session.outbox += encode_frame(type, payload);
  send_rest(session);
}

void Supervisor::send_rest(Session& session) {
  while (session.socket && !session.outbox.empty()) {
    const ssize_t n = ::send(session.socket.get(), session.outbox.data(), session.outbox.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return session.socket.reset();
    session.outbox.erase(0, static_cast<std::size_t>(n));
  }
}

void Supervisor::close_dead_sessions() {
  std::erase_if(sessions_, [this](Session& session) {
    if (session.closes_when_sent && session.outbox.empty()) session.socket.reset();
    if (session.socket) return false;
    for (auto& launch : launches_) {
      if (launch.session == &session) launch.session = nullptr;
    }
    return true;
  });
}

void Supervisor::attach(Session& session, Process& process) {
  session.process = &process;
  send(session, FrameType::kStarted, encode_number(static_cast<std::uint32_t>(process.pid())));
  for (const Stream stream : {Stream::kOutput, Stream::kError}) {
    const std::string unread = process.backlog(stream).take();
    constexpr std::size_t kPiece = 64 * base::kKibibyte;
    for (std::size_t at = 0; at < unread.size(); at += kPiece) {
      send(session, stream == Stream::kOutput ? FrameType::kOutput : FrameType::kError,
           std::string_view(unread).substr(at, kPiece));
    }
  }
  if (!process.is_finished) return;
  send(session, FrameType::kExit, encode_number(static_cast<std::uint32_t>(*process.exit_status())));
  session.closes_when_sent = true;
  process.was_delivered = true;
}

void Supervisor::follow(Session& session) {
  session.follows = true;
  for (const auto& [id, process] : processes_) {
    if (process->is_finished) send(session, FrameType::kEnded, encode_end(id, process->pid(), *process->exit_status()));
  }
}

void Supervisor::tell_followers(const std::string& id, pid_t pid, int status) {
  for (auto& session : sessions_) {
    if (session.follows) send(session, FrameType::kEnded, encode_end(id, pid, status));
  }
}

void Supervisor::status(Session& session) {
  StatusReply reply;
  for (const auto& [id, process] : processes_) {
    reply.processes.push_back({id, static_cast<std::uint32_t>(process->pid()), !process->is_alive(),
                               static_cast<std::uint32_t>(process->exit_status().value_or(0))});
  }
  for (const auto& launch : launches_) reply.processes.push_back({launch.request.id, 0, false, 0});
  send(session, FrameType::kStatus, reply.encode());
  session.closes_when_sent = true;
}

void Supervisor::answer_waiters() {
  for (auto& session : sessions_) {
    const bool all_ended = session.waits_for_all && !anything_lives();
    if (session.waits_for_all && !all_ended) kill_all();  // also children that we adopted since
    if (!all_ended) continue;
    session.waits_for_all = false;
    send(session, FrameType::kExit, encode_number(0));
    session.closes_when_sent = true;
  }
}

// --- output and exits ---

void Supervisor::reap() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
  }
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) ended(pid, status);
  if (launches_.empty()) unclaimed_.clear();
}

void Supervisor::ended(pid_t pid, int wait_status) {
  const int status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
  for (auto& [id, process] : processes_) {
    if (process->pid() != pid || !process->is_alive()) continue;
    process->record_exit(status);
    return drain(*process);
  }
  for (auto launch = launches_.begin(); launch != launches_.end(); ++launch) {
    if (launch->runtime != pid) continue;
    launched(*launch, status);
    launches_.erase(launch);
    return;
  }
  unclaimed_[pid] = status;
}

void Supervisor::read(Process& process, Stream stream) {
  process.read_stream(stream, kReadAtOnce, [&](std::string_view bytes) { deliver(process, stream, bytes); });
  if (!process.is_alive() && process.streams_ended() && !process.is_finished) finish(process);
}

void Supervisor::deliver(Process& process, Stream stream, std::string_view bytes) {
  if (process.is_finished) return;  // written by descendants after the exit was reported
  bool has_reader = false;
  for (auto& session : sessions_) {
    if (session.process != &process || !session.socket) continue;
    has_reader = true;
    if (session.outbox.size() + bytes.size() > kOutboxLimit) continue;
    send(session, stream == Stream::kOutput ? FrameType::kOutput : FrameType::kError, bytes);
  }
  if (!has_reader) process.backlog(stream).append(bytes);
}

// What the process itself wrote is in the pipes now; what its descendants may still write is waited for a little.
void Supervisor::drain(Process& process) {
  for (const Stream stream : {Stream::kOutput, Stream::kError}) {
    process.read_stream(stream, 8u << 20, [&](std::string_view bytes) { deliver(process, stream, bytes); });
  }
  if (process.streams_ended()) return finish(process);
  process.finish_by = now() + kOutputGrace;
}

void Supervisor::finish_due() {
  for (auto& [id, process] : processes_) {
    if (!process->is_finished && process->finish_by > 0 && process->finish_by <= now()) finish(*process);
  }
}

void Supervisor::finish(Process& process) {
  // Clients must never be told a status that is none.
  RIVERA_CHECK(process.exit_status() && !process.is_finished, "a process's exit is reported once, after it has ended");
  process.is_finished = true;
  for (auto& session : sessions_) {
    if (session.process != &process) continue;
    send(session, FrameType::kExit, encode_number(static_cast<std::uint32_t>(*process.exit_status())));
    session.closes_when_sent = true;
    process.was_delivered = true;
  }
  tell_followers(process.id(), process.pid(), *process.exit_status());
}

void Supervisor::forget_finished() {
  std::size_t undelivered = 0;
  for (auto it = processes_.begin(); it != processes_.end();) {
    Process& process = *it->second;
    const bool is_init = it->first.empty();
    const bool over = process.is_finished && process.streams_ended() && !is_init;
    if (over && (process.was_delivered || ++undelivered > kFinishedLimit)) {
      for (auto& session : sessions_) {
        if (session.process == &process) session.process = nullptr;
      }
      it = processes_.erase(it);
    } else {
      ++it;
    }
  }
}

bool Supervisor::anything_lives() const {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// All our children: known processes, runtime commands, and orphans of both.
void Supervisor::kill_all() {
  const Fd file(::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC));
  if (!file) return;
  std::string text(256 * base::kKibibyte, '\0');
  text.resize(read_full(file.get(), text.data(), text.size()));
  for (const char* at = text.c_str(); *at != '\0';) {
    char* end = nullptr;
    const long pid = std::strtol(at, &end, 10);
    if (end == at) break;
    ::kill(static_cast<pid_t>(pid), SIGKILL);
    at = end + (*end == ' ' ? 1 : 0);
  }
}

}  // namespace rivera::garden::shim
