#include "base/metrics.h"

#include <cctype>
#include <mutex>
#include <unordered_map>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace rivera::base {
namespace {

const prometheus::Histogram::BucketBoundaries kLatencyBuckets{
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

// True if a lower-case word begins at `at` after capitals; the plural of an abbreviation ("LRPsRunning") is none.
bool begins_word(const std::string& name, std::size_t at) {
  if (at + 1 >= name.size() || !std::islower(static_cast<unsigned char>(name[at + 1]))) return false;
  const bool plural =
      name[at + 1] == 's' && (at + 2 >= name.size() || std::isupper(static_cast<unsigned char>(name[at + 2])));
  return !plural;
}

// "LRPAuctionsStarted" becomes "lrp_auctions_started".
std::string snake_case(const std::string& name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (!std::isalnum(c)) {
      out += '_';
      continue;
    }
    const bool after_lower = i > 0 && std::islower(static_cast<unsigned char>(name[i - 1]));
    const bool before_lower = i > 0 && std::isalpha(static_cast<unsigned char>(name[i - 1])) && begins_word(name, i);
    if (std::isupper(c) && (after_lower || before_lower) && out.back() != '_') out += '_';
    out += static_cast<char>(std::tolower(c));
  }
  return out;
}

// Prometheus takes letters, digits and underscores only: "request-type" becomes "request_type".
MetricLabels label_names(const MetricLabels& labels) {
  MetricLabels out;
  for (const auto& [name, value] : labels) out[snake_case(name)] = value;
  return out;
}

}  // namespace

struct Metrics::State {
  std::string component;
  std::mutex mutex;
  prometheus::Registry registry;
  std::unordered_map<std::string, prometheus::Family<prometheus::Counter>*> counters;
  std::unordered_map<std::string, prometheus::Family<prometheus::Gauge>*> gauges;
  std::unordered_map<std::string, prometheus::Family<prometheus::Histogram>*> histograms;

  std::string full_name(const std::string& name) const { return snake_case(component) + "_" + snake_case(name); }
};

Metrics::Metrics(std::string component) : state_(std::make_unique<State>()) {
  state_->component = std::move(component);
}
Metrics::~Metrics() = default;

void Metrics::increment(const std::string& counter, double by, const MetricLabels& labels) {
  const std::lock_guard lock(state_->mutex);
  auto& family = state_->counters[counter];
  if (family == nullptr)
    family = &prometheus::BuildCounter().Name(state_->full_name(counter)).Register(state_->registry);
  family->Add(label_names(labels)).Increment(by);
}

void Metrics::set(const std::string& gauge, double value, const MetricLabels& labels) {
  const std::lock_guard lock(state_->mutex);
  auto& family = state_->gauges[gauge];
  if (family == nullptr) family = &prometheus::BuildGauge().Name(state_->full_name(gauge)).Register(state_->registry);
  family->Add(label_names(labels)).Set(value);
}

void Metrics::observe_seconds(const std::string& histogram, double seconds, const MetricLabels& labels) {
  const std::lock_guard lock(state_->mutex);
  auto& family = state_->histograms[histogram];
  if (family == nullptr) {
    family = &prometheus::BuildHistogram().Name(state_->full_name(histogram)).Register(state_->registry);
  }
  family->Add(label_names(labels), kLatencyBuckets).Observe(seconds);
}

std::string Metrics::prometheus_text() const {
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace rivera::base
