// What the cluster does at the moment: the answer of ./run status.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/asio.h"
#include "clients/bbs_client.h"
#include "cluster/settings/settings.h"
#include "cluster/supervision/component_status.h"

namespace rivera::cluster {

struct CellStatus {
  std::string cell_id;
  std::string zone;
  int memory_mb = 0;
  int disk_mb = 0;
  int containers = 0;  // capacity
};

struct ApplicationStatus {
  std::string process_guid;
  std::string domain;
  int running = 0;
  int desired = 0;
  std::vector<std::string> urls;  // through the router
  std::string problem;            // of an instance that does not run: placement error or crash reason
};

struct TaskStatus {
  std::string task_guid;
  std::string domain;
  std::string state;  // "Pending", "Running", "Completed", "Resolving"
  std::string cell_id;
  bool failed = false;
  std::string failure_reason;
  std::string result;
};

struct ClusterStatus {
  std::vector<ComponentStatus> components;
  std::vector<CellStatus> cells;
  std::vector<ApplicationStatus> applications;
  std::vector<TaskStatus> tasks;
  std::string problem;  // why a part is missing; "" if none is
};

clients::BbsClientOptions bbs_client_options(const Settings& settings);

// Asks the supervisor and the BBS. Never throws for one that does not answer: its part is then empty. Components are
// listed without pid if there is no supervisor.
asio::awaitable<ClusterStatus> fetch_status(Settings settings);

// Tables for people; `with_components` false: cells, applications and tasks only.
std::string to_text(const ClusterStatus& status, bool with_components);
// One JSON object with the arrays components, cells, applications, tasks.
std::string to_json_text(const ClusterStatus& status);

// The host names in the "cf-router" entry of an LRP's routes; empty if it cannot be read.
std::vector<std::string> route_hostnames(const models::DesiredLRP& lrp);

}  // namespace rivera::cluster
