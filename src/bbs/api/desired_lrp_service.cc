#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "bbs/api/guid_pages.h"
#include "bbs/api/services.h"
#include "bbs/records/prefetch.h"

namespace rivera::bbs {

// What a list of all desired LRPs selects. O(log(app guids)) for each record.
class DesiredLRPFilter {
 public:
  explicit DesiredLRPFilter(const models::DesiredLRPsRequest& request) : domain_(request.domain()) {
    std::vector<std::string> apps(request.app_guids().begin(), request.app_guids().end());
    std::sort(apps.begin(), apps.end());
    // Without those that begin with another one, the only prefix of a guid is the greatest that is not behind it.
    for (std::string& app : apps) {
      if (apps_.empty() || !app.starts_with(apps_.back())) apps_.push_back(std::move(app));
    }
  }

  bool selects_all() const { return domain_.empty() && apps_.empty(); }

  bool selects(const models::DesiredLRP& lrp) const {
    if (!domain_.empty() && lrp.domain() != domain_) return false;
    if (apps_.empty()) return true;
    const auto behind = std::upper_bound(apps_.begin(), apps_.end(), lrp.process_guid());
    return behind != apps_.begin() && lrp.process_guid().starts_with(*std::prev(behind));
  }

 private:
  std::string domain_;
  std::vector<std::string> apps_;  // sorted
};

namespace {

using FoundDesiredLRPs = Found<DesiredLRPRecord>;

constexpr int kSortedAtOnce = 5'000;            // guids; more are sorted by a worker
constexpr char kLogSourceType[] = "DIEGO-API";  // the BBS's name in the logs of applications

// The bytes of a record in the form of a route.
std::string encoded(const DesiredLRPRecord& record, models::DefinitionVersion version) {
  if (version == models::DefinitionVersion::kV3 || !record.has_image_layers) return record.wire;
  models::DesiredLRP lrp = record.whole();
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

DesiredLRPService::DesiredLRPService(Api& api, Ledger& ledger, base::WorkerPool& workers,
                                     clients::LoggregatorClient& loggregator)
    : ledger_(ledger), workers_(workers), loggregator_(loggregator) {
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

asio::awaitable<std::shared_ptr<const DesiredLRPFilter>> DesiredLRPService::made_filter(
    const models::DesiredLRPsRequest& request) {
  auto sorting = [&request] { return std::make_shared<const DesiredLRPFilter>(request); };
  if (request.app_guids_size() < kSortedAtOnce) co_return sorting();
  co_return co_await workers_.run(std::move(sorting));
}

asio::awaitable<std::vector<DesiredLRPPtr>> DesiredLRPService::look_up(models::DesiredLRPsRequest request) {
  auto making = made_filter(request);
  const std::shared_ptr<const DesiredLRPFilter> filter = co_await std::move(making);
  std::vector<DesiredLRPPtr> selected;
  for (GuidPages pages(request.process_guids()); !pages.is_done();) {
    auto look = [&](const Records& records) {
      FoundDesiredLRPs found;
      pages.next([&](const std::string& guid) {
        const Process* process = records.process(guid);
        if (process && process->desired && filter->selects(process->desired->lrp)) found.push_back(&process->desired);
      });
      auto shared = share_each<DesiredLRPRecord>(found, [](const DesiredLRPPtr& record) { return record; });
      std::move(shared.begin(), shared.end(), std::back_inserter(selected));
    };
    co_await ledger_.read(std::move(look));
  }
  co_return selected;
}

asio::awaitable<RecordSnapshot<DesiredLRPRecord>> DesiredLRPService::scan(models::DesiredLRPsRequest request) {
  auto making = made_filter(request);
  const std::shared_ptr<const DesiredLRPFilter> filter = co_await std::move(making);
  auto take = [](const Records& records) { return records.desired_lrps().snapshot(); };
  RecordSnapshot<DesiredLRPRecord> snapshot = co_await ledger_.read(std::move(take));
  if (!filter->selects_all()) {
    auto selecting = select_from(snapshot, [&filter](const DesiredLRPRecord& r) { return filter->selects(r.lrp); });
    co_await std::move(selecting);
  }
  co_return snapshot;
}

asio::awaitable<std::unique_ptr<EncodedList>> DesiredLRPService::encoded_list(
    models::DesiredLRPsRequest request, const std::string DesiredLRPRecord::*form) {
  if (request.process_guids().empty()) {
    auto scanning = scan(std::move(request));
    RecordSnapshot<DesiredLRPRecord> snapshot = co_await std::move(scanning);
    co_return as_list(std::move(snapshot), form);
  }
  auto looking_up = look_up(std::move(request));
  const std::vector<DesiredLRPPtr> records = co_await std::move(looking_up);
  EncodedRecords encoded;
  encoded.reserve(records.size());
  for (const DesiredLRPPtr& record : records) encoded.push_back({record, (*record).*form});
  co_return as_list(std::move(encoded));
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

asio::awaitable<std::unique_ptr<EncodedList>> DesiredLRPService::list(models::DesiredLRPsRequest request,
                                                                      models::DefinitionVersion version) {
  if (version == models::DefinitionVersion::kV3) {
    co_return co_await encoded_list(std::move(request), &DesiredLRPRecord::wire);
  }
  std::vector<DesiredLRPPtr> lrps;
  RecordSnapshot<DesiredLRPRecord> snapshot;
  if (request.process_guids().empty()) {
    auto scanning = scan(std::move(request));
    snapshot = co_await std::move(scanning);
  } else {
    auto looking_up = look_up(std::move(request));
    lrps = co_await std::move(looking_up);
  }
  auto converting = [lrps = std::move(lrps), snapshot = std::move(snapshot), version]() mutable {
    if (lrps.empty()) lrps = records_of(snapshot);
    EncodedRecords records;
    records.reserve(lrps.size());
    for (const DesiredLRPPtr& lrp : lrps) records.push_back(encoded_record(encoded(*lrp, version)));
    return records;
  };
  EncodedRecords converted = co_await workers_.run(std::move(converting));
  co_return as_list(std::move(converted));
}

asio::awaitable<std::string> DesiredLRPService::get(std::string process_guid, models::DefinitionVersion version) {
  const DesiredLRPPtr lrp = co_await find(std::move(process_guid));
  std::string body;
  models::append_field(body, 2, encoded(*lrp, version));
  co_return body;
}

asio::awaitable<std::unique_ptr<EncodedList>> DesiredLRPService::scheduling_infos(models::DesiredLRPsRequest request) {
  request.clear_app_guids();  // ignored here (§4.9)
  co_return co_await encoded_list(std::move(request), &DesiredLRPRecord::scheduling_info);
}

asio::awaitable<std::string> DesiredLRPService::scheduling_info(std::string process_guid) {
  const DesiredLRPPtr lrp = co_await find(std::move(process_guid));
  std::string body;
  models::append_field(body, 2, lrp->scheduling_info);
  co_return body;
}

asio::awaitable<std::unique_ptr<EncodedList>> DesiredLRPService::routing_infos(models::DesiredLRPsRequest request) {
  request.clear_app_guids();  // ignored here, as is the domain (§4.9)
  request.clear_domain();
  co_return co_await encoded_list(std::move(request), &DesiredLRPRecord::routing_info);
}

asio::awaitable<std::string> DesiredLRPService::change(Ledger::Operation operation) {
  const Outcome outcome = co_await ledger_.run(std::move(operation));
  co_return body_of(outcome);
}

}  // namespace rivera::bbs
