// How a supervisor starts a process through the OCI runtime, and becomes a daemon itself.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include "garden/shim/sealed_program.h"
#include "garden/shim/supervisor.h"

namespace rivera::garden::shim {

namespace {

struct Pipe {
  Fd read, write;
};

Pipe make_pipe() {
  int fds[2];
  check(::pipe2(fds, O_CLOEXEC), "pipe");
  return {Fd(fds[0]), Fd(fds[1])};
}

void set_non_blocking(const Fd& fd) { check(::fcntl(fd.get(), F_SETFL, O_NONBLOCK), "fcntl"); }

Fd open_null() { return Fd(check(::open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null")); }

// In the child: the runtime's command with these standard streams. Does not return.
[[noreturn]] void exec_runtime(const LaunchRequest& request, int input, int output, int error) {
  ::dup2(input, 0);
  ::dup2(output, 1);
  ::dup2(error, 2);
  sigset_t none{};
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::vector<char*> argv;
  for (const auto& word : request.command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  if (request.is_sealed) {
    const Fd copy = sealed_copy(find_program(request.command[0]));
    if (copy) ::fexecve(copy.get(), argv.data(), environ);
  }
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

pid_t read_pid(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[32] = {};
  if (!file || ::read(file.get(), text, sizeof text - 1) <= 0) return -1;
  const long pid = std::strtol(text, nullptr, 10);
  return pid > 0 ? static_cast<pid_t>(pid) : -1;
}

Fd listen_for_console(const std::string& path) {
  ::unlink(path.c_str());
  Fd socket(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("console socket path too long");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  check(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  check(::listen(socket.get(), 1), "listen");
  return socket;
}

// The terminal that the runtime sent over the socket, which it does at once.
Fd receive_console(const Fd& listener) {
  Fd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection) return Fd();
  const timeval limit{2, 0};
  ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  char byte[64];
  iovec data{byte, sizeof byte};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof control;
  if (::recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC) < 0) return Fd();
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return Fd();
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Fd(fd);
}

void prepare_terminal(const Fd& terminal, unsigned columns, unsigned rows) {
  winsize size{};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = static_cast<unsigned short>(rows);
  ::ioctl(terminal.get(), TIOCSWINSZ, &size);
  termios settings{};
  if (::tcgetattr(terminal.get(), &settings) != 0) return;
  settings.c_oflag |= ONLCR;
  ::tcsetattr(terminal.get(), TCSANOW, &settings);
}

}  // namespace

void Supervisor::launch(Session& session, const Frame& frame) {
  Launch launch;
  launch.request = LaunchRequest::decode(frame.payload);
  launch.session = &session;
  const bool is_init = launch.request.id.empty();
  const bool has_pipes = !is_init && launch.request.console_socket.empty();
  const Fd null = open_null();
  Pipe input, output, error;
  if (has_pipes) input = make_pipe(), output = make_pipe(), error = make_pipe();
  if (!launch.request.console_socket.empty()) launch.console = listen_for_console(launch.request.console_socket);
  ::unlink(launch.request.pid_file.c_str());

  launch.runtime = check(::fork(), "fork");
  if (launch.runtime == 0) {
    exec_runtime(launch.request, has_pipes ? input.read.get() : null.get(), has_pipes ? output.write.get() : null.get(),
                 has_pipes ? error.write.get() : null.get());
  }
  if (has_pipes) {
    for (const Fd* fd : {&input.write, &output.read, &error.read}) set_non_blocking(*fd);
    launch.input = std::move(input.write), launch.output = std::move(output.read), launch.error = std::move(error.read);
  }
  launches_.push_back(std::move(launch));
}

void Supervisor::launched(Launch& launch, int status) {
  const pid_t pid = status == 0 ? read_pid(launch.request.pid_file) : -1;
  if (pid > 0 && adopt(launch, pid)) return;
  // The launching garden was killed: the next one must know that this process will not start.
  if (launch.session == nullptr) return tell_followers(launch.request.id, -1, status);
  send(*launch.session, FrameType::kFailed, encode_number(static_cast<std::uint32_t>(status)));
  launch.session->closes_when_sent = true;
}

// As soon as it is there, and its size set at once: crun sets that while the process already runs.
void Supervisor::take_terminal(Launch& launch) {
  if (!launch.console) return;
  Fd terminal = receive_console(launch.console);
  if (!terminal) return;
  launch.console.reset();
  set_non_blocking(terminal);
  prepare_terminal(terminal, launch.request.columns, launch.request.rows);
  launch.terminal = std::move(terminal);
}

// False if the terminal did not arrive: then the process is killed.
bool Supervisor::adopt(Launch& launch, pid_t pid) {
  const LaunchRequest& request = launch.request;
  auto process = std::make_unique<Process>(request.id, pid, request.exit_file);
  if (!request.console_socket.empty()) {
    take_terminal(launch);
    ::unlink(request.console_socket.c_str());
    if (!launch.terminal) {
      ::kill(pid, SIGKILL);
      return false;
    }
    process->set_terminal(std::move(launch.terminal));
    process->set_window(request.columns, request.rows);
  } else if (launch.output) {
    process->set_pipes(std::move(launch.input), std::move(launch.output), std::move(launch.error));
  }
  auto& place = processes_[request.id];
  for (auto& session : sessions_) {
    if (session.process == place.get()) session.process = nullptr;  // of an ended process with the same name
  }
  place = std::move(process);
  Process& adopted = *place;
  // From now on it exists as long as the container.
  if (request.id.empty()) network_.reset();
  const auto dead = unclaimed_.find(pid);
  if (launch.session != nullptr) attach(*launch.session, adopted);
  if (dead != unclaimed_.end()) {
    adopted.record_exit(dead->second);
    unclaimed_.erase(dead);
    drain(adopted);
  }
  return true;
}

int supervise(const std::string& directory, const NamespaceRequest& request) {
  check(::chdir(directory.c_str()), "chdir " + directory);
  Pipe started = make_pipe();
  const pid_t daemon = check(::fork(), "fork");
  if (daemon > 0) {
    started.write.reset();
    char text[128] = {};
    const std::size_t n = read_full(started.read.get(), text, sizeof text - 1);
    if (n == 0) return 1;  // it has said why
    std::fputs(text, stdout);
    return 0;
  }
  ::setsid();
  ::prctl(PR_SET_NAME, "garden-shim");
  const Fd ids = request.user ? hold_ids(*request.user) : Fd();
  Namespaces made = make_namespaces(request.user, request.network);
  std::string paths;
  for (const Fd* one : {&made.network, &made.user}) {
    if (*one) paths += "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(one->get()) + "\n";
  }
  Supervisor supervisor(std::move(made.network));
  const Fd null = open_null();
  const Fd log(::open("shim.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  ::dup2(null.get(), 0);
  ::dup2(null.get(), 1);
  ::dup2(log ? log.get() : null.get(), 2);
  write_all(started.write.get(), paths + "\n");
  started.write.reset();
  started.read.reset();
  supervisor.run();
  return 0;
}

}  // namespace rivera::garden::shim
