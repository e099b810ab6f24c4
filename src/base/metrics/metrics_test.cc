#include "base/metrics/metrics.h"

#include <thread>

#include <gtest/gtest.h>

#include "base/metrics/process_probe.h"

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

// Writes down what it is sent, one text for each: "RequestCount +2 {cell-id=a}", "LockHeld 1 Metric".
class Recorder final : public MetricSink {
 public:
  void send_counter(const std::string& name, std::uint64_t growth, const MetricLabels& tags) override {
    sent.push_back(name + " +" + std::to_string(growth) + text_of(tags));
  }
  void send_gauge(const std::string& name, double value, const std::string& unit, const MetricLabels& tags) override {
    sent.push_back(name + " " + std::to_string(static_cast<std::int64_t>(value)) + " " + unit + text_of(tags));
  }
  std::vector<std::string> take() { return std::exchange(sent, {}); }

  std::vector<std::string> sent;

 private:
  static std::string text_of(const MetricLabels& tags) {
    std::string text;
    for (const auto& [name, value] : tags) text += " {" + name + "=" + value + "}";
    return text;
  }
};

class MetricsTest : public testing::Test {
 protected:
  bool reads(const std::string& line) {
    return ("\n" + metrics_.prometheus_text()).find("\n" + line + "\n") != std::string::npos;
  }
  using Sent = std::vector<std::string>;

  Recorder recorder_;
  Metrics metrics_{"bbs", &recorder_};
};

TEST_F(MetricsTest, ACounterIsReadAsATotalAndSentAsGrowth) {
  Counter& counter = metrics_.counter("RequestCount");
  counter.increment();
  counter.increment(2);
  counter.send_growth();
  counter.increment();
  counter.send_growth();
  counter.send_growth();
  counter.send_growth_if_any();
  EXPECT_EQ(recorder_.take(), (Sent{"RequestCount +3", "RequestCount +1", "RequestCount +0"}));
  EXPECT_TRUE(reads("bbs_request_count 4")) << metrics_.prometheus_text();
}

TEST_F(MetricsTest, ACounterMayBeSentAsATotalForEachOfItsLabels) {
  metrics_.counter("TasksStarted", {{"cell-id", "a"}}).increment(2);
  metrics_.counter("TasksStarted", {{"cell-id", "b"}}).increment();
  metrics_.send_totals("TasksStarted");
  metrics_.send_totals("TasksNobodyAskedFor");
  EXPECT_EQ(recorder_.take(), (Sent{"TasksStarted 2 Metric {cell-id=a}", "TasksStarted 1 Metric {cell-id=b}"}));
  EXPECT_TRUE(reads("bbs_tasks_started{cell_id=\"a\"} 2")) << metrics_.prometheus_text();
}

TEST_F(MetricsTest, AGaugeIsSentAsItStandsInItsUnit) {
  Gauge& gauge = metrics_.gauge("memoryStats.numBytesAllocatedHeap", {}, "Bytes");
  gauge.set(7);
  gauge.send();
  EXPECT_EQ(recorder_.take(), (Sent{"memoryStats.numBytesAllocatedHeap 7 Bytes"}));
  EXPECT_TRUE(reads("bbs_memory_stats_num_bytes_allocated_heap 7")) << metrics_.prometheus_text();
}

TEST_F(MetricsTest, ADurationIsReadInSecondsAndSentInNanoseconds) {
  DurationGauge& duration = metrics_.duration("ConvergenceLRPDuration");
  duration.set(1500ms);
  duration.send();
  EXPECT_EQ(recorder_.take(), (Sent{"ConvergenceLRPDuration 1500000000 nanos"}));
  EXPECT_TRUE(reads("bbs_convergence_lrp_duration 1.5")) << metrics_.prometheus_text();
}

TEST_F(MetricsTest, ALatencyIsReadAsAHistogramAndSentAsTheMaximumSinceTheLast) {
  Latency& latency = metrics_.latency("RequestLatency");
  latency.observe(2ms);
  latency.observe(30ms);
  latency.observe(1ms);
  latency.send_max();
  latency.send_max();
  EXPECT_EQ(recorder_.take(), (Sent{"RequestLatency 30000000 nanos", "RequestLatency 0 nanos"}));
  EXPECT_TRUE(reads("bbs_request_latency_count 3")) << metrics_.prometheus_text();
  EXPECT_TRUE(reads("bbs_request_latency_bucket{le=\"0.0025\"} 2")) << metrics_.prometheus_text();
}

TEST_F(MetricsTest, TheSameNameAndLabelsAreTheSameMetric) {
  metrics_.counter("A", {{"l", "1"}}).increment();
  EXPECT_EQ(metrics_.counter("A", {{"l", "1"}}).total(), 1U);
  EXPECT_EQ(metrics_.counter("A", {{"l", "2"}}).total(), 0U);
  EXPECT_THROW(metrics_.gauge("A", {{"l", "1"}}), std::logic_error);
  EXPECT_THROW(metrics_.gauge("A", {{"l", "3"}}), std::logic_error);
}

TEST_F(MetricsTest, NothingIsCountedTwiceOrLostBetweenThreads) {
  Counter& counter = metrics_.counter("Hits");
  Latency& latency = metrics_.latency("Took");
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&counter, &latency, t] {
      for (int i = 0; i < 10'000; ++i) counter.increment();
      latency.observe(std::chrono::milliseconds(t));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.total(), 40'000U);
  EXPECT_EQ(latency.take_max(), 4ms);
}

TEST_F(MetricsTest, AProcessReportsItsMemoryThreadsAndFiles) {
  constexpr std::size_t kMuch = 64u << 20;
  const std::string much(kMuch, 'x');
  ProcessProbe probe(metrics_);
  probe.report_runtime();
  probe.report_open_files();
  EXPECT_EQ(recorder_.take().size(), 5U);
  EXPECT_GE(metrics_.gauge("numGoRoutines").value(), 1);
  EXPECT_GE(metrics_.gauge("OpenFileDescriptors").value(), 3);
  EXPECT_GE(metrics_.gauge("memoryStats.numBytesAllocatedHeap").value(), static_cast<double>(much.size()));
  EXPECT_GT(metrics_.gauge("memoryStats.numBytesAllocatedStack").value(), 0);
  EXPECT_TRUE(reads("bbs_memory_stats_last_gc_pause_time_ns 0")) << metrics_.prometheus_text();
}

TEST(Metrics, AppearAsPrometheusText) {
  Metrics metrics("bbs");
  metrics.increment("RequestCount", 2);
  metrics.set("LRPsRunning", 5, {{"cell", "a"}});
  const std::string text = metrics.prometheus_text();
  EXPECT_NE(text.find("bbs_request_count 2"), std::string::npos) << text;
  EXPECT_NE(text.find("bbs_lrps_running{cell=\"a\"} 5"), std::string::npos) << text;
}

}  // namespace
}  // namespace rivera::base
