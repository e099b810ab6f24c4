// A process's metrics: one registry, readable as Prometheus text.
#pragma once

#include <map>
#include <memory>
#include <string>

namespace rivera::base {

using MetricLabels = std::map<std::string, std::string>;

// Thread-safe. Names are given as upstream spells them ("RequestLatency"); in the Prometheus text each is prefixed with
// the component's name and written in snake case.
class Metrics {
 public:
  explicit Metrics(std::string component);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void increment(const std::string& counter, double by = 1, const MetricLabels& labels = {});
  void set(const std::string& gauge, double value, const MetricLabels& labels = {});
  // Seconds; a histogram with buckets from 100 µs to 60 s.
  void observe_seconds(const std::string& histogram, double seconds, const MetricLabels& labels = {});

  std::string prometheus_text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rivera::base
