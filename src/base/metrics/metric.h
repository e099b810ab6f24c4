// One metric: what a component counts or measures, to be read by Prometheus and to be sent to Loggregator.
//
// Made by Metrics (metrics.h), which outlives every reference to one. Recording is thread-safe and costs a few
// nanoseconds: look a metric up once, keep the reference. The send...() functions give the present state to the sink;
// when that is done, and under which of its forms, is upstream's rule for each metric, which the
// component's probe follows.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace prometheus {
class Histogram;
struct ClientMetric;
}  // namespace prometheus

namespace rivera::base {

using MetricLabels = std::map<std::string, std::string>;

// Where metrics go by themselves: Loggregator. Thread-safe. Never blocks and never fails: what cannot be passed on is
// lost.
class MetricSink {
 public:
  virtual ~MetricSink() = default;
  // `growth`: since the last time.
  virtual void send_counter(const std::string& name, std::uint64_t growth, const MetricLabels& tags) = 0;
  virtual void send_gauge(const std::string& name, double value, const std::string& unit, const MetricLabels& tags) = 0;
};

// Units of gauges on the wire (docs/spec/loggregator.md §7.2, §8).
inline constexpr char kPlainUnit[] = "Metric";
inline constexpr char kNanosUnit[] = "nanos";

class Metric {
 public:
  Metric(std::string name, MetricLabels labels, MetricSink& sink)
      : name_(std::move(name)), labels_(std::move(labels)), sink_(sink) {}
  virtual ~Metric() = default;
  Metric(const Metric&) = delete;
  Metric& operator=(const Metric&) = delete;

  // The value as Prometheus reads it, without labels.
  virtual prometheus::ClientMetric reading() const = 0;

 protected:
  void send_counter(std::uint64_t growth) const { sink_.send_counter(name_, growth, labels_); }
  void send_gauge(double value, const std::string& unit) const { sink_.send_gauge(name_, value, unit, labels_); }

 private:
  std::string name_;  // as upstream spells it
  MetricLabels labels_;
  MetricSink& sink_;
};

class Counter final : public Metric {
 public:
  using Metric::Metric;

  void increment(std::uint64_t by = 1) {
    total_.fetch_add(by, std::memory_order_relaxed);
    unsent_.fetch_add(by, std::memory_order_relaxed);
  }
  std::uint64_t total() const { return total_.load(std::memory_order_relaxed); }

  // As a counter: what it has grown by since the last time, 0 too.
  void send_growth();
  // The same, unless that is 0.
  void send_growth_if_any();
  // As a gauge: the total since the start of the process.
  void send_total() const;

  prometheus::ClientMetric reading() const override;

 private:
  std::atomic<std::uint64_t> total_{0};
  std::atomic<std::uint64_t> unsent_{0};  // what it has grown by since the last time
};

class Gauge final : public Metric {
 public:
  Gauge(std::string name, MetricLabels labels, MetricSink& sink, std::string unit)
      : Metric(std::move(name), std::move(labels), sink), unit_(std::move(unit)) {}

  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }
  void send() const;

  prometheus::ClientMetric reading() const override;

 private:
  std::string unit_;
  std::atomic<double> value_{0};
};

// A duration that was measured last. Prometheus reads seconds; the sink gets a gauge in nanoseconds.
class DurationGauge final : public Metric {
 public:
  using Metric::Metric;

  void set(std::chrono::nanoseconds value) { nanos_.store(value.count(), std::memory_order_relaxed); }
  std::chrono::nanoseconds value() const { return std::chrono::nanoseconds(nanos_.load(std::memory_order_relaxed)); }
  void send() const;

  prometheus::ClientMetric reading() const override;

 private:
  std::atomic<std::int64_t> nanos_{0};
};

// How long something takes that happens often. Prometheus reads a histogram in seconds (100 µs to 60 s); the sink gets
// the maximum since the last time.
class Latency final : public Metric {
 public:
  Latency(std::string name, MetricLabels labels, MetricSink& sink);
  ~Latency() override;

  void observe(std::chrono::nanoseconds took);
  // The maximum since the last time, which starts again.
  std::chrono::nanoseconds take_max();
  // As a gauge in nanoseconds: take_max().
  void send_max();

  prometheus::ClientMetric reading() const override;

 private:
  std::unique_ptr<prometheus::Histogram> histogram_;
  std::atomic<std::int64_t> max_nanos_{0};
};

}  // namespace rivera::base
