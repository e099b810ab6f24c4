// The BBS's routes (docs/spec/bbs.md §1.3): each service turns requests into operations on the Board, or into reads of
// the committed records. Services are the only place that knows both the wire and the model.
//
// Each constructor adds its routes; the service must live as long as they are served.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/asio.h"
#include "base/work/worker_pool.h"
#include "bbs/api/api.h"
#include "bbs/api/bbs_probe.h"
#include "bbs/ledger/ledger.h"
#include "bbs/outgoing/cells.h"
#include "bbs/outgoing/rep_calls.h"
#include "clients/loggregator_client.h"

namespace rivera::bbs {

// Ping, domains, cells.
class ClusterService {
 public:
  ClusterService(Api& api, Ledger& ledger, Cells& cells, const base::Clock& clock);

 private:
  asio::awaitable<std::string> ping();
  asio::awaitable<std::string> domains();
  asio::awaitable<std::string> upsert_domain(models::UpsertDomainRequest request);
  asio::awaitable<std::string> cells();

  Ledger& ledger_;
  Cells& cells_;
  const base::Clock& clock_;
};

// Actual LRPs: lists, groups and the life of an instance.
class ActualLRPService {
 public:
  // `reps` belongs to the ledger's home strand.
  ActualLRPService(Api& api, asio::any_io_executor home, Ledger& ledger, base::WorkerPool& workers, RepCalls& reps);

 private:
  void add_reads(Api& api);
  void add_transitions(Api& api);
  // Those that a request without an index selects.
  asio::awaitable<RecordSnapshot<ActualLRPRecord>> scan(models::ActualLRPsRequest request);
  asio::awaitable<std::unique_ptr<EncodedList>> list(models::ActualLRPsRequest request);
  asio::awaitable<std::unique_ptr<EncodedList>> list_by_guids(models::ActualLRPsByProcessGuidsRequest request);
  asio::awaitable<std::string> groups_of(models::ActualLRPsRequest filter);
  asio::awaitable<std::string> groups(models::ActualLRPGroupsRequest request);
  asio::awaitable<std::string> groups_by_guid(models::ActualLRPGroupsByProcessGuidRequest request);
  asio::awaitable<std::string> group(models::ActualLRPGroupByProcessGuidAndIndexRequest request);
  asio::awaitable<std::string> change(Ledger::Operation operation);
  asio::awaitable<std::string> start(models::StartActualLRPRequest request, bool is_r0);
  asio::awaitable<std::string> retire(models::ActualLRPKey key, std::string trace_id);
  asio::awaitable<bool> stop_on_its_cell(ActualLRPPtr lrp, std::string trace_id);

  asio::any_io_executor home_;
  Ledger& ledger_;
  base::WorkerPool& workers_;
  RepCalls& reps_;
};

// The calls of an evacuating cell; the answers say whether it keeps its containers.
class EvacuationService {
 public:
  EvacuationService(Api& api, Ledger& ledger);

 private:
  asio::awaitable<std::string> change(Ledger::Operation operation);
  asio::awaitable<std::string> running(models::EvacuateRunningActualLRPRequest request, bool is_r0);

  Ledger& ledger_;
};

class DesiredLRPFilter;

class DesiredLRPService {
 public:
  DesiredLRPService(Api& api, Ledger& ledger, base::WorkerPool& workers, clients::LoggregatorClient& loggregator);

 private:
  void add_reads(Api& api);
  void add_changes(Api& api);
  // Writes to an application's log that the request for it was invalid (docs/spec/bbs.md §7.4).
  void tell_application(const std::string& process_guid, const models::ModelError& error);
  // Those of a request that names process guids, and those of one that does not.
  asio::awaitable<std::vector<DesiredLRPPtr>> look_up(models::DesiredLRPsRequest request);
  asio::awaitable<RecordSnapshot<DesiredLRPRecord>> scan(models::DesiredLRPsRequest request);
  asio::awaitable<std::shared_ptr<const DesiredLRPFilter>> made_filter(const models::DesiredLRPsRequest& request);
  asio::awaitable<std::unique_ptr<EncodedList>> encoded_list(models::DesiredLRPsRequest request,
                                                             const std::string DesiredLRPRecord::*form);
  asio::awaitable<DesiredLRPPtr> find(std::string process_guid);
  asio::awaitable<std::unique_ptr<EncodedList>> list(models::DesiredLRPsRequest request,
                                                     models::DefinitionVersion version);
  asio::awaitable<std::string> get(std::string process_guid, models::DefinitionVersion version);
  asio::awaitable<std::unique_ptr<EncodedList>> scheduling_infos(models::DesiredLRPsRequest request);
  asio::awaitable<std::string> scheduling_info(std::string process_guid);
  asio::awaitable<std::unique_ptr<EncodedList>> routing_infos(models::DesiredLRPsRequest request);
  asio::awaitable<std::string> change(Ledger::Operation operation);

  Ledger& ledger_;
  base::WorkerPool& workers_;
  clients::LoggregatorClient& loggregator_;
};

class TaskService {
 public:
  TaskService(Api& api, Ledger& ledger, base::WorkerPool& workers, BbsProbe& probe);

 private:
  void add_reads(Api& api);
  void add_changes(Api& api);
  asio::awaitable<std::unique_ptr<EncodedList>> list(models::TasksRequest request, models::DefinitionVersion version);
  asio::awaitable<std::string> get(std::string task_guid, models::DefinitionVersion version);
  asio::awaitable<std::string> change(Ledger::Operation operation);
  asio::awaitable<std::string> start(models::StartTaskRequest request);
  asio::awaitable<std::string> complete(models::CompleteTaskRequest request);

  Ledger& ledger_;
  base::WorkerPool& workers_;
  BbsProbe& probe_;
};

}  // namespace rivera::bbs
