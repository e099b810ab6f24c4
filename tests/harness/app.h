// Applications and tasks for whole-cluster tests, and what a test asks about them.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/cluster_client.h"
#include "models/models.h"

namespace rivera::harness {

inline constexpr unsigned kAppPort = 8080;

// A guid that no other test has used.
std::string unique_guid(const std::string& prefix);

// A process that runs `script` with /bin/sh as vcap, in the root filesystem of the cluster. No ports, no routes.
models::DesiredLRP a_process(const ClusterClient& cluster, const std::string& guid, const std::string& script);

// A web server under the host name "<guid>.localhost": "/" gives "<index> <instance guid>", "/cgi-bin/env" the
// environment. Monitored.
models::DesiredLRP a_web_app(const ClusterClient& cluster, const std::string& guid, int instances);

// Runs `script` with /bin/sh as vcap; its result file is /tmp/result.
models::TaskDefinition a_task(const ClusterClient& cluster, const std::string& guid, const std::string& script);

// An application that is there as long as the object: the destructor removes it and waits for its containers to go.
class RunningApp {
 public:
  RunningApp(const ClusterClient& cluster, models::DesiredLRP lrp);
  ~RunningApp();
  RunningApp(const RunningApp&) = delete;

  const std::string& guid() const { return guid_; }
  std::string hostname() const;

  std::vector<models::ActualLRP> instances() const;
  // The instance of that index; a default one if there is none.
  models::ActualLRP instance(int index) const;
  int running() const;
  void scale(int instances);
  void remove();

  // The different bodies that the router gives for "/" in so many requests.
  std::set<std::string> answers(int requests = 8) const;
  // True once `count` instances are RUNNING and exactly those indices answer through the router.
  bool serves(int count) const;

 private:
  const ClusterClient& cluster_;
  std::string guid_;
  bool removed_ = false;
};

// Desires a task and waits for its end.
models::Task run_task(const ClusterClient& cluster, const std::string& guid, models::TaskDefinition definition);

// The process with id 1 in a container, as the host numbers it; 0 if there is none.
pid_t init_pid(const std::string& container_handle);

}  // namespace rivera::harness
