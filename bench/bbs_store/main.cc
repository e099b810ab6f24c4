// What a takeover and a look for foreign writes cost, with a local PostgreSQL: 50,000 desired LRPs of 250,000
// instances.
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <sys/resource.h>

#include "bbs/ledger/ledger.h"
#include "bbs/store/store.h"
#include "models/testing/testing.h"
#include "report.h"
#include "sql/testing/test_servers.h"

namespace {

using namespace rivera;
using bbs::Change;
using bench::Better;

constexpr int kDesired = 50'000;
constexpr int kInstances = 5;
constexpr std::size_t kTransaction = 2'000;  // changes
const char* const kCase = "250,000 instances";

double seconds_of(const std::function<void()>& work) {
  const auto started = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

models::DesiredLRP an_application(int number) {
  models::DesiredLRP lrp = models::testing::a_desired_lrp("process-guid-of-usual-length-" + std::to_string(number))
                               .with_instances(kInstances)
                               .with_port(8080)
                               .with_route("cf-router", R"([{"hostnames":["app.example.com"],"port":8080}])");
  for (int i = 0; i < 10; ++i) {
    auto* variable = lrp.add_environment_variables();
    variable->set_name("VARIABLE_" + std::to_string(i));
    variable->set_value(std::string(100, 'x'));
  }
  return models::as_stored(lrp, "epoch-of-this-application");
}

models::ActualLRP an_instance(int number, int index) {
  const int instance = number * kInstances + index;
  models::ActualLRP lrp =
      models::testing::an_actual_lrp("process-guid-of-usual-length-" + std::to_string(number), index)
          .running_on("cell-" + std::to_string(instance % 1250),
                      "instance-guid-of-usual-length-" + std::to_string(instance));
  (*lrp.mutable_metric_tags())["source_id"] = "process-guid";
  (*lrp.mutable_metric_tags())["instance_id"] = std::to_string(index);
  return lrp;
}

void seed(bbs::Store& store) {
  std::vector<Change> changes;
  const auto flush = [&] {
    store.write(changes);
    changes.clear();
  };
  for (int number = 0; number < kDesired; ++number) {
    changes.push_back(bbs::Swap<bbs::DesiredLRPRecord>{nullptr, bbs::make_desired_lrp(an_application(number), 1)});
    for (int index = 0; index < kInstances; ++index) {
      changes.push_back(bbs::Swap<bbs::ActualLRPRecord>{nullptr, bbs::make_actual_lrp(an_instance(number, index))});
    }
    if (changes.size() >= kTransaction) flush();
  }
  flush();
}

double resident_mebibytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void report(const char* metric, double value, const char* unit, std::optional<double> target = std::nullopt) {
  bench::report("bbs_store", kCase, metric, value, unit, target, Better::kLower);
}

}  // namespace

int main() {
  const sql::TestServer server(sql::Engine::kPostgres);
  const bbs::ColumnCipher cipher({{"k1", "a secure passphrase"}}, "k1");
  const auto database = sql::Database::open(server.config());
  bbs::Store store(*database, cipher);
  store.open();
  store.become_active();
  report("seeding", seconds_of([&] { seed(store); }), "s");
  const double memory_before = resident_mebibytes();

  bbs::Store::LoadResult loaded;
  const double reading = seconds_of([&] { loaded = store.load(); });
  bbs::Records committed, decided;
  const double indexing = seconds_of([&] {
    for (const Change& change : loaded.records) committed.apply(change);
    decided = committed;
  });
  report("reading and decoding all rows", reading, "s");
  report("building both indices", indexing, "s");
  report("from the lock to serving", reading + indexing, "s", 10);
  report("memory, peak", resident_mebibytes() - memory_before, "MiB");
  loaded = {};

  bbs::RecordList known;
  const double listing = seconds_of([&] { known = committed.list(); });
  report("looking for foreign writes: no transaction may run", listing * 1e3, "ms", 100);
  std::size_t differences = 0;
  const double comparing = seconds_of([&] { differences = store.find_differences(known).size(); });
  report("looking for foreign writes: beside transactions", comparing, "s");
  report("differences found", static_cast<double>(differences), "", 0);
  return committed.actual_lrp_count() == std::size_t{kDesired} * kInstances ? 0 : 1;
}
