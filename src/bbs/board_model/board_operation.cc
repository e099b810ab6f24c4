#include "bbs/board_model/board_operation.h"

#include "models/forms/wire.h"
#include "models/testing/testing.h"

namespace rivera::bbs {
namespace {

using namespace std::chrono_literals;

std::string domain_of(const std::string& guid) { return guid < "p2" ? "d0" : "d1"; }

template <typename Request>
std::function<std::string()> named(std::string name, const Request& request) {
  return [name = std::move(name), request] { return name + " " + request.ShortDebugString(); };
}

// Calls with a request, with the time or without, and with a trace or without.
template <typename Request>
BoardOperation call(std::string name, Request request, Outcome (Board::*real)(const Request&, base::Timestamp),
                    ModelOutcome (BoardModel::*model)(const Request&, base::Timestamp)) {
  BoardOperation operation;
  operation.text = named(std::move(name), request);
  operation.real = [request, real](Board& b, base::Timestamp now) { return (b.*real)(request, now); };
  operation.model = [request, model](BoardModel& m, base::Timestamp now) { return (m.*model)(request, now); };
  return operation;
}
template <typename Request>
BoardOperation call(std::string name, Request request, Outcome (Board::*real)(const Request&),
                    ModelOutcome (BoardModel::*model)(const Request&)) {
  BoardOperation operation;
  operation.text = named(std::move(name), request);
  operation.real = [request, real](Board& b, base::Timestamp) { return (b.*real)(request); };
  operation.model = [request, model](BoardModel& m, base::Timestamp) { return (m.*model)(request); };
  return operation;
}
template <typename Request>
BoardOperation call(std::string name, Request request, std::string trace,
                    Outcome (Board::*real)(const Request&, base::Timestamp, const std::string&),
                    ModelOutcome (BoardModel::*model)(const Request&, base::Timestamp, const std::string&)) {
  BoardOperation operation;
  operation.text = named(std::move(name), request);
  operation.real = [request, trace, real](Board& b, base::Timestamp now) { return (b.*real)(request, now, trace); };
  operation.model = [request, trace, model](BoardModel& m, base::Timestamp now) {
    return (m.*model)(request, now, trace);
  };
  return operation;
}

template <typename Real, typename Model>
BoardOperation custom(std::string text, Real real, Model model) {
  BoardOperation operation;
  operation.text = [text = std::move(text)] { return text; };
  operation.real = std::move(real);
  operation.model = std::move(model);
  return operation;
}

template <typename Request>
Request about(const models::ActualLRPKey& key, const models::ActualLRPInstanceKey& instance) {
  Request request;
  *request.mutable_actual_lrp_key() = key;
  *request.mutable_actual_lrp_instance_key() = instance;
  return request;
}

}  // namespace

BoardOperation OperationSource::next(const BoardModel& model) {
  BoardOperation operation;
  const int kind = below(100);
  if (kind < 14) {
    operation = of_domains_and_desires(model);
  } else if (kind < 50) {
    operation = of_lrps(model);
  } else if (kind < 66) {
    operation = of_evacuation(model);
  } else if (kind < 84) {
    operation = of_tasks(model);
  } else if (kind < 97) {
    operation = of_convergence();
  } else {
    operation = of_others(model);
  }
  operation.wait = wait();
  operation.is_taken_back = !operation.is_foreign && with_chance(3);
  return operation;
}

// Texts around the length at which they are truncated for storage (docs/spec/bbs.md §6.2).
std::string OperationSource::reason() {
  if (!with_chance(3)) return some("reason-", 3);
  return std::string(static_cast<std::size_t>(1000 + below(50)), 'x');
}

// Times just before, at and after each limit of the rules.
std::chrono::nanoseconds OperationSource::wait() {
  static const std::chrono::nanoseconds kWaits[] = {30s,  30s + 1ns, 60s,  120s, 120s + 1ns,
                                                    300s, 301s,      480s, 960s, 1801s};
  if (with_chance(60)) return 0ns;
  if (with_chance(60)) return std::chrono::milliseconds(below(5000));
  if (with_chance(5)) return -5s;
  return kWaits[below(std::size(kWaits))];
}

CellIds OperationSource::cells() {
  if (with_chance(15)) {
    const std::string cell = some("c", 4);
    if (present_.erase(cell) == 0) present_.insert(cell);
  }
  if (!with_chance(10)) return present_;
  CellIds any;
  for (const char* cell : {"c0", "c1", "c2", "c3"}) {
    if (with_chance(50)) any.insert(cell);
  }
  return any;
}

OperationSource::Aim OperationSource::aim(const BoardModel& model) {
  std::string guid = some("p", 4);
  std::int32_t index = below(5);
  Aim aim;
  aim.instance = models::actual_lrp_instance_key(some("i", 3), some("c", 4));
  if (!model.lrps.empty() && with_chance(85)) {
    auto row = model.lrps.begin();
    std::advance(row, below(static_cast<int>(model.lrps.size())));
    guid = row->first.process_guid;
    index = row->first.index;
    const auto& running = row->second.actual_lrp_instance_key();
    if (!models::is_empty(running) && with_chance(75)) aim.instance = running;
  }
  aim.key = models::actual_lrp_key(guid, index, with_chance(2) ? "elsewhere" : domain_of(guid));
  return aim;
}

models::DesiredLRP OperationSource::desired_lrp() {
  const std::string guid = some("p", 4);
  auto lrp = models::testing::a_desired_lrp(guid)
                 .in_domain(domain_of(guid))
                 .with_instances(below(5))
                 .with_update_strategy(with_chance(40) ? models::DesiredLRP::RECREATE : models::DesiredLRP::ROLLING);
  if (with_chance(40)) lrp.with_route("internal-router", R"([{"hostname": ")" + some("h", 2) + "\"}]");
  if (with_chance(40)) lrp.with_metric_tag("t", some("v", 2));
  models::DesiredLRP built = lrp;
  if (with_chance(20)) (*built.mutable_metric_tags())["n"].set_dynamic(models::MetricTagValue::INDEX);
  return built;
}

BoardOperation OperationSource::of_domains_and_desires(const BoardModel& model) {
  const std::string trace = with_chance(50) ? "trace" : "";
  switch (below(6)) {
    case 0: {
      models::UpsertDomainRequest request;
      request.set_domain(some("d", 2));
      request.set_ttl(with_chance(30) ? 0 : static_cast<std::uint32_t>(below(400)));
      return call("upsert_domain", request, &Board::upsert_domain, &BoardModel::upsert_domain);
    }
    case 1:
    case 2:
      return call("desire_lrp", desired_lrp(), trace, &Board::desire_lrp, &BoardModel::desire_lrp);
    case 3:
    case 4: {
      const models::DesiredLRP lrp = desired_lrp();
      models::UpdateDesiredLRPRequest request;
      request.set_process_guid(lrp.process_guid());
      auto& update = *request.mutable_update();
      if (with_chance(60)) update.set_instances(below(5));
      if (with_chance(20)) update.set_annotation(some("note", 3));
      if (with_chance(40)) *update.mutable_routes() = lrp.routes();
      if (with_chance(3)) (*update.mutable_routes()->mutable_routes())["x"] = "no json";
      if (with_chance(40)) *update.mutable_metric_tags() = lrp.metric_tags();
      return call("update_desired_lrp", request, trace, &Board::update_desired_lrp, &BoardModel::update_desired_lrp);
    }
    default: {
      std::string guid = some("p", 4);
      if (!model.desired.empty() && with_chance(50)) guid = model.desired.begin()->first;
      return custom(
          "remove_desired_lrp " + guid,
          [guid, trace](Board& b, base::Timestamp) { return b.remove_desired_lrp(guid, trace); },
          [guid, trace](BoardModel& m, base::Timestamp) { return m.remove_desired_lrp(guid, trace); });
    }
  }
}

models::StartActualLRPRequest OperationSource::start_request(const Aim& at) {
  auto request = about<models::StartActualLRPRequest>(at.key, at.instance);
  request.mutable_actual_lrp_net_info()->set_address(some("10.0.0.", 2));
  if (with_chance(30)) request.add_actual_lrp_internal_routes()->set_hostname(some("h", 2));
  if (with_chance(40)) (*request.mutable_metric_tags())["t"] = some("v", 2);
  if (with_chance(15)) request.set_routable(with_chance(50));
  if (with_chance(15)) request.set_availability_zone(some("z", 2));
  return request;
}

BoardOperation OperationSource::of_lrps(const BoardModel& model) {
  const Aim at = aim(model);
  switch (below(12)) {
    case 0:
    case 1:
    case 2: {
      models::ClaimActualLRPRequest request;
      request.set_process_guid(at.key.process_guid());
      request.set_index(at.key.index());
      *request.mutable_actual_lrp_instance_key() = at.instance;
      return call("claim", request, &Board::claim, &BoardModel::claim);
    }
    case 3:
    case 4:
    case 5:
    case 6:
      return call("start", start_request(at), &Board::start, &BoardModel::start);
    case 7:
    case 8: {
      auto request = about<models::CrashActualLRPRequest>(at.key, at.instance);
      request.set_error_message(reason());
      return call("crash", request, &Board::crash, &BoardModel::crash);
    }
    case 9: {
      models::FailActualLRPRequest request;
      *request.mutable_actual_lrp_key() = at.key;
      request.set_error_message(reason());
      return call("fail", request, &Board::fail, &BoardModel::fail);
    }
    case 10: {
      models::RemoveActualLRPRequest request;
      request.set_process_guid(at.key.process_guid());
      request.set_index(at.key.index());
      if (with_chance(80)) *request.mutable_actual_lrp_instance_key() = at.instance;
      return call(
          "remove", request, &Board::remove,
          static_cast<ModelOutcome (BoardModel::*)(const models::RemoveActualLRPRequest&)>(&BoardModel::remove));
    }
    default:
      return custom(
          "retire " + at.key.ShortDebugString(),
          [key = at.key](Board& b, base::Timestamp) { return b.retire(key, "trace"); },
          [key = at.key](BoardModel& m, base::Timestamp) { return m.retire(key, "trace"); });
  }
}

models::EvacuateRunningActualLRPRequest OperationSource::evacuate_running_request(const Aim& at) {
  auto request = about<models::EvacuateRunningActualLRPRequest>(at.key, at.instance);
  request.mutable_actual_lrp_net_info()->set_address(some("10.0.0.", 2));
  if (with_chance(30)) request.add_actual_lrp_internal_routes()->set_hostname(some("h", 2));
  if (with_chance(15)) request.set_routable(with_chance(50));
  return request;
}

BoardOperation OperationSource::of_evacuation(const BoardModel& model) {
  const Aim at = aim(model);
  switch (below(8)) {
    case 0:
      return call("evacuate_claimed", about<models::EvacuateClaimedActualLRPRequest>(at.key, at.instance),
                  &Board::evacuate_claimed, &BoardModel::evacuate_claimed);
    case 1: {
      auto request = about<models::EvacuateCrashedActualLRPRequest>(at.key, at.instance);
      request.set_error_message(reason());
      return call("evacuate_crashed", request, &Board::evacuate_crashed, &BoardModel::evacuate_crashed);
    }
    case 2:
      return call("evacuate_stopped", about<models::EvacuateStoppedActualLRPRequest>(at.key, at.instance),
                  &Board::evacuate_stopped, &BoardModel::evacuate_stopped);
    case 3:
      return call("remove_evacuating", about<models::RemoveEvacuatingActualLRPRequest>(at.key, at.instance),
                  &Board::remove_evacuating, &BoardModel::remove_evacuating);
    default: {
      BoardOperation operation = call("evacuate_running", evacuate_running_request(at), &Board::evacuate_running,
                                      &BoardModel::evacuate_running);
      operation.is_evacuation = true;
      return operation;
    }
  }
}

BoardOperation OperationSource::of_tasks(const BoardModel& model) {
  const std::string guid = some("t", 6);
  const auto known = model.tasks.find(guid);
  const std::string cell = known != model.tasks.end() && !known->second.cell_id().empty() && with_chance(80)
                               ? known->second.cell_id()
                               : some("c", 4);
  const std::string why = reason();
  switch (below(9)) {
    case 0:
    case 1: {
      models::DesireTaskRequest request;
      request.set_task_guid(guid);
      request.set_domain(some("d", 2));
      auto definition = models::testing::a_task_definition();
      if (with_chance(60)) definition.with_callback("http://127.0.0.1:1/");
      *request.mutable_task_definition() = definition;
      return call("desire_task", request, "trace", &Board::desire_task, &BoardModel::desire_task);
    }
    case 2: {
      models::StartTaskRequest request;
      request.set_task_guid(guid);
      request.set_cell_id(cell);
      return call("start_task", request, &Board::start_task, &BoardModel::start_task);
    }
    case 3: {
      models::CompleteTaskRequest request;
      request.set_task_guid(guid);
      request.set_cell_id(cell);
      request.set_failed(with_chance(50));
      if (request.failed()) request.set_failure_reason(why);
      request.set_result(some("result", 3));
      return call("complete_task", request, &Board::complete_task, &BoardModel::complete_task);
    }
    case 4:
      return custom(
          "cancel_task " + guid, [guid](Board& b, base::Timestamp now) { return b.cancel_task(guid, now, "trace"); },
          [guid](BoardModel& m, base::Timestamp now) { return m.cancel_task(guid, now, "trace"); });
    case 5:
      return custom(
          "fail_task " + guid + " " + why,
          [guid, why](Board& b, base::Timestamp now) { return b.fail_task(guid, why, now); },
          [guid, why](BoardModel& m, base::Timestamp now) { return m.fail_task(guid, why, now); });
    case 6: {
      models::RejectTaskRequest request;
      request.set_task_guid(guid);
      request.set_rejection_reason(why);
      return call("reject_task", request, &Board::reject_task, &BoardModel::reject_task);
    }
    case 7:
      return custom(
          "resolving_task " + guid, [guid](Board& b, base::Timestamp now) { return b.resolving_task(guid, now); },
          [guid](BoardModel& m, base::Timestamp now) { return m.resolving_task(guid, now); });
    default:
      return custom(
          "delete_task " + guid, [guid](Board& b, base::Timestamp) { return b.delete_task(guid); },
          [guid](BoardModel& m, base::Timestamp) { return m.delete_task(guid); });
  }
}

BoardOperation OperationSource::of_convergence() {
  const CellIds with = cells();
  std::string text = "with cells";
  for (const std::string& cell : with) text += " " + cell;
  if (with_chance(30)) {
    return custom(
        "converge_tasks " + text,
        [with](Board& b, base::Timestamp now) {
          return b.converge_tasks(plan_task_convergence(b.records(), with, now, {}), now);
        },
        [with](BoardModel& m, base::Timestamp now) { return m.converge_tasks(with, now); });
  }
  BoardOperation operation = custom(
      "converge_lrps " + text,
      [with](Board& b, base::Timestamp now) {
        return b.converge_lrps(plan_lrp_convergence(b.records(), with, now), with, now);
      },
      [with](BoardModel& m, base::Timestamp now) { return m.converge_lrps(with, now); });
  operation.converges_with = with;
  return operation;
}

// Changes from elsewhere: rows that another BBS left, and the retirement of instances that no cell runs.
BoardOperation OperationSource::of_others(const BoardModel& model) {
  const Aim at = aim(model);
  if (with_chance(50)) {
    return custom(
        "remove_if_unchanged " + at.key.ShortDebugString(),
        [key = at.key](Board& b, base::Timestamp) {
          const ActualLRPPtr found = b.records().lrps(key.process_guid(), key.index()).ordinary();
          return found ? b.remove_if_unchanged(found, "trace") : b.retire(key, "trace");
        },
        [key = at.key](BoardModel& m, base::Timestamp) { return m.retire_without_cell(key, "trace"); });
  }
  const auto presence = static_cast<models::ActualLRP::Presence>(below(3));
  auto row = models::testing::an_actual_lrp(at.key.process_guid(), at.key.index()).in_domain(at.key.domain());
  const int state = presence == models::ActualLRP::ORDINARY  ? below(4)
                    : presence == models::ActualLRP::SUSPECT ? below(2)
                                                             : 0;
  if (state == 0) row.running_on(at.instance.cell_id(), at.instance.instance_guid());
  if (state == 1) row.claimed_by(at.instance.cell_id(), at.instance.instance_guid());
  if (state == 2) row.crashed(below(2) ? below(12) + 1 : 198 + below(4));
  models::ActualLRP built = row.with_presence(presence).with_routable(true).with_tag(
      "foreign-" + std::to_string(random_()) + "-" + std::to_string(++foreign_), static_cast<std::uint32_t>(below(9)));
  built.set_since(1'700'000'000'000'000'000);
  models::fill_always_emitted(built);
  BoardOperation operation = custom(
      "load " + built.ShortDebugString(),
      [built](Board& b, base::Timestamp) {
        LRPSet lrps = b.records().lrps(built.actual_lrp_key().process_guid(), built.actual_lrp_key().index());
        b.revert(Swap<ActualLRPRecord>{make_actual_lrp(built), lrps[built.presence()]});  // inserts it
        return Outcome();
      },
      [built](BoardModel& m, base::Timestamp) {
        m.lrps[models::slot_of(built)] = built;
        return ModelOutcome();
      });
  operation.is_foreign = true;
  return operation;
}

}  // namespace rivera::bbs
