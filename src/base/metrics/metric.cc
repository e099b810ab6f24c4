#include "base/metrics/metric.h"

#include <prometheus/client_metric.h>
#include <prometheus/histogram.h>

namespace rivera::base {
namespace {

const prometheus::Histogram::BucketBoundaries kLatencyBuckets{
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

double in_seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

prometheus::ClientMetric gauge_reading(double value) {
  prometheus::ClientMetric reading;
  reading.gauge.value = value;
  return reading;
}

}  // namespace

void Counter::send_growth() { send_counter(unsent_.exchange(0, std::memory_order_relaxed)); }

void Counter::send_growth_if_any() {
  if (const std::uint64_t growth = unsent_.exchange(0, std::memory_order_relaxed); growth > 0) send_counter(growth);
}

void Counter::send_total() const { send_gauge(static_cast<double>(total()), kPlainUnit); }

prometheus::ClientMetric Counter::reading() const {
  prometheus::ClientMetric reading;
  reading.counter.value = static_cast<double>(total());
  return reading;
}

void Gauge::send() const { send_gauge(value(), unit_); }
prometheus::ClientMetric Gauge::reading() const { return gauge_reading(value()); }

void DurationGauge::send() const { send_gauge(static_cast<double>(value().count()), kNanosUnit); }
prometheus::ClientMetric DurationGauge::reading() const { return gauge_reading(in_seconds(value())); }

Latency::Latency(std::string name, MetricLabels labels, MetricSink& sink)
    : Metric(std::move(name), std::move(labels), sink),
      histogram_(std::make_unique<prometheus::Histogram>(kLatencyBuckets)) {}

Latency::~Latency() = default;

void Latency::observe(std::chrono::nanoseconds took) {
  histogram_->Observe(in_seconds(took));
  std::int64_t known = max_nanos_.load(std::memory_order_relaxed);
  while (took.count() > known && !max_nanos_.compare_exchange_weak(known, took.count(), std::memory_order_relaxed)) {
  }
}

std::chrono::nanoseconds Latency::take_max() {
  return std::chrono::nanoseconds(max_nanos_.exchange(0, std::memory_order_relaxed));
}

void Latency::send_max() { send_gauge(static_cast<double>(take_max().count()), kNanosUnit); }

prometheus::ClientMetric Latency::reading() const { return histogram_->Collect(); }

}  // namespace rivera::base
