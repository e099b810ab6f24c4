#include "base/metrics/metrics.h"

#include <cctype>
#include <functional>
#include <mutex>
#include <stdexcept>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace rivera::base {
namespace {

class NoSink final : public MetricSink {
 public:
  void send_counter(const std::string&, std::uint64_t, const MetricLabels&) override {}
  void send_gauge(const std::string&, double, const std::string&, const MetricLabels&) override {}
};
NoSink no_sink;  // has no state

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

// The metrics of one name, by their labels.
struct Family {
  prometheus::MetricType type;
  std::map<MetricLabels, std::unique_ptr<Metric>> metrics;
};

prometheus::MetricFamily reading_of(const std::string& prometheus_name, const Family& family) {
  prometheus::MetricFamily reading;
  reading.name = prometheus_name;
  reading.type = family.type;
  for (const auto& [labels, metric] : family.metrics) {
    prometheus::ClientMetric& one = reading.metric.emplace_back(metric->reading());
    for (const auto& [name, value] : labels) one.label.push_back({snake_case(name), value});
  }
  return reading;
}

}  // namespace

struct Metrics::State {
  std::string component;
  MetricSink* sink = nullptr;
  std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;  // by upstream's name

  template <typename Kind, typename... Arguments>
  Kind& find_or_make(prometheus::MetricType type, const std::string& name, const MetricLabels& labels,
                     const Arguments&... arguments) {
    const std::lock_guard lock(mutex);
    Family& family = families.try_emplace(name, Family{type, {}}).first->second;
    std::unique_ptr<Metric>& metric = family.metrics[labels];
    if (!metric) metric = std::make_unique<Kind>(name, labels, *sink, arguments...);
    auto* found = dynamic_cast<Kind*>(metric.get());
    if (found == nullptr || family.type != type) throw std::logic_error("the metric " + name + " is of another kind");
    return *found;
  }
};

Metrics::Metrics(std::string component, MetricSink* sink) : state_(std::make_unique<State>()) {
  state_->component = std::move(component);
  state_->sink = sink != nullptr ? sink : &no_sink;
}
Metrics::~Metrics() = default;

Counter& Metrics::counter(const std::string& name, const MetricLabels& labels) {
  return state_->find_or_make<Counter>(prometheus::MetricType::Counter, name, labels);
}

Gauge& Metrics::gauge(const std::string& name, const MetricLabels& labels, const std::string& unit) {
  return state_->find_or_make<Gauge>(prometheus::MetricType::Gauge, name, labels, unit);
}

DurationGauge& Metrics::duration(const std::string& name, const MetricLabels& labels) {
  return state_->find_or_make<DurationGauge>(prometheus::MetricType::Gauge, name, labels);
}

Latency& Metrics::latency(const std::string& name, const MetricLabels& labels) {
  return state_->find_or_make<Latency>(prometheus::MetricType::Histogram, name, labels);
}

void Metrics::increment(const std::string& counter_name, double by, const MetricLabels& labels) {
  counter(counter_name, labels).increment(static_cast<std::uint64_t>(by));
}

void Metrics::set(const std::string& gauge_name, double value, const MetricLabels& labels) {
  gauge(gauge_name, labels).set(value);
}

void Metrics::observe_seconds(const std::string& latency_name, double seconds, const MetricLabels& labels) {
  const std::chrono::duration<double> took(seconds);
  latency(latency_name, labels).observe(std::chrono::duration_cast<std::chrono::nanoseconds>(took));
}

void Metrics::send_totals(const std::string& counter_name) {
  const std::lock_guard lock(state_->mutex);
  const auto family = state_->families.find(counter_name);
  if (family == state_->families.end()) return;
  for (const auto& [labels, metric] : family->second.metrics) dynamic_cast<const Counter&>(*metric).send_total();
}

MetricSink& Metrics::sink() { return *state_->sink; }

std::string Metrics::prometheus_text() const {
  std::vector<prometheus::MetricFamily> readings;
  {
    const std::lock_guard lock(state_->mutex);
    const std::string prefix = snake_case(state_->component) + "_";
    for (const auto& [name, family] : state_->families) {
      readings.push_back(reading_of(prefix + snake_case(name), family));
    }
  }
  return prometheus::TextSerializer().Serialize(readings);
}

}  // namespace rivera::base
