// The metrics that every process reports about itself (docs/spec/loggregator.md §8, "all Diego").
#pragma once

#include "base/metrics/metrics.h"

namespace rivera::base {

// Upstream's names, which dashboards expect, with what is true of a process without a garbage collector: resident bytes
// except those of files, bytes of the main thread's stack, the number of threads, and a collector's pause of 0.
class ProcessProbe {
 public:
  explicit ProcessProbe(Metrics& metrics);

  // Measures and sends memoryStats.* and numGoRoutines; upstream does so every 10 s.
  void report_runtime();
  // Measures and sends OpenFileDescriptors, which not every component has.
  void report_open_files();

 private:
  Metrics& metrics_;
  Gauge& heap_;
  Gauge& stack_;
  Gauge& collector_pause_;
  Gauge& threads_;
};

}  // namespace rivera::base
