// For tests: a container server in memory. The test controls its processes and whether it answers.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/work/wait.h"
#include "executor/garden/container_backend.h"
#include "executor/logs/app_log.h"

namespace rivera::executor::testing {

// A process of the fake server. It survives the end of a connection, as real ones do.
struct FakeProcess {
  explicit FakeProcess(asio::any_io_executor executor) : changed(std::move(executor)) {}

  std::string handle;
  garden::ProcessSpec spec;
  clients::ProcessIO io;
  std::vector<garden::Signal> signals;
  bool ended = false;
  int status = 0;
  bool ends_on_term = true;  // with status 143
  bool ends_on_kill = true;  // with status 137
  int attached = 0;          // times
  std::string wait_error;    // why waiting for it fails
  base::Condition changed;
  std::string pending_output;

  void exit(int exit_status, std::string output = "") {
    ended = true;
    status = exit_status;
    pending_output = std::move(output);
    changed.notify_all();
  }
};
using FakeProcessPtr = std::shared_ptr<FakeProcess>;

class FakeBackend final : public ContainerBackend {
 public:
  explicit FakeBackend(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  // --- what tests set and look at ---
  std::function<void(FakeProcess&)> on_run;  // called for each new process
  std::map<std::string, garden::ContainerSpec> containers_made;
  std::vector<FakeProcessPtr> processes;
  std::vector<std::string> destroyed;
  std::map<std::string, std::string> streamed_in;  // handle + ":" + destination -> bytes
  std::map<std::string, std::string> files;        // path -> tar stream
  std::vector<std::string> events;                 // of every container's info
  std::string create_error;
  std::string run_error;               // of every new process
  bool executable_is_missing = false;  // the same
  bool destroy_hangs = false;
  int creations = 0;
  int runs = 0;  // processes started

  // Breaks every connection, and does not answer until up() is called.
  void down() {
    down_ = true;
    ++generation_;
    for (const auto& process : processes) process->changed.notify_all();
  }
  void up() { down_ = false; }
  // As a server that restarts and no longer knows a process.
  void forget_process(const std::string& id) {
    std::erase_if(processes, [&](const FakeProcessPtr& p) {
      if (p->spec.id != id) return false;
      lost_.push_back(p);  // its connections still refer to it
      return true;
    });
    ++generation_;
    for (const auto& process : lost_) process->changed.notify_all();
    for (const auto& process : processes) process->changed.notify_all();
  }
  void lose(const std::string& handle) {
    containers_made.erase(handle);
    std::erase_if(processes, [&](const FakeProcessPtr& p) { return p->handle == handle; });
    ++generation_;
  }

  FakeProcessPtr process(const std::string& id) const {
    for (auto it = processes.rbegin(); it != processes.rend(); ++it) {
      if ((*it)->spec.id == id) return *it;
    }
    return nullptr;
  }
  FakeProcessPtr process_of(const std::string& path) const {
    for (auto it = processes.rbegin(); it != processes.rend(); ++it) {
      if ((*it)->spec.path == path) return *it;
    }
    return nullptr;
  }

  // --- the server ---
  asio::awaitable<void> ping() override {
    check();
    co_return;
  }
  asio::awaitable<garden::Capacity> capacity() override {
    check();
    co_return garden::Capacity{.memory_in_bytes = 1024u << 20,
                               .disk_in_bytes = 20480ull << 20,
                               .schedulable_disk_in_bytes = 0,
                               .max_containers = 11};
  }
  asio::awaitable<std::vector<std::string>> containers(garden::PropertyFilter filter) override {
    check();
    std::vector<std::string> handles;
    for (const auto& [handle, spec] : containers_made) {
      bool matches = true;
      for (const auto& [name, value] : filter) {
        const auto found = spec.properties.find(name);
        matches = matches && (name == "garden.state" || (found != spec.properties.end() && found->second == value));
      }
      if (matches) handles.push_back(handle);
    }
    co_return handles;
  }
  asio::awaitable<void> create(garden::ContainerSpec spec) override {
    check();
    ++creations;
    if (!create_error.empty()) throw garden::GardenError(create_error);
    if (containers_made.contains(spec.handle)) throw garden::GardenError("handle already exists");
    containers_made.emplace(spec.handle, spec);
    co_return;
  }
  asio::awaitable<void> destroy(std::string handle) override {
    check();
    while (destroy_hangs) co_await base::sleep_for(std::chrono::milliseconds(1));
    if (!containers_made.contains(handle)) throw garden::ContainerNotFoundError(handle);
    for (const auto& p : processes) {
      if (p->handle == handle && !p->ended) p->exit(137);
    }
    containers_made.erase(handle);
    destroyed.push_back(handle);
  }
  asio::awaitable<garden::ContainerInfo> info(std::string handle) override {
    check();
    const auto found = containers_made.find(handle);
    if (found == containers_made.end()) throw garden::ContainerNotFoundError(handle);
    garden::ContainerInfo info;
    info.state = "active";
    info.external_ip = "10.0.0.1";
    info.container_ip = "10.254.0.2";
    info.events = events;
    std::uint32_t host_port = 60000;
    for (const auto& port : found->second.netin) {
      info.mapped_ports.push_back({.host_port = ++host_port, .container_port = port.container_port});
    }
    co_return info;
  }
  asio::awaitable<std::map<std::string, clients::BulkEntry<garden::ContainerMetrics>>> bulk_metrics(
      std::vector<std::string> handles) override {
    check();
    std::map<std::string, clients::BulkEntry<garden::ContainerMetrics>> result;
    for (const auto& handle : handles) {
      auto& entry = result[handle];
      entry.value.disk.total_bytes_used = 5u << 20;
      entry.value.disk.exclusive_bytes_used = 1u << 20;
      entry.value.total_usage_toward_limit = 3u << 20;
      entry.value.cpu.usage = ++metrics_calls_ * 1'000'000;
      entry.value.age_ns = static_cast<std::int64_t>(metrics_calls_) * 10'000'000;
    }
    co_return result;
  }
  asio::awaitable<void> stream_in(std::string handle, std::string user, std::string destination,
                                  net::BodySource tar) override {
    check();
    std::string bytes;
    for (;;) {
      const auto piece = co_await tar();
      if (piece.empty()) break;
      bytes += piece;
    }
    streamed_in[handle + ":" + user + ":" + destination] = bytes;
  }
  asio::awaitable<std::unique_ptr<clients::GardenTarStream>> stream_out(std::string, std::string,
                                                                        std::string source) override {
    check();
    const auto found = files.find(source);
    if (found == files.end()) throw garden::GardenError("no such file: " + source);
    co_return std::make_unique<FakeTarStream>(found->second);
  }
  asio::awaitable<std::unique_ptr<clients::GardenProcess>> run(std::string handle, garden::ProcessSpec spec,
                                                               clients::ProcessIO io) override {
    check();
    if (!containers_made.contains(handle)) throw garden::ContainerNotFoundError(handle);
    if (!run_error.empty()) throw garden::GardenError(run_error);
    if (executable_is_missing) throw garden::ExecutableNotFoundError("executable file not found");
    if (spec.id.empty()) spec.id = "made-up-" + std::to_string(++ids_);
    if (process(spec.id) && process(spec.id)->handle == handle) throw garden::GardenError("process ID already in use");
    auto p = std::make_shared<FakeProcess>(executor_);
    p->handle = handle;
    p->spec = std::move(spec);
    p->io = std::move(io);
    processes.push_back(p);
    ++runs;
    if (on_run) on_run(*p);
    co_return std::make_unique<Handle>(*this, p);
  }
  asio::awaitable<std::unique_ptr<clients::GardenProcess>> attach(std::string handle, std::string process_id,
                                                                  clients::ProcessIO io) override {
    check();
    if (!containers_made.contains(handle)) throw garden::ContainerNotFoundError(handle);
    for (const auto& p : processes) {
      if (p->handle != handle || p->spec.id != process_id) continue;
      p->io = std::move(io);
      ++p->attached;
      co_return std::make_unique<Handle>(*this, p);
    }
    throw garden::ProcessNotFoundError(process_id);
  }
  asio::awaitable<void> set_property(std::string handle, std::string key, std::string value) override {
    check();
    containers_made.at(handle).properties[key] = value;
    co_return;
  }

 private:
  class FakeTarStream final : public clients::GardenTarStream {
   public:
    explicit FakeTarStream(std::string bytes) : bytes_(std::move(bytes)) {}
    asio::awaitable<std::string> read() override {
      auto piece = bytes_.substr(0, 300);
      bytes_.erase(0, piece.size());
      co_return piece;
    }

   private:
    std::string bytes_;
  };

  // A connection to a process.
  class Handle final : public clients::GardenProcess {
   public:
    Handle(FakeBackend& server, FakeProcessPtr of)
        : server_(server), process_(std::move(of)), generation_(server.generation_) {}
    const std::string& id() const override { return process_->spec.id; }
    asio::awaitable<int> wait() override {
      if (!process_->wait_error.empty()) throw garden::GardenError(process_->wait_error);
      while (!process_->ended && generation_ == server_.generation_) co_await process_->changed.wait();
      if (generation_ != server_.generation_) throw net::TransportError("connection lost", true);
      const auto output = std::exchange(process_->pending_output, {});
      if (!output.empty() && process_->io.output) co_await process_->io.output(output);
      co_return process_->status;
    }
    asio::awaitable<void> signal(garden::Signal signal) override {
      server_.check();
      process_->signals.push_back(signal);
      if (process_->ended) co_return;
      if (signal == garden::Signal::kTerminate && process_->ends_on_term) process_->exit(143);
      if (signal == garden::Signal::kKill && process_->ends_on_kill) process_->exit(137);
    }
    asio::awaitable<void> write_input(std::string) override { co_return; }
    asio::awaitable<void> close_input() override { co_return; }
    asio::awaitable<void> set_window_size(garden::WindowSize) override { co_return; }

   private:
    FakeBackend& server_;
    FakeProcessPtr process_;
    int generation_;
  };

  void check() const {
    if (down_) throw net::TransportError("cannot connect", false);
  }

  asio::any_io_executor executor_;
  bool down_ = false;
  int generation_ = 0;
  int ids_ = 0;
  std::vector<FakeProcessPtr> lost_;
  std::uint64_t metrics_calls_ = 0;
};

// Collects lines in the form "SOURCE OUT text".
class RecordedLog final : public AppLogSink {
 public:
  void write(const AppLogLine& line) override {
    lines.push_back(std::string(line.source) + (line.is_error ? " ERR " : " OUT ") + std::string(line.text));
  }
  bool has(std::string_view part) const {
    for (const auto& line : lines) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  }
  std::vector<std::string> lines;
};

}  // namespace rivera::executor::testing
