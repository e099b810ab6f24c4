#include "models/testing/testing.h"

#include "models/nouns/actions.h"
#include "models/nouns/actual_lrp.h"
#include "models/nouns/task.h"

namespace rivera::models::testing {

DesiredLRPBuilder::DesiredLRPBuilder(std::string process_guid) {
  lrp_.set_domain("domain");
  lrp_.set_root_fs("preloaded:cflinuxfs4");
  lrp_.set_instances(1);
  lrp_.set_memory_mb(128);
  lrp_.set_disk_mb(512);
  lrp_.set_log_guid(process_guid);
  lrp_.set_log_source("APP");
  *lrp_.mutable_action() = a_run_action();
  (*lrp_.mutable_metric_tags())["source_id"].set_static_(process_guid);
  lrp_.set_process_guid(std::move(process_guid));
}

DesiredLRPBuilder& DesiredLRPBuilder::in_domain(std::string domain) {
  lrp_.set_domain(std::move(domain));
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_instances(int instances) {
  lrp_.set_instances(instances);
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_memory_mb(int megabytes) {
  lrp_.set_memory_mb(megabytes);
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_disk_mb(int megabytes) {
  lrp_.set_disk_mb(megabytes);
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_root_fs(std::string root_fs) {
  lrp_.set_root_fs(std::move(root_fs));
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_action(Action action) {
  *lrp_.mutable_action() = std::move(action);
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_setup(Action action) {
  *lrp_.mutable_setup() = std::move(action);
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_monitor(Action action) {
  *lrp_.mutable_monitor() = std::move(action);
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_route(std::string router, std::string json) {
  (*lrp_.mutable_routes()->mutable_routes())[std::move(router)] = std::move(json);
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_port(std::uint32_t port) {
  lrp_.add_ports(port);
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_placement_tag(std::string tag) {
  lrp_.add_placement_tags(std::move(tag));
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_volume_driver(std::string driver) {
  auto& mount = *lrp_.add_volume_mounts();
  mount.set_driver(std::move(driver));
  mount.set_container_dir("/data");
  mount.set_mode("rw");
  mount.mutable_shared()->set_volume_id("volume");
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_metric_tag(std::string name, std::string value) {
  (*lrp_.mutable_metric_tags())[std::move(name)].set_static_(std::move(value));
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_update_strategy(DesiredLRP::UpdateStrategy strategy) {
  lrp_.set_update_strategy(strategy);
  return *this;
}

DesiredLRPBuilder& DesiredLRPBuilder::with_tag(std::string epoch, std::uint32_t index) {
  lrp_.mutable_modification_tag()->set_epoch(std::move(epoch));
  lrp_.mutable_modification_tag()->set_index(index);
  return *this;
}

ActualLRPBuilder::ActualLRPBuilder(std::string process_guid, int index)
    : lrp_(unclaimed_actual_lrp(actual_lrp_key(process_guid, index, "domain"), 1'000'000'000, "epoch")) {}

ActualLRPBuilder& ActualLRPBuilder::in_domain(std::string domain) {
  lrp_.mutable_actual_lrp_key()->set_domain(std::move(domain));
  return *this;
}

ActualLRPBuilder& ActualLRPBuilder::unclaimed() {
  lrp_.mutable_actual_lrp_instance_key()->Clear();
  lrp_.mutable_actual_lrp_net_info()->Clear();
  lrp_.set_state(std::string(kUnclaimed));
  return *this;
}

ActualLRPBuilder& ActualLRPBuilder::claimed_by(std::string cell_id, std::string instance_guid) {
  *lrp_.mutable_actual_lrp_instance_key() = actual_lrp_instance_key(instance_guid, cell_id);
  lrp_.mutable_actual_lrp_net_info()->Clear();
  lrp_.set_state(std::string(kClaimed));
  return *this;
}

ActualLRPBuilder& ActualLRPBuilder::running_on(std::string cell_id, std::string instance_guid) {
  claimed_by(std::move(cell_id), std::move(instance_guid));
  auto& net_info = *lrp_.mutable_actual_lrp_net_info();
  net_info.set_address("10.0.0.1");
  net_info.set_instance_address("10.254.0.2");
  auto& port = *net_info.add_ports();
  port.set_container_port(8080);
  port.set_host_port(61001);
  lrp_.set_state(std::string(kRunning));
  lrp_.set_routable(true);
  return *this;
}

ActualLRPBuilder& ActualLRPBuilder::crashed(int count, std::string reason) {
  unclaimed();
  lrp_.set_state(std::string(kCrashed));
  lrp_.set_crash_count(count);
  lrp_.set_crash_reason(std::move(reason));
  return *this;
}

ActualLRPBuilder& ActualLRPBuilder::since(std::int64_t ns) {
  lrp_.set_since(ns);
  return *this;
}

ActualLRPBuilder& ActualLRPBuilder::with_presence(ActualLRP::Presence presence) {
  lrp_.set_presence(presence);
  return *this;
}

ActualLRPBuilder& ActualLRPBuilder::with_routable(bool routable) {
  lrp_.set_routable(routable);
  return *this;
}

ActualLRPBuilder& ActualLRPBuilder::with_tag(std::string epoch, std::uint32_t index) {
  lrp_.mutable_modification_tag()->set_epoch(std::move(epoch));
  lrp_.mutable_modification_tag()->set_index(index);
  return *this;
}

TaskDefinitionBuilder::TaskDefinitionBuilder() {
  definition_.set_root_fs("preloaded:cflinuxfs4");
  definition_.set_memory_mb(128);
  definition_.set_disk_mb(512);
  definition_.set_log_guid("log-guid");
  definition_.set_log_source("TASK");
  *definition_.mutable_action() = a_run_action();
}

TaskDefinitionBuilder& TaskDefinitionBuilder::with_action(Action action) {
  *definition_.mutable_action() = std::move(action);
  return *this;
}

TaskDefinitionBuilder& TaskDefinitionBuilder::with_memory_mb(int megabytes) {
  definition_.set_memory_mb(megabytes);
  return *this;
}

TaskDefinitionBuilder& TaskDefinitionBuilder::with_disk_mb(int megabytes) {
  definition_.set_disk_mb(megabytes);
  return *this;
}

TaskDefinitionBuilder& TaskDefinitionBuilder::with_root_fs(std::string root_fs) {
  definition_.set_root_fs(std::move(root_fs));
  return *this;
}

TaskDefinitionBuilder& TaskDefinitionBuilder::with_result_file(std::string path) {
  definition_.set_result_file(std::move(path));
  return *this;
}

TaskDefinitionBuilder& TaskDefinitionBuilder::with_callback(std::string url) {
  definition_.set_completion_callback_url(std::move(url));
  return *this;
}

TaskDefinitionBuilder& TaskDefinitionBuilder::with_placement_tag(std::string tag) {
  definition_.add_placement_tags(std::move(tag));
  return *this;
}

CellPresenceBuilder::CellPresenceBuilder(std::string cell_id) {
  cell_.set_rep_url("https://" + cell_id + ".cell.service.cf.internal:1801");
  cell_.set_zone("z1");
  with_capacity(4096, 16384, 250);
  auto& provider = *cell_.add_rootfs_providers();
  provider.set_name("preloaded");
  provider.add_properties("cflinuxfs4");
  cell_.set_cell_id(std::move(cell_id));
}

CellPresenceBuilder& CellPresenceBuilder::in_zone(std::string zone) {
  cell_.set_zone(std::move(zone));
  return *this;
}

CellPresenceBuilder& CellPresenceBuilder::with_url(std::string rep_url) {
  cell_.set_rep_url(std::move(rep_url));
  return *this;
}

CellPresenceBuilder& CellPresenceBuilder::with_capacity(int memory_mb, int disk_mb, int containers) {
  auto& capacity = *cell_.mutable_capacity();
  capacity.set_memory_mb(memory_mb);
  capacity.set_disk_mb(disk_mb);
  capacity.set_containers(containers);
  return *this;
}

Task a_task(std::string task_guid) {
  return pending_task(std::move(task_guid), "domain", a_task_definition(), 1'000'000'000);
}

Action a_run_action(std::string path) {
  RunAction run;
  run.set_path(std::move(path));
  run.set_user("vcap");
  return wrap(std::move(run));
}

Action a_download_action() {
  DownloadAction download;
  download.set_from("http://file-server.example.com/file.tgz");
  download.set_to("/tmp");
  download.set_user("vcap");
  return wrap(std::move(download));
}

}  // namespace rivera::models::testing
