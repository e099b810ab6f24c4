#include "harness/machine_network.h"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <sched.h>
#include <system_error>

#include <fmt/format.h>

#include "base/process/subprocess.h"

namespace rivera::harness {
namespace {

void feed(const std::vector<std::string>& command, const std::string& lines) {
  base::CommandOptions options;
  options.input = lines;
  base::must_run(command, options);
}

// In the calling thread's network namespace.
void ip(const std::string& lines) { feed({"ip", "-batch", "-"}, lines); }
void nft(const std::string& lines) { feed({"nft", "-f", "-"}, lines); }

void ip_on(const Machine& machine, const std::string& lines) {
  feed({"nsenter", "--target", std::to_string(machine.first_process()), "--net", "ip", "-batch", "-"}, lines);
}

base::UniqueFd network_of(pid_t pid) {
  const std::string path = pid == 0 ? "/proc/thread-self/ns/net" : fmt::format("/proc/{}/ns/net", pid);
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw std::system_error(errno, std::generic_category(), "opening " + path);
  return fd;
}

}  // namespace

std::string MachineNetwork::address(int number) { return fmt::format("10.77.1.{}", number); }

MachineNetwork::MachineNetwork(const Machine& switch_machine) : home_(network_of(0)) {
  const base::UniqueFd inside = network_of(switch_machine.first_process());
  if (::setns(inside.get(), CLONE_NEWNET) != 0) {
    throw std::system_error(errno, std::generic_category(), "entering the network of the switch");
  }
  // Each question to a name server that refuses has its answer at once.
  std::ofstream("/proc/sys/net/ipv4/icmp_ratelimit") << "0\n";
  ip(
      fmt::format("link set lo up\n"
                  "link add cluster type bridge forward_delay 0\n"
                  "addr add {}/16 dev cluster\n"
                  "addr add {}/16 dev cluster\n"
                  "link set cluster up\n",
                  kRefusingNameServer, kSilentNameServer));
  nft(
      fmt::format("table bridge cluster {{\n"
                  "  set cut {{ type ipv4_addr . ipv4_addr; }}\n"
                  "  chain forward {{\n"
                  "    type filter hook forward priority 0;\n"
                  "    ip saddr . ip daddr @cut drop\n"
                  "  }}\n"
                  "}}\n"
                  "table inet cluster {{\n"
                  "  chain input {{\n"
                  "    type filter hook input priority 0;\n"
                  "    ip daddr {} drop\n"
                  "  }}\n"
                  "}}\n",
                  kSilentNameServer));
}

MachineNetwork::~MachineNetwork() { ::setns(home_.get(), CLONE_NEWNET); }

void MachineNetwork::attach(const Machine& machine, const std::string& address, std::chrono::milliseconds delay) {
  const std::string& port = machine.name();
  const pid_t pid = machine.first_process();
  // That of the machine before it was killed may not be gone yet.
  base::run_command({"ip", "link", "del", port});
  if (delay.count() == 0) {
    ip(fmt::format("link add {} type veth peer name eth0 netns {}\n", port, pid));
  } else {
    delay_.connect(port, "eth0", delay);
    ip(fmt::format("link set eth0 netns {}\n", pid));
  }
  ip(fmt::format("link set {0} master cluster\nlink set {0} up\n", port));
  ip_on(machine, fmt::format("link set lo up\n"
                             "addr add {}/16 dev eth0\n"
                             "link set eth0 up\n"
                             "route add default via {}\n",
                             address, kRefusingNameServer));
}

void MachineNetwork::cut(const std::string& address, const std::string& other) {
  nft(fmt::format("add element bridge cluster cut {{ {0} . {1}, {1} . {0} }}\n", address, other));
}

void MachineNetwork::heal() { nft("flush set bridge cluster cut\n"); }

}  // namespace rivera::harness
