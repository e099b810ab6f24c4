#include "executor/identity/credential_keeper.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/work/task_group.h"
#include "executor/testing/testing_loop.h"

namespace rivera::executor::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Made once: what is tested here needs no key of its own for each certificate.
net::FreshKey one_key() {
  static const net::FreshKey key = net::make_identity_key();
  return key;
}

class CredentialTest : public ::testing::Test {
 protected:
  CredentialTest() {
    const auto ca = net::CertificateAuthority::make("instanceIdentityCA", std::chrono::hours(48)).pair();
    base::write_file_atomically(directory.path() / "ca.pem", ca.certificate_pem);
    base::write_file_atomically(directory.path() / "ca.key", ca.key_pem);
    container.guid = "guid";
    container.internal_ip = "10.254.0.2";
    container.external_ip = "10.0.0.1";
    container.run_info.enable_container_proxy = true;
    container.run_info.internal_routes = {"one.apps.internal"};
    container.run_info.certificate_properties.add_organizational_unit("app:a");
    container.ports = port_mappings({8080}, proxy_ports({8080}), {});
    proxy.enabled = true;
    proxy.config_directory = directory.path() / "proxies";
    proxy.program_directory = "/program";
    proxy.reload_duration = std::chrono::milliseconds(1);
  }
  ~CredentialTest() override { loop.run(tasks.stop()); }

  IdentityIssuer an_issuer(std::chrono::nanoseconds validity = std::chrono::hours(24)) {
    return IdentityIssuer(loop.executor(), loop.workers(), clock, metrics,
                          {.directory = directory.path() / "creds",
                           .ca_file = (directory.path() / "ca.pem").string(),
                           .key_file = (directory.path() / "ca.key").string(),
                           .validity = validity},
                          logger, one_key);
  }
  CredentialKeeper a_keeper(IdentityIssuer& issuer) {
    return CredentialKeeper(issuer, proxy, container, loop.executor(), loop.workers(), logger);
  }
  std::string file(const std::string& name) const { return base::read_file(directory.path() / name); }

  Loop loop;
  base::TemporaryDirectory directory;
  base::SystemClock clock;
  base::Metrics metrics{"test"};
  base::Logger logger = base::Logger::discard();
  Container container;
  ProxyOptions proxy;
  base::TaskGroup tasks{loop.executor(), logger};
};

TEST_F(CredentialTest, AreThereWhenItHasBegun) {
  auto issuer = an_issuer();
  auto keeper = a_keeper(issuer);
  loop.run(keeper.make_directories());
  loop.run(keeper.begin());
  const auto certificate = net::certificate_subject(file("creds/guid/instance.crt"));
  EXPECT_EQ(certificate.common_name, "guid");
  EXPECT_THAT(certificate.organizational_units, ElementsAre("app:a"));
  EXPECT_THAT(net::certificate_names(file("creds/guid/instance.crt")), ElementsAre("guid", "10.254.0.2"));
  EXPECT_THAT(net::certificate_names(file("proxies/guid/c2c.pem")), ElementsAre("guid", "one.apps.internal"));
  EXPECT_EQ(file("proxies/guid/id.pem"), file("creds/guid/instance.crt") + file("creds/guid/instance.key"));
  for (const auto& [name, mode] : std::map<std::string, mode_t>{{"creds/guid", 0755},
                                                                {"creds/guid/instance.crt", 0644},
                                                                {"creds/guid/instance.key", 0644},
                                                                {"proxies/guid", 0755},
                                                                {"proxies/guid/id.pem", 0644}}) {
    struct stat status {};
    ASSERT_EQ(::stat((directory.path() / name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777, mode) << name;
  }
  EXPECT_THAT(keeper.environment(), ElementsAre("CF_INSTANCE_CERT=/etc/cf-instance-credentials/instance.crt",
                                                "CF_INSTANCE_KEY=/etc/cf-instance-credentials/instance.key"));
  const auto mounts = keeper.mounts();
  ASSERT_EQ(mounts.size(), 3u);
  EXPECT_EQ(mounts[0].src_path + " " + mounts[0].dst_path, "/program /etc/cf-assets/envoy");
  EXPECT_EQ(mounts[1].dst_path, "/etc/cf-assets/envoy_config");
  EXPECT_EQ(mounts[2].dst_path, "/etc/cf-instance-credentials");
  loop.run(keeper.remove());
  EXPECT_FALSE(fs::exists(directory.path() / "creds/guid"));
  EXPECT_FALSE(fs::exists(directory.path() / "proxies/guid"));
}

TEST_F(CredentialTest, AreForTheIdentityAloneWithoutAProxy) {
  proxy.enabled = false;
  auto issuer = an_issuer();
  auto keeper = a_keeper(issuer);
  loop.run(keeper.make_directories());
  loop.run(keeper.begin());
  EXPECT_EQ(keeper.mounts().size(), 1u);
  EXPECT_FALSE(fs::exists(directory.path() / "proxies"));
  loop.run(keeper.take_name_away());
  EXPECT_EQ(net::certificate_subject(file("creds/guid/instance.crt")).common_name, "guid");
}

TEST_F(CredentialTest, StayAfterARestart) {
  auto issuer = an_issuer();
  auto keeper = a_keeper(issuer);
  loop.run(keeper.make_directories());
  loop.run(keeper.begin());
  const auto before = file("creds/guid/instance.crt");
  auto later = a_keeper(issuer);
  loop.run(later.begin());
  EXPECT_EQ(file("creds/guid/instance.crt"), before);
  base::write_file_atomically(directory.path() / "creds/guid/instance.crt", "no certificate");
  auto repaired = a_keeper(issuer);
  loop.run(repaired.begin());
  EXPECT_EQ(net::certificate_subject(file("creds/guid/instance.crt")).common_name, "guid");
}

TEST_F(CredentialTest, AreRenewedInTime) {
  const auto hour = std::chrono::hours(1);
  const base::Timestamp expiry(std::chrono::hours(1000));
  EXPECT_EQ(expiry - an_issuer(hour * 24).renewal(expiry), std::chrono::minutes(30));
  EXPECT_EQ(expiry - an_issuer(hour * 4).renewal(expiry), std::chrono::minutes(30));
  EXPECT_EQ(expiry - an_issuer(std::chrono::seconds(64)).renewal(expiry), std::chrono::seconds(8));

  auto issuer = an_issuer(std::chrono::seconds(2));
  auto keeper = a_keeper(issuer);
  loop.run(keeper.make_directories());
  loop.run(keeper.begin());
  const auto before = file("creds/guid/instance.crt");
  tasks.spawn("keep", keeper.keep());
  loop.until([&] { return file("creds/guid/instance.crt") != before; });
  loop.until([&] { return file("proxies/guid/id.pem").starts_with(file("creds/guid/instance.crt")); });
  loop.run(tasks.stop());
}

TEST_F(CredentialTest, FollowTheInternalRoutes) {
  auto issuer = an_issuer();
  auto keeper = a_keeper(issuer);
  loop.run(keeper.make_directories());
  loop.run(keeper.begin());
  const auto identity = file("creds/guid/instance.crt");
  tasks.spawn("keep", keeper.keep());
  loop.settle();
  container.run_info.internal_routes = {"two.apps.internal"};
  keeper.routes_changed();
  loop.until([&] {
    const auto names = net::certificate_names(file("proxies/guid/c2c.pem"));
    return std::find(names.begin(), names.end(), "two.apps.internal") != names.end();
  });
  EXPECT_EQ(file("creds/guid/instance.crt"), identity);
  loop.run(tasks.stop());
}

TEST_F(CredentialTest, LoseTheirNameAtTheProxyAlone) {
  auto issuer = an_issuer();
  auto keeper = a_keeper(issuer);
  loop.run(keeper.make_directories());
  loop.run(keeper.begin());
  loop.run(keeper.take_name_away());
  EXPECT_EQ(net::certificate_subject(file("proxies/guid/id.pem")).common_name, "");
  EXPECT_THAT(net::certificate_names(file("proxies/guid/id.pem")), ElementsAre("", "10.254.0.2"));
  EXPECT_THAT(net::certificate_names(file("proxies/guid/c2c.pem")), ElementsAre("", "one.apps.internal"));
  EXPECT_EQ(net::certificate_subject(file("creds/guid/instance.crt")).common_name, "guid");
}

TEST_F(CredentialTest, AreNotIssuedWithUnusableSettings) {
  EXPECT_THROW(an_issuer(std::chrono::nanoseconds(0)), std::runtime_error);
  base::write_file_atomically(directory.path() / "ca.key", "no key");
  EXPECT_THROW(an_issuer(), std::runtime_error);
}

TEST_F(CredentialTest, KeysAreMadeInAdvance) {
  int made = 0;
  KeyPool pool(loop.executor(), loop.workers(), 3, logger, [&made] {
    ++made;
    return net::FreshKey{std::to_string(made)};
  });
  EXPECT_EQ(loop.run(pool.take()).pem, "1");  // not started: one at a time
  EXPECT_EQ(pool.size(), 0u);
  pool.start();
  loop.until([&] { return pool.size() == 3; });
  const auto first = loop.run(pool.take()).pem;
  EXPECT_NE(loop.run(pool.take()).pem, first);
  loop.until([&] { return pool.size() == 3; });
  EXPECT_EQ(made, 6);
  loop.run(pool.stop());
}

}  // namespace
}  // namespace rivera::executor::testing
