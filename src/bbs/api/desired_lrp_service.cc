#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "bbs/api/services.h"
#include "bbs/records/prefetch.h"

namespace rivera::bbs {
namespace {

using FoundDesiredLRPs = Found<DesiredLRPRecord>;

constexpr char kLogSourceType[] = "DIEGO-API";  // the BBS's name in the logs of applications

bool matches(const models::DesiredLRP& lrp, const models::DesiredLRPsRequest& request) {
  if (!request.domain().empty() && lrp.domain() != request.domain()) return false;
  const auto& apps = request.app_guids();
  return apps.empty() || std::any_of(apps.begin(), apps.end(),
                                     [&lrp](const std::string& app) { return lrp.process_guid().starts_with(app); });
}

FoundDesiredLRPs select(const Records& records, const models::DesiredLRPsRequest& request) {
  FoundDesiredLRPs found;
  const auto add = [&](const Process& process) {
    if (process.desired && matches(process.desired->lrp, request)) found.push_back(&process.desired);
  };
  if (!request.process_guids().empty()) {
    const std::set<std::string> guids(request.process_guids().begin(), request.process_guids().end());
    for (const std::string& guid : guids) {
      if (const Process* process = records.process(guid)) add(*process);
    }
    return found;
  }
  found.reserve(records.desired_lrp_count());
  const bool wants_all = request.domain().empty() && request.app_guids().empty();
  for_each_process(records, [&](const Process& process) {
    if (!wants_all) {
      add(process);
    } else if (process.desired) {
      found.push_back(&process.desired);
    }
  });
  return found;
}

// The bytes of a record in the form of a route.
std::string encoded(const DesiredLRPRecord& record, models::DefinitionVersion version) {
  if (version == models::DefinitionVersion::kV3 || record.lrp.image_layers().empty()) return record.wire;
  models::DesiredLRP lrp = record.lrp;
  models::down_convert(lrp, version);
  models::derive_metrics_guid(lrp);
  return models::encode(lrp);
}

// The Cloud Controller's process guids are two guids, the first the application's: five parts of ten. nullopt if there
// are fewer than five.
std::optional<std::string> application_of(const std::string& process_guid) {
  std::size_t end = 0;
  for (int part = 1; part < 5; ++part) {
    end = process_guid.find('-', end);
    if (end == std::string::npos) return std::nullopt;
    ++end;
  }
  return process_guid.substr(0, process_guid.find('-', end));
}

}  // namespace

DesiredLRPService::DesiredLRPService(Api& api, Ledger& ledger, clients::LoggregatorClient& loggregator)
    : ledger_(ledger), loggregator_(loggregator) {
  add_reads(api);
  add_changes(api);
}

void DesiredLRPService::add_reads(Api& api) {
  using models::DefinitionVersion;
  api.post_list<models::DesiredLRPsRequest>("DesiredLRPs", "/v1/desired_lrps/list.r3", [this](auto request) {
    return list(std::move(request), DefinitionVersion::kV3);
  });
  api.post_list<models::DesiredLRPsRequest>("DesiredLRPs_r2", "/v1/desired_lrps/list.r2", [this](auto request) {
    return list(std::move(request), DefinitionVersion::kV2);
  });
  api.post<models::DesiredLRPByProcessGuidRequest>(
      "DesiredLRPByProcessGuid", "/v1/desired_lrps/get_by_process_guid.r3",
      [this](auto request, Call) { return get(request.process_guid(), DefinitionVersion::kV3); });
  api.post<models::DesiredLRPByProcessGuidRequest>(
      "DesiredLRPByProcessGuid_r2", "/v1/desired_lrps/get_by_process_guid.r2",
      [this](auto request, Call) { return get(request.process_guid(), DefinitionVersion::kV2); });
  api.post_list<models::DesiredLRPsRequest>("DesiredLRPSchedulingInfos", "/v1/desired_lrp_scheduling_infos/list",
                                            [this](auto request) { return scheduling_infos(std::move(request)); });
  api.post<models::DesiredLRPByProcessGuidRequest>(
      "DesiredLRPSchedulingInfoByProcessGuid", "/v1/desired_lrp_scheduling_infos/get_by_process_guid",
      [this](auto request, Call) { return scheduling_info(request.process_guid()); });
  api.post_list<models::DesiredLRPsRequest>("DesiredLRPRoutingInfos", "/v1/desired_lrp_routing_infos/list",
                                            [this](auto request) { return routing_infos(std::move(request)); });
}

void DesiredLRPService::add_changes(Api& api) {
  api.post<models::DesireLRPRequest>(
      "DesireDesiredLRP", "/v1/desired_lrp/desire.r2",
      [this](auto request, Call call) {
        return change([r = std::move(request), trace = std::move(call.trace_id)](Board& board, base::Timestamp now) {
          return board.desire_lrp(r.desired_lrp(), now, trace);
        });
      },
      "", [this](const auto& r, const auto& error) { tell_application(r.desired_lrp().process_guid(), error); });
  api.post<models::UpdateDesiredLRPRequest>(
      "UpdateDesireLRP", "/v1/desired_lrp/update",
      [this](auto request, Call call) {
        return change([r = std::move(request), trace = std::move(call.trace_id)](Board& board, base::Timestamp now) {
          return board.update_desired_lrp(r, now, trace);
        });
      },
      "", [this](const auto& r, const auto& error) { tell_application(r.process_guid(), error); });
  api.post<models::RemoveDesiredLRPRequest>(
      "RemoveDesiredLRP", "/v1/desired_lrp/remove", [this](auto request, Call call) {
        return change([r = std::move(request), trace = std::move(call.trace_id)](Board& board, base::Timestamp) {
          return board.remove_desired_lrp(r.process_guid(), trace);
        });
      });
}

void DesiredLRPService::tell_application(const std::string& process_guid, const models::ModelError& error) {
  const std::optional<std::string> source_id = application_of(process_guid);
  if (!source_id) return;
  const std::string text = fmt::format("Error parsing request for app with guid {}, {}, {}", *source_id,
                                       models::Error::Type_Name(error.type()), error.message());
  loggregator_.send_app_error_log(text, kLogSourceType, {{"source_id", *source_id}});
}

asio::awaitable<EncodedRecords> DesiredLRPService::encoded_list(models::DesiredLRPsRequest request,
                                                                const std::string DesiredLRPRecord::*form) {
  auto look = [request = std::move(request), form](const Records& records) {
    return share_all(select(records, request), form);
  };
  co_return co_await ledger_.read(std::move(look));
}

asio::awaitable<DesiredLRPPtr> DesiredLRPService::find(std::string process_guid) {
  auto look = [process_guid](const Records& records) {
    if (records.is_unreadable(RecordKind::kDesiredLRP, process_guid)) throw models::deserialize_error();
    return records.desired_lrp(process_guid);
  };
  DesiredLRPPtr desired = co_await ledger_.read(std::move(look));
  if (!desired) throw models::resource_not_found();
  co_return desired;
}

asio::awaitable<EncodedRecords> DesiredLRPService::list(models::DesiredLRPsRequest request,
                                                        models::DefinitionVersion version) {
  if (version == models::DefinitionVersion::kV3) {
    co_return co_await encoded_list(std::move(request), &DesiredLRPRecord::wire);
  }
  auto look = [request = std::move(request)](const Records& records) { return share_all(select(records, request)); };
  const std::vector<DesiredLRPPtr> lrps = co_await ledger_.read(std::move(look));
  EncodedRecords converted;
  converted.reserve(lrps.size());
  for (const DesiredLRPPtr& lrp : lrps) converted.push_back(std::make_shared<std::string>(encoded(*lrp, version)));
  co_return converted;
}

asio::awaitable<std::string> DesiredLRPService::get(std::string process_guid, models::DefinitionVersion version) {
  const DesiredLRPPtr lrp = co_await find(std::move(process_guid));
  std::string body;
  models::append_field(body, 2, encoded(*lrp, version));
  co_return body;
}

asio::awaitable<EncodedRecords> DesiredLRPService::scheduling_infos(models::DesiredLRPsRequest request) {
  request.clear_app_guids();  // ignored here (§4.9)
  co_return co_await encoded_list(std::move(request), &DesiredLRPRecord::scheduling_info);
}

asio::awaitable<std::string> DesiredLRPService::scheduling_info(std::string process_guid) {
  const DesiredLRPPtr lrp = co_await find(std::move(process_guid));
  std::string body;
  models::append_field(body, 2, lrp->scheduling_info);
  co_return body;
}

asio::awaitable<EncodedRecords> DesiredLRPService::routing_infos(models::DesiredLRPsRequest request) {
  request.clear_app_guids();  // ignored here, as is the domain (§4.9)
  request.clear_domain();
  co_return co_await encoded_list(std::move(request), &DesiredLRPRecord::routing_info);
}

asio::awaitable<std::string> DesiredLRPService::change(Ledger::Operation operation) {
  const Outcome outcome = co_await ledger_.run(std::move(operation));
  co_return body_of(outcome);
}

}  // namespace rivera::bbs
