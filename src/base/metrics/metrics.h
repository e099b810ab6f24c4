// A process's metrics: one registry, readable as Prometheus text and sent on to a sink.
#pragma once

#include <memory>
#include <string>

#include "base/metrics/metric.h"

namespace rivera::base {

// Thread-safe. Names are given as upstream spells them ("RequestLatency"), which is how the sink gets them; in the
// Prometheus text each is prefixed with the component's name and written in snake case. A name belongs to one kind of
// metric: asking for it as another throws std::logic_error.
class Metrics {
 public:
  // Without a sink, metrics are there to be read only. The sink must outlive this.
  explicit Metrics(std::string component, MetricSink* sink = nullptr);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Makes the metric the first time; the reference stays valid as long as this. A map lookup under a lock.
  Counter& counter(const std::string& name, const MetricLabels& labels = {});
  Gauge& gauge(const std::string& name, const MetricLabels& labels = {}, const std::string& unit = kPlainUnit);
  DurationGauge& duration(const std::string& name, const MetricLabels& labels = {});
  Latency& latency(const std::string& name, const MetricLabels& labels = {});

  // For what is recorded seldom: lookup and recording in one. Not sent to the sink.
  void increment(const std::string& counter_name, double by = 1, const MetricLabels& labels = {});
  void set(const std::string& gauge_name, double value, const MetricLabels& labels = {});
  void observe_seconds(const std::string& latency_name, double seconds, const MetricLabels& labels = {});

  // Sends the totals of a counter with all the labels it has been asked for with.
  void send_totals(const std::string& counter_name);
  // For what Prometheus knows under another name.
  MetricSink& sink();

  std::string prometheus_text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rivera::base
