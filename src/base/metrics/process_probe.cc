#include "base/metrics/process_probe.h"

#include <filesystem>
#include <fstream>

namespace rivera::base {
namespace {

struct ProcessStatus {
  double heap_bytes = 0;
  double stack_bytes = 0;
  double threads = 0;
};

// From /proc/self/status: lines such as "VmStk:      132 kB" and "Threads:  4". Zeros if it cannot be read. The heap is
// what is resident except files, whatever the program's allocator is.
ProcessStatus read_process_status() {
  ProcessStatus status;
  std::ifstream file("/proc/self/status");
  for (std::string key; file >> key; file.ignore(4096, '\n')) {
    if (key == "RssAnon:") {
      file >> status.heap_bytes;
      status.heap_bytes *= 1024;
    } else if (key == "VmStk:") {
      file >> status.stack_bytes;
      status.stack_bytes *= 1024;
    } else if (key == "Threads:") {
      file >> status.threads;
    }
  }
  return status;
}

double count_open_files() {
  std::error_code ec;
  double count = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", ec), end; !ec && entry != end; entry.increment(ec)) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // one is the directory being read
}

}  // namespace

ProcessProbe::ProcessProbe(Metrics& metrics)
    : metrics_(metrics),
      heap_(metrics.gauge("memoryStats.numBytesAllocatedHeap", {}, "Bytes")),
      stack_(metrics.gauge("memoryStats.numBytesAllocatedStack", {}, "Bytes")),
      collector_pause_(metrics.gauge("memoryStats.lastGCPauseTimeNS", {}, "ns")),
      threads_(metrics.gauge("numGoRoutines", {}, "Count")) {}

void ProcessProbe::report_runtime() {
  const ProcessStatus status = read_process_status();
  heap_.set(status.heap_bytes);
  stack_.set(status.stack_bytes);
  threads_.set(status.threads);
  for (Gauge* gauge : {&heap_, &stack_, &collector_pause_, &threads_}) gauge->send();
}

void ProcessProbe::report_open_files() {
  Gauge& open_files = metrics_.gauge("OpenFileDescriptors");
  open_files.set(count_open_files());
  open_files.send();
}

}  // namespace rivera::base
