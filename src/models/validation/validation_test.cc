#include "models/validation/validation.h"

#include <gtest/gtest.h>

#include "models/errors.h"
#include "models/nouns/actions.h"
#include "models/testing/testing.h"

namespace rivera::models {
namespace {

using testing::a_desired_lrp;
using testing::a_run_action;
using testing::a_task_definition;

template <typename Request>
std::string fault(const Request& request) {
  try {
    validate(request);
    return "";
  } catch (const ModelError& error) {
    EXPECT_EQ(error.type(), Error::InvalidRequest);
    return error.message();
  }
}

// The fault of a desired LRP after a change.
template <typename Change>
std::string fault_after(Change change) {
  DesiredLRP lrp = a_desired_lrp();
  change(lrp);
  return fault(lrp);
}

SecurityGroupRule a_rule(const char* protocol, const char* destination) {
  SecurityGroupRule rule;
  rule.set_protocol(protocol);
  rule.add_destinations(destination);
  return rule;
}

std::string joined(const Findings& findings) {
  std::string text;
  for (const auto& finding : findings) text += (text.empty() ? "" : ", ") + finding;
  return text;
}

TEST(Validation, AcceptsWhatTheBuildersMake) {
  EXPECT_EQ(fault(a_desired_lrp().build()), "");
  EXPECT_EQ(fault(a_task_definition().build()), "");
}

TEST(Validation, ReportsEveryFindingInOrder) {
  DesiredLRP lrp;
  EXPECT_EQ(fault(lrp),
            "Invalid field: domain, Invalid field: rootfs, Invalid field: rootfs, Invalid field: metric_tags, "
            "Invalid field: domain, Invalid field: process_guid, invalid action type");
}

TEST(Validation, ComparesMetricsGuidWithTheSourceId) {
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.set_metrics_guid("other"); }),
            "Invalid field: metric_tags, Invalid field: source_id should match metrics_guid");
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.set_metrics_guid(lrp.process_guid()); }), "");
}

TEST(Validation, WantsExactlyOneValueForATag) {
  const std::string both = "Invalid field: metric_tags, Invalid field: static, Invalid field: dynamic";
  EXPECT_EQ(fault_after([](auto& lrp) { (*lrp.mutable_metric_tags())["a"]; }), both);
  EXPECT_EQ(fault_after([](auto& lrp) {
              (*lrp.mutable_metric_tags())["a"].set_static_("x");
              (*lrp.mutable_metric_tags())["a"].set_dynamic(MetricTagValue::INDEX);
            }),
            both);
  EXPECT_EQ(fault_after([](auto& lrp) { (*lrp.mutable_metric_tags())["a"].set_dynamic(MetricTagValue::INDEX); }), "");
}

TEST(Validation, LimitsSizes) {
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.set_annotation(std::string(10240, 'a')); }), "");
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.set_annotation(std::string(10241, 'a')); }), "Invalid field: annotation");
  EXPECT_EQ(fault_after([](auto& lrp) {
              (*lrp.mutable_routes()->mutable_routes())["a"] = std::string(100'000, ' ');
              (*lrp.mutable_routes()->mutable_routes())["b"] = std::string(31'073, ' ');
            }),
            "Invalid field: routes");
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.add_volume_mounted_files()->set_content(std::string(1'048'577, 'a')); }),
            "Invalid field: volumeMountedFiles, Invalid field: volumeMountedFiles");
}

TEST(Validation, NamesThePartThenWhatIsWrongInIt) {
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.mutable_monitor(); }),
            "Invalid field: monitor, Invalid field: inner-action");
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.add_environment_variables()->set_value("x"); }),
            "invalid field: name cannot be blank");
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.add_cached_dependencies()->set_checksum_value("x"); }),
            "Invalid field: cached_dependency, Invalid field: from, Invalid field: to, "
            "Invalid field: checksum algorithm");
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.add_sidecars()->set_disk_mb(-1); }),
            "Invalid field: sidecars, invalid action type, Invalid field: disk_mb");
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.add_volume_mounts()->mutable_shared(); }),
            "invalid volume_mount driver, invalid volume_mount mode, invalid volume_mount volume id");
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.set_image_password("p"); }), "Invalid field: image_username");
  EXPECT_EQ(fault_after([](auto& lrp) { lrp.mutable_log_rate_limit()->set_bytes_per_second(-2); }),
            "Invalid field: log_rate_limit_bytes_per_second, Invalid field: log_rate_limit");
}

TEST(Validation, ChecksImageLayers) {
  EXPECT_EQ(
      fault_after([](auto& lrp) { lrp.add_image_layers()->set_layer_type(ImageLayer::EXCLUSIVE); }),
      "Invalid field: image_layer, Invalid field: url, Invalid field: destination_path, Invalid field: media_type, "
      "Invalid field: digest_algorithm, Invalid field: digest_value, Invalid field: legacy_download_user");
  EXPECT_EQ(fault_after([](auto& lrp) {
              auto& layer = *lrp.add_image_layers();
              layer.set_url("u");
              layer.set_destination_path("d");
              layer.set_layer_type(ImageLayer::SHARED);
              layer.set_media_type(ImageLayer::TGZ);
              layer.set_digest_value("v");
            }),
            "Invalid field: image_layer, Invalid field: digest_algorithm, Invalid field: digest_algorithm");
}

TEST(Validation, ChecksPortsOfHealthChecks) {
  auto with_checks = [](auto change) {
    return fault_after([&](auto& lrp) { change(*lrp.mutable_check_definition()); });
  };
  EXPECT_EQ(with_checks([](auto& d) { d.add_checks()->mutable_tcp_check()->set_port(8080); }), "");
  EXPECT_EQ(with_checks([](auto& d) { d.add_checks(); }), "Invalid field: check_definition, Invalid field: port");
  EXPECT_EQ(with_checks([](auto& d) { d.add_readiness_checks()->mutable_http_check()->set_port(70000); }),
            "Invalid field: check_definition, Invalid field: port");
  EXPECT_EQ(with_checks([](auto& d) {
              auto& check = *d.add_checks();
              check.mutable_tcp_check();
              check.mutable_http_check();
            }),
            "Invalid field: check_definition, Invalid field: check");
}

TEST(Validation, DescendsIntoActions) {
  SerialAction serial;
  EXPECT_EQ(joined(findings(wrap(serial))), "Invalid field: actions");
  TimeoutAction timeout;
  EXPECT_EQ(joined(findings(wrap(timeout))), "Invalid field: action, Invalid field: timeout_ms");
  *serial.add_actions() = wrap(timeout);
  serial.add_actions();
  *serial.add_actions() = wrap(UploadAction());
  EXPECT_EQ(joined(findings(wrap(serial))),
            "Invalid field: action, Invalid field: timeout_ms, Invalid field: inner-action, Invalid field: to, "
            "Invalid field: from, Invalid field: user");
}

TEST(EgressRules, AcceptAddressesBlocksRangesAndListsOfThem) {
  for (const char* destination :
       {"0.0.0.0/0", "10.0.0.1", "10.0.0.1-10.0.0.9", "::1", "fd00::/8", "1.2.3.4,5.6.0.0/16"}) {
    EXPECT_EQ(joined(findings(a_rule("all", destination))), "") << destination;
  }
}

TEST(EgressRules, NameBadDestinationsInOneFinding) {
  EXPECT_EQ(joined(findings(a_rule("all", "300.1.1.1"))), "Invalid field: destinations [ Invalid IP ]");
  EXPECT_EQ(joined(findings(a_rule("all", "10.0.0.0/33"))),
            "Invalid field: destinations [ invalid CIDR address: 10.0.0.0/33 ]");
  EXPECT_EQ(joined(findings(a_rule("all", "10.0.0.9-10.0.0.1,x"))),
            "Invalid field: destinations [ Invalid IP, Invalid IP ]");
  for (const char* destination : {"", "1.2.3.4/", "1.2.3.4/x", "1.2.3.4/-1", "1.2.3.4-", "1.2.3.4/8/8", "-"}) {
    EXPECT_NE(joined(findings(a_rule("all", destination))), "") << destination;
  }
}

TEST(EgressRules, CheckWhatTheProtocolNeeds) {
  auto tcp = a_rule("tcp", "1.1.1.1");
  EXPECT_EQ(joined(findings(tcp)), "Missing required field: ports or port_range");
  tcp.add_ports(0);
  EXPECT_EQ(joined(findings(tcp)), "Invalid field: ports");
  tcp.mutable_port_range();
  EXPECT_EQ(joined(findings(tcp)), "Invalid: ports and port_range provided");
  tcp.clear_ports();
  tcp.mutable_port_range()->set_start(2);
  EXPECT_EQ(joined(findings(tcp)), "Invalid field: port_range, Invalid field: port_range");
  tcp.mutable_port_range()->set_end(2);
  tcp.mutable_icmp_info();
  EXPECT_EQ(joined(findings(tcp)), "Invalid field: icmp_info");
  EXPECT_EQ(joined(findings(a_rule("icmp", "1.1.1.1"))), "Invalid field: icmp_info");
  EXPECT_EQ(joined(findings(a_rule("icmpv6", "::1"))), "Invalid field: icmpv6_info");
  EXPECT_EQ(joined(findings(a_rule("sctp", "1.1.1.1"))), "Invalid field: protocol");
}

TEST(Validation, OfATaskNamesEgressRulesOnly) {
  TaskDefinition definition = a_task_definition();
  *definition.add_egress_rules() = a_rule("foo", "");
  EXPECT_EQ(fault(definition), "Invalid field: egress_rules");
}

TEST(Validation, OfAnUpdateAllowsNothingAtAllButNotTheLackOfIt) {
  UpdateDesiredLRPRequest request;
  request.set_process_guid("g");
  EXPECT_EQ(fault(request), "Invalid field: update");
  request.mutable_update();
  EXPECT_EQ(fault(request), "");
  request.mutable_update()->set_image_username("u");
  EXPECT_EQ(fault(request), "Invalid field: image_password");
}

TEST(Validation, OfLRPCallsWantsBothKeys) {
  StartActualLRPRequest start;
  EXPECT_EQ(
      fault(start),
      "Invalid field: actual_lrp_key, Invalid field: actual_lrp_instance_key, Invalid field: actual_lrp_net_info");
  start.mutable_actual_lrp_key()->set_index(-1);
  start.mutable_actual_lrp_instance_key();
  start.mutable_actual_lrp_net_info();
  EXPECT_EQ(fault(start),
            "Invalid field: process_guid, Invalid field: index, Invalid field: domain, Invalid field: cell_id, "
            "Invalid field: instance_guid, Invalid field: address");
}

TEST(Validation, OfAClaimDoesNotLookAtTheIndex) {
  ClaimActualLRPRequest claim;
  claim.set_process_guid("g");
  claim.set_index(-1);
  claim.mutable_actual_lrp_instance_key()->set_cell_id("c");
  claim.mutable_actual_lrp_instance_key()->set_instance_guid("i");
  EXPECT_EQ(fault(claim), "");
}

TEST(Validation, OfARejectionReportsTheReasonAsAFailureReason) {
  RejectTaskRequest reject;
  reject.set_task_guid("t");
  EXPECT_EQ(fault(reject), "Invalid field: failure_reason");
}

TEST(Validation, OfGuidListsNeedsAtLeastOne) {
  EXPECT_EQ(fault(ActualLRPsByProcessGuidsRequest()), "process_guids must not be empty");
}

}  // namespace
}  // namespace rivera::models
