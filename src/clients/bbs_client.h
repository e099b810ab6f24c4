// A typed client of the BBS's API (docs/spec/bbs.md §1.3).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.h"
#include "models/models.h"
#include "net/http/http_client.h"

namespace rivera::clients {

struct BbsClientOptions {
  std::string url;  // "https://bbs.service.cf.internal:8889"
  net::TlsFiles tls;
  bool insecure = false;  // the server's certificate is not verified
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(30);
  // Per call, 500 ms apart; only where no decoded answer came (docs/spec/bbs.md §1.5). The BBS may then have carried
  // out the call, as with upstream's client: its calls name what they expect, and the second one changes nothing.
  int attempts = 3;
  // An event stream is silent while nothing happens. One that has been silent for `quiet_limit` (0: unlimited) is
  // tested by a ping to the same address, which must be answered within `ping_limit`: a BBS that has been stopped, or
  // whose machine has vanished, is noticed before its lock expires and another BBS takes over.
  std::chrono::nanoseconds quiet_limit = std::chrono::seconds(8);
  std::chrono::nanoseconds ping_limit = std::chrono::seconds(4);
  // The same for an answer that has not come, or not continued, for so long (0: unlimited).
  std::chrono::nanoseconds answer_quiet_limit = std::chrono::seconds(3);
};

// One event of a BBS stream: its name ("actual_lrp_instance_changed", docs/spec/bbs.md §3.2) and the message's bytes.
struct BbsEvent {
  std::string id;
  std::string name;
  std::string payload;

  // Decodes the payload. Throws std::runtime_error if it is not a message of that type.
  template <typename Message>
  Message as() const {
    Message message;
    if (!message.ParseFromString(payload)) throw std::runtime_error("undecodable BBS event " + name);
    return message;
  }
};

class BbsEventStream {
 public:
  virtual ~BbsEventStream() = default;
  // nullopt when the server has ended the stream: subscribe and list again. Throws net::TransportError if it broke, or
  // if the server does not answer any more (BbsClientOptions::quiet_limit).
  virtual asio::awaitable<std::optional<BbsEvent>> next() = 0;
};

// Every call throws models::ModelError with the server's error, or net::TransportError / base::DeadlineExceeded if no
// answer came. `trace_id` (X-Vcap-Request-Id) may be set per client. Used on its executor only.
class BbsClient {
 public:
  BbsClient(asio::any_io_executor executor, BbsClientOptions options);
  ~BbsClient();

  asio::awaitable<bool> ping();

  asio::awaitable<std::vector<std::string>> domains();
  asio::awaitable<void> upsert_domain(std::string domain, std::chrono::seconds ttl);

  asio::awaitable<std::vector<models::ActualLRP>> actual_lrps(models::ActualLRPsRequest filter);
  asio::awaitable<void> claim_actual_lrp(models::ActualLRPKey key, models::ActualLRPInstanceKey instance);
  asio::awaitable<void> start_actual_lrp(models::StartActualLRPRequest request);
  asio::awaitable<void> crash_actual_lrp(models::ActualLRPKey key, models::ActualLRPInstanceKey instance,
                                         std::string reason);
  asio::awaitable<void> fail_actual_lrp(models::ActualLRPKey key, std::string reason);
  asio::awaitable<void> retire_actual_lrp(models::ActualLRPKey key);
  // Without an instance key the ordinary record is removed whatever its state.
  asio::awaitable<void> remove_actual_lrp(models::ActualLRPKey key,
                                          std::optional<models::ActualLRPInstanceKey> instance);

  // Evacuation. The result says whether the container is to be kept (docs/spec/bbs.md §4.6); on a transport failure
  // true for claimed and running, false for the others (§1.5).
  asio::awaitable<bool> evacuate_claimed_actual_lrp(models::ActualLRPKey key, models::ActualLRPInstanceKey instance);
  asio::awaitable<bool> evacuate_running_actual_lrp(models::EvacuateRunningActualLRPRequest request);
  asio::awaitable<bool> evacuate_stopped_actual_lrp(models::ActualLRPKey key, models::ActualLRPInstanceKey instance);
  asio::awaitable<bool> evacuate_crashed_actual_lrp(models::ActualLRPKey key, models::ActualLRPInstanceKey instance,
                                                    std::string reason);
  asio::awaitable<void> remove_evacuating_actual_lrp(models::ActualLRPKey key, models::ActualLRPInstanceKey instance);

  asio::awaitable<std::vector<models::DesiredLRP>> desired_lrps(models::DesiredLRPsRequest filter);
  asio::awaitable<std::vector<models::DesiredLRP>> desired_lrp_routing_infos(models::DesiredLRPsRequest filter);
  asio::awaitable<std::vector<models::DesiredLRPSchedulingInfo>> desired_lrp_scheduling_infos(
      models::DesiredLRPsRequest filter);
  asio::awaitable<models::DesiredLRP> desired_lrp(std::string process_guid);
  asio::awaitable<void> desire_lrp(models::DesiredLRP lrp);
  asio::awaitable<void> update_desired_lrp(std::string process_guid, models::DesiredLRPUpdate update);
  asio::awaitable<void> remove_desired_lrp(std::string process_guid);

  asio::awaitable<std::vector<models::Task>> tasks(models::TasksRequest filter);
  asio::awaitable<models::Task> task(std::string task_guid);
  asio::awaitable<void> desire_task(std::string task_guid, std::string domain, models::TaskDefinition definition);
  // False: it already runs on that cell.
  asio::awaitable<bool> start_task(std::string task_guid, std::string cell_id);
  asio::awaitable<void> cancel_task(std::string task_guid);
  asio::awaitable<void> reject_task(std::string task_guid, std::string reason);
  asio::awaitable<void> complete_task(models::CompleteTaskRequest request);
  asio::awaitable<void> resolving_task(std::string task_guid);
  asio::awaitable<void> delete_task(std::string task_guid);

  asio::awaitable<std::vector<models::CellPresence>> cells();

  // Streams. An empty cell id means every cell.
  asio::awaitable<std::unique_ptr<BbsEventStream>> subscribe_to_instance_events(std::string cell_id);
  asio::awaitable<std::unique_ptr<BbsEventStream>> subscribe_to_group_events(std::string cell_id);
  asio::awaitable<std::unique_ptr<BbsEventStream>> subscribe_to_task_events();

  void set_trace_id(std::string trace_id);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::clients
