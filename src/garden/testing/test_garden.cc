// The harness of test_garden.h: compiled into the tests only.
#include "garden/testing/test_garden.h"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <net/if.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "base/testing/places.h"

namespace rivera::garden {

namespace fs = std::filesystem;

namespace {

constexpr int kSlots = 30;

void make_rootfs(const std::string& path) {
  for (const char* directory : {"bin", "etc", "tmp", "proc", "sys", "dev", "root", "home/vcap", "var"}) {
    fs::create_directories(path + "/" + directory);
  }
  fs::permissions(path + "/tmp", fs::perms(01777));
  fs::copy_file("/bin/busybox", path + "/bin/busybox");
  // The hostile tenant of the tests; a benchmark has none.
  const std::string tenant = base::bin_dir() + "/garden-tenant";
  if (fs::exists(tenant)) fs::copy_file(tenant, path + "/bin/tenant");
  for (const char* name :
       {"sh",    "cat",    "echo",   "sleep", "id",     "env", "ls",       "mkdir", "touch",    "pwd",
        "dd",    "tail",   "grep",   "wget",  "nc",     "ps",  "kill",     "stat",  "stty",     "test",
        "true",  "rm",     "mount",  "ip",    "head",   "wc",  "readlink", "seq",   "hostname", "sort",
        "httpd", "usleep", "md5sum", "ln",    "printf", "awk", "ping"}) {
    fs::create_symlink("busybox", path + "/bin/" + name);
  }
  std::ofstream(path + "/etc/passwd") << "root:x:0:0:root:/root:/bin/sh\nvcap:x:2000:2000:vcap:/home/vcap:/bin/sh\n";
  std::ofstream(path + "/etc/group") << "root:x:0:\nvcap:x:2000:\nextra:x:3000:vcap\n";
  if (::chown((path + "/home/vcap").c_str(), 2000, 2000) != 0) throw std::runtime_error("chown");
}

std::string loop_devices_of(const std::string& directory) {
  std::string devices;
  for (const auto& entry : fs::directory_iterator("/sys/block")) {
    std::ifstream file(entry.path() / "loop/backing_file");
    std::string name;
    std::getline(file, name);
    if (name.find(directory) != std::string::npos) devices += entry.path().filename().string() + " " + name + "\n";
  }
  return devices;
}

asio::awaitable<Finished> run_to_end(clients::GardenClient& client, std::string handle,
                                     clients::garden::ProcessSpec spec) {
  Finished finished;
  clients::ProcessIO io;
  io.output = [&finished](std::string_view bytes) -> asio::awaitable<void> {
    finished.output += bytes;
    co_return;
  };
  io.error = [&finished](std::string_view bytes) -> asio::awaitable<void> {
    finished.error += bytes;
    co_return;
  };
  const auto process = co_await client.run(handle, std::move(spec), std::move(io));
  finished.status = co_await process->wait();
  co_return finished;
}

}  // namespace

clients::garden::ProcessSpec shell(const std::string& script, const std::string& user) {
  clients::garden::ProcessSpec spec;
  spec.path = "sh";
  spec.args = {"-c", script};
  spec.user = user;
  return spec;
}

std::string TestGarden::obstacle() {
  if (::geteuid() != 0) return "containers need root";
  if (!fs::exists("/bin/busybox")) return "busybox-static is not installed";
  for (const char* place : {"/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"}) {
    if (fs::exists(place)) return "";
  }
  return "runc is not installed";
}

TestGarden::TestGarden(std::vector<std::string> extra_flags, Ids ids)
    : temporary_("rivera-garden-"), directory_(temporary_.path()), extra_flags_(std::move(extra_flags)), ids_(ids) {
  for (slot_ = 0; slot_ < kSlots; ++slot_) {
    slot_lock_.reset(
        ::open(("/tmp/rivera-garden-test-" + std::to_string(slot_)).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (slot_lock_ && ::flock(slot_lock_.get(), LOCK_EX | LOCK_NB) == 0) break;
  }
  if (slot_ == kSlots) throw std::runtime_error("too many test gardens at once");
  tag_ = std::string("z") + "0123456789abcdefghijklmnopqrstuvwxyz"[slot_];
  remove_predecessor();
  depot_ = directory_ + "/depot";
  rootfs_ = directory_ + "/rootfs";
  make_rootfs(rootfs_);
  clients::GardenClientOptions options;
  options.address = "unix:" + socket();
  client_ = std::make_unique<clients::GardenClient>(context_.get_executor(), options);
  start();
}

TestGarden::~TestGarden() {
  terminate();
  clean_up();
}

// A test that crashed could not clean up: the next one in its slot does. The slot's file names the directory.
void TestGarden::remove_predecessor() {
  const std::string file = "/proc/self/fd/" + std::to_string(slot_lock_.get());
  const std::string predecessor = base::read_file(file);
  if (!predecessor.empty() && fs::exists(predecessor)) {
    const std::string mine = std::exchange(directory_, predecessor);
    depot_ = directory_ + "/depot";
    base::run_command({"pkill", "-9", "-f", "garden server --depot " + depot_});
    clean_up();
    std::error_code ignored;
    fs::remove_all(predecessor, ignored);
    directory_ = mine;
  }
  if (::ftruncate(slot_lock_.get(), 0) != 0 ||
      ::pwrite(slot_lock_.get(), directory_.data(), directory_.size(), 0) < 0) {
    throw std::runtime_error("cannot note the test garden's place");
  }
}

std::vector<std::string> TestGarden::command(const std::string& verb) const {
  std::vector<std::string> words{base::bin_dir() + "/garden",
                                 verb,
                                 "--depot",
                                 depot_,
                                 "--bind-socket",
                                 socket(),
                                 "--tag",
                                 tag_,
                                 "--network-pool",
                                 "10.251." + std::to_string(slot_ * 4) + ".0/22",
                                 "--port-pool-start",
                                 std::to_string(20000 + slot_ * 100),
                                 "--port-pool-size",
                                 "100",
                                 "--default-rootfs",
                                 rootfs_};
  if (ids_ == Ids::kOwn) words.emplace_back("--container-id-ranges");
  words.insert(words.end(), extra_flags_.begin(), extra_flags_.end());
  // The same tests over another runtime: RIVERA_TEST_RUNTIME=crun garden_test.
  if (const char* runtime = std::getenv("RIVERA_TEST_RUNTIME"))
    words.insert(words.end(), {"--runtime-plugin", runtime});
  return words;
}

void TestGarden::start() {
  const std::string log = directory_ + "/garden.log";
  process_ = base::start_logged(command("server"), log);
  const bool answers = eventually([this] {
    try {
      await(client_->ping());
      return true;
    } catch (const std::exception&) {
      return false;
    }
  });
  if (!answers) throw std::runtime_error("garden does not answer:\n" + base::read_file(log));
}

void TestGarden::terminate() {
  if (!process_) return;
  process_->signal(SIGTERM);
  const auto status = process_->wait_for(std::chrono::minutes(2));
  process_.reset();
  if (status == 0) return;
  ADD_FAILURE() << "garden " << (status ? base::describe_end(*status) : "did not end") << ":\n"
                << base::read_file(directory_ + "/garden.log");
}

void TestGarden::kill() { process_.reset(); }

int TestGarden::clean_up() {
  base::CommandOptions options;
  options.timeout = std::chrono::seconds(100);
  const auto result = base::run_command(command("cleanup"), options);
  if (!result.ok()) ADD_FAILURE() << "garden cleanup: " << result.output << result.error;
  return result.exit_status;
}

Options TestGarden::options() const {
  auto words = command("server");
  words.erase(words.begin());
  Options options = parse_option_list(std::move(words));
  options.init_bin = base::bin_dir() + "/garden-init";
  options.shim_bin = base::bin_dir() + "/garden-shim";
  return options;
}

std::vector<std::string> TestGarden::left_overs_of_containers() const {
  std::vector<std::string> found;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(directory_) != std::string::npos || line.find("/run/garden-" + tag_ + "-") != std::string::npos)
      found.push_back(line);
  }
  // The kernel's list: /sys/class/net shows a device some time after it was deleted.
  const std::unique_ptr<struct if_nameindex, decltype(&::if_freenameindex)> links(::if_nameindex(),
                                                                                  &::if_freenameindex);
  if (!links) throw std::system_error(errno, std::generic_category(), "list interfaces");
  for (const auto* link = links.get(); link->if_index != 0; ++link) {
    if (std::string(link->if_name).rfind("w" + tag_, 0) == 0) found.emplace_back(link->if_name);
  }
  const std::string groups =
      base::run_command({"find", "/sys/fs/cgroup", "-type", "d", "-path", "*/garden-" + tag_ + "/*"}).output;
  if (!groups.empty()) found.push_back(groups);
  const std::string chains = base::run_command({"nft", "list", "table", "ip", "rivera_garden_" + tag_}).output;
  if (chains.find("chain instance-") != std::string::npos) found.push_back(chains);
  for (const auto& process : fs::directory_iterator("/proc")) {
    if (process.path().filename() == std::to_string(process_ ? process_->pid() : 0)) continue;
    std::ifstream file(process.path() / "cmdline");
    std::string line;
    std::getline(file, line);
    if (line.find(directory_ + "/depot") != std::string::npos) found.push_back(line);
  }
  for (const auto& entry : fs::directory_iterator(depot_)) found.push_back(entry.path());
  return found;
}

std::vector<std::string> TestGarden::left_overs() const {
  std::vector<std::string> found = left_overs_of_containers();
  const std::string rules = base::run_command({"nft", "list", "tables"}).output;
  if (rules.find("rivera_garden_" + tag_ + "\n") != std::string::npos) found.emplace_back("nftables table");
  const std::string groups =
      base::run_command({"find", "/sys/fs/cgroup", "-type", "d", "-name", "garden-" + tag_}).output;
  if (!groups.empty()) found.push_back(groups);
  // The kernel frees a loop device when the last namespace that saw its mount is gone.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::string loops = loop_devices_of(directory_);
  for (; !loops.empty() && std::chrono::steady_clock::now() < deadline; loops = loop_devices_of(directory_))
    ::usleep(20'000);
  if (!loops.empty()) found.push_back(loops);
  return found;
}

void TestGarden::pump(const bool& is_done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(100);
  context_.restart();
  while (!is_done && std::chrono::steady_clock::now() < deadline) {
    if (context_.run_one_for(std::chrono::seconds(1)) == 0) context_.restart();
  }
  if (!is_done) throw std::runtime_error("no end within 100 seconds");
}

bool TestGarden::eventually(const std::function<bool()>& condition, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    await(base::sleep_for(std::chrono::milliseconds(50)));
  }
  return true;
}

std::string TestGarden::create(clients::garden::ContainerSpec spec) { return await(client_->create(std::move(spec))); }

void TestGarden::create_named(const std::string& handle) {
  clients::garden::ContainerSpec spec;
  spec.handle = handle;
  create(std::move(spec));
}

Finished TestGarden::run(const std::string& handle, const std::string& script, const std::string& user) {
  return run(handle, shell(script, user));
}

Finished TestGarden::run(const std::string& handle, clients::garden::ProcessSpec spec) {
  return await(run_to_end(*client_, handle, std::move(spec)));
}

std::unique_ptr<RunningProcess> TestGarden::begin(const std::string& handle, clients::garden::ProcessSpec spec) {
  auto running = std::make_unique<RunningProcess>(*this);
  running->process = await(client_->run(handle, std::move(spec), running->io()));
  return running;
}

std::unique_ptr<RunningProcess> TestGarden::attach(const std::string& handle, const std::string& process_id) {
  auto running = std::make_unique<RunningProcess>(*this);
  running->process = await(client_->attach(handle, process_id, running->io()));
  return running;
}

namespace {

asio::awaitable<void> let_go(std::unique_ptr<clients::GardenProcess>& process) {
  process.reset();
  for (int i = 0; i < 5; ++i) co_await base::sleep_for(std::chrono::milliseconds(1));  // what it was doing ends
}

}  // namespace

RunningProcess::~RunningProcess() {
  if (process) garden_.await(let_go(process));
}

clients::ProcessIO RunningProcess::io() {
  clients::ProcessIO io;
  io.output = [this](std::string_view bytes) -> asio::awaitable<void> {
    output += bytes;
    co_return;
  };
  return io;
}

bool RunningProcess::prints(const std::string& text) {
  return garden_.eventually([&] { return output.find(text) != std::string::npos; });
}

int RunningProcess::wait() { return garden_.await(process->wait()); }

}  // namespace rivera::garden
