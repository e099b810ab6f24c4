// Shorthands for tests of the Board's rules.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "bbs/board/board.h"
#include "models/testing/testing.h"

namespace rivera::bbs {

using namespace std::chrono_literals;
using models::testing::a_desired_lrp;
using models::testing::a_run_action;
using models::testing::a_task_definition;
using models::testing::an_actual_lrp;

using Names = std::vector<std::string>;

// The events of a hub in order, without their common prefix: "created", "changed", "removed", "crashed".
inline Names events_in(const Outcome& outcome, Hub hub) {
  Names names;
  for (const Event& event : outcome.events) {
    if (event.hub != hub) continue;
    const std::string name(name_of(event));
    names.push_back(name.substr(name.rfind('_') + 1));
  }
  return names;
}

template <typename T>
std::vector<T> follow_ups_of(const Outcome& outcome) {
  std::vector<T> found;
  for (const FollowUp& follow_up : outcome.follow_ups) {
    if (const T* what = std::get_if<T>(&follow_up)) found.push_back(*what);
  }
  return found;
}

// A source of guids: "guid-1", "guid-2" ...
inline MakeGuid guids_in_order() {
  return [count = 0]() mutable { return "guid-" + std::to_string(++count); };
}

class BoardTest : public testing::Test {
 protected:
  base::Timestamp now() const { return clock_.now(); }
  std::int64_t nanos() const { return base::to_unix_nanos(now()); }

  void desire(const std::string& guid, int instances) {
    ASSERT_FALSE(board_.desire_lrp(a_desired_lrp(guid).with_instances(instances), now(), "").error);
  }
  void desire(const models::DesiredLRP& lrp) { ASSERT_FALSE(board_.desire_lrp(lrp, now(), "").error); }

  Outcome claim(const std::string& guid, int index, const std::string& cell, const std::string& instance) {
    models::ClaimActualLRPRequest request;
    request.set_process_guid(guid);
    request.set_index(index);
    *request.mutable_actual_lrp_instance_key() = models::actual_lrp_instance_key(instance, cell);
    return board_.claim(request, now());
  }

  models::StartActualLRPRequest start_request(const std::string& guid, int index, const std::string& cell,
                                              const std::string& instance) {
    models::StartActualLRPRequest request;
    *request.mutable_actual_lrp_key() = models::actual_lrp_key(guid, index, domain_);
    *request.mutable_actual_lrp_instance_key() = models::actual_lrp_instance_key(instance, cell);
    request.mutable_actual_lrp_net_info()->set_address("10.0.0.1");
    return request;
  }
  Outcome start(const std::string& guid, int index, const std::string& cell, const std::string& instance) {
    return board_.start(start_request(guid, index, cell, instance), now());
  }

  Outcome crash(const std::string& guid, int index, const std::string& cell, const std::string& instance,
                const std::string& reason = "boom") {
    models::CrashActualLRPRequest request;
    *request.mutable_actual_lrp_key() = models::actual_lrp_key(guid, index, domain_);
    *request.mutable_actual_lrp_instance_key() = models::actual_lrp_instance_key(instance, cell);
    request.set_error_message(reason);
    return board_.crash(request, now());
  }

  // Request with a key and an instance key.
  template <typename Request>
  Request about(const std::string& guid, int index, const std::string& cell, const std::string& instance) {
    Request request;
    *request.mutable_actual_lrp_key() = models::actual_lrp_key(guid, index, domain_);
    *request.mutable_actual_lrp_instance_key() = models::actual_lrp_instance_key(instance, cell);
    return request;
  }

  void make_domain_fresh() {
    models::UpsertDomainRequest request;
    request.set_domain(domain_);
    board_.upsert_domain(request, now());
  }

  Outcome converge(const CellIds& cells) {
    return board_.converge_lrps(plan_lrp_convergence(board_.records(), cells, now()), cells, now());
  }
  Outcome converge_tasks(const CellIds& cells) {
    return board_.converge_tasks(plan_task_convergence(board_.records(), cells, now(), {}), now());
  }

  LRPSet lrps(const std::string& guid, int index) const { return board_.records().lrps(guid, index); }
  models::ActualLRP ordinary(const std::string& guid, int index) const {
    const ActualLRPPtr found = lrps(guid, index).ordinary();
    EXPECT_TRUE(found) << guid << "/" << index;
    return found ? found->whole() : models::ActualLRP();
  }
  models::Task task(const std::string& guid) const {
    const TaskPtr found = board_.records().task(guid);
    EXPECT_TRUE(found) << guid;
    return found ? found->task : models::Task();
  }

  base::ManualClock clock_;
  Board board_{BoardOptions{}, guids_in_order()};
  const std::string domain_ = a_desired_lrp("any").build().domain();
};

#define EXPECT_ERROR(outcome, expected)                                                          \
  do {                                                                                           \
    const auto& error_of_outcome = (outcome).error;                                              \
    ASSERT_TRUE(error_of_outcome.has_value());                                                   \
    EXPECT_EQ(error_of_outcome->type(), models::Error::expected) << error_of_outcome->message(); \
  } while (false)

}  // namespace rivera::bbs
