#include "cluster/settings/settings.h"

#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/config/config.h"
#include "base/files.h"
#include "cluster/prepare/certificates.h"
#include "cluster/prepare/component_configs.h"
#include "cluster/prepare/rootfs.h"
#include "cluster/settings/log_files.h"
#include "cluster/supervision/log_rotation.h"
#include "cluster/supervision/process.h"
#include "net/crypto/certificate_authority.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

class ClusterFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    settings_.var_dir = directory_.path();
    settings_.bin_dir = "/opt/rivera/bin";
    settings_.host_address = "192.0.2.7";
    make_directories(settings_);
  }

  base::TemporaryDirectory directory_;
  Settings settings_;
};

unsigned mode_of(const fs::path& path) {
  struct stat info {};
  ::stat(path.c_str(), &info);
  return info.st_mode & 07777;
}

TEST(Ports, AreAllDifferentAndInsideTheirBlock) {
  const Ports ports{.base = 21300};
  const auto all = ports.all();
  EXPECT_EQ(std::set<std::uint16_t>(all.begin(), all.end()).size(), all.size());
  for (const std::uint16_t port : all) {
    EXPECT_GE(port, ports.base);
    EXPECT_LT(port, ports.base + Ports::kBlock);
  }
}

TEST_F(ClusterFiles, SettingsComeBackAsTheyWereSaved) {
  apply_setting(settings_, "port_base", "23100");
  apply_setting(settings_, "garden_tag", "ab");
  save_settings(settings_);
  const Settings loaded = load_settings(directory_.path());
  EXPECT_EQ(loaded.ports.base, 23100);
  EXPECT_EQ(loaded.garden_tag, "ab");
  EXPECT_EQ(loaded.host_address, "192.0.2.7");
  EXPECT_EQ(loaded.bin_dir, settings_.bin_dir);
}

TEST_F(ClusterFiles, RefusesSettingsThatDoNotExistOrMakeNoSense) {
  EXPECT_THROW(apply_setting(settings_, "no_such_setting", "1"), base::ConfigError);
  EXPECT_THROW(apply_setting(settings_, "port_base", "80x"), base::ConfigError);
  EXPECT_THROW(apply_setting(settings_, "port_base", "70000"), base::ConfigError);
}

TEST_F(ClusterFiles, CertificatesAreMadeOnceAndKeysAreForRootOnly) {
  EXPECT_TRUE(make_certificates(settings_));
  const net::TlsFiles files = tls_files(settings_, "rep");
  EXPECT_EQ(mode_of(files.key_file), 0600u);
  EXPECT_EQ(mode_of(settings_.certs_dir()), 0700u);
  const std::string before = base::read_file(files.certificate_file);
  EXPECT_FALSE(make_certificates(settings_));
  EXPECT_EQ(base::read_file(files.certificate_file), before);
  EXPECT_THAT(net::certificate_names(before), ::testing::Contains("*.cell.service.cf.internal"));
  EXPECT_THAT(net::certificate_names(before), ::testing::Contains("192.0.2.7"));
}

TEST_F(ClusterFiles, ACertificateForAnotherAddressIsMadeAnew) {
  make_certificates(settings_);
  settings_.host_address = "192.0.2.8";
  EXPECT_TRUE(make_certificates(settings_));
  const std::string pem = base::read_file(tls_files(settings_, "bbs").certificate_file);
  EXPECT_THAT(net::certificate_names(pem), ::testing::Contains("192.0.2.8"));
}

TEST_F(ClusterFiles, ACertificateThatExpiresSoonIsMadeAnew) {
  make_certificates(settings_);
  const net::TlsFiles files = tls_files(settings_, "bbs");
  auto ca = net::CertificateAuthority::load(
      {base::read_file(settings_.certs_dir() / "ca.crt"), base::read_file(settings_.certs_dir() / "ca.key")});
  const auto soon = ca.issue({.common_name = "bbs"}, std::chrono::hours(24 * 5));
  base::write_file_atomically(files.certificate_file, soon.certificate_pem);
  EXPECT_TRUE(make_certificates(settings_));
  EXPECT_GT(net::certificate_expiry(base::read_file(files.certificate_file)),
            base::SystemClock().now() + std::chrono::hours(24 * 300));
}

TEST_F(ClusterFiles, OnlyChangedConfigurationsAreNamed) {
  make_certificates(settings_);
  EXPECT_EQ(write_component_configs(settings_).size(), 8u);
  EXPECT_TRUE(write_component_configs(settings_).empty());
  settings_.rep_polling_interval = "3s";
  EXPECT_EQ(write_component_configs(settings_), std::vector<std::string>{"rep"});
  EXPECT_EQ(mode_of(config_file(settings_, "bbs")), 0600u);
}

TEST_F(ClusterFiles, TheEncryptionKeyIsMadeOnce) {
  make_certificates(settings_);
  write_component_configs(settings_);
  const std::string key = base::read_file(settings_.state_dir() / "encryption_key");
  settings_.converge_interval = "1s";
  write_component_configs(settings_);
  EXPECT_EQ(base::read_file(settings_.state_dir() / "encryption_key"), key);
  EXPECT_NE(base::read_file(config_file(settings_, "bbs")).find(key), std::string::npos);
}

TEST_F(ClusterFiles, TheRootFilesystemIsSmallAndMadeOnce) {
  make_rootfs(settings_);
  EXPECT_LT(fs::file_size(settings_.rootfs_tar()), 30u << 20);
  const auto made = fs::last_write_time(settings_.rootfs_tar());
  make_rootfs(settings_);
  EXPECT_EQ(fs::last_write_time(settings_.rootfs_tar()), made);
}

TEST_F(ClusterFiles, ALargeLogIsSetAsideAndItsWriterGoesOn) {
  const fs::path file = settings_.log_dir() / "bbs.log";
  base::write_file_atomically(file, std::string(2000, 'x') + "\n");
  rotate_logs(settings_.log_dir(), 1000);
  EXPECT_EQ(fs::file_size(file), 0u);
  EXPECT_EQ(fs::file_size(file.string() + ".1"), 2001u);
}

TEST_F(ClusterFiles, OnlyTheNewestApplicationLogsAreKept) {
  const auto now = fs::file_time_type::clock::now();
  for (int i = 0; i < 5; ++i) {
    const fs::path file = settings_.app_log_dir() / (std::to_string(i) + ".log");
    base::write_file_atomically(file, "x");
    fs::last_write_time(file, now - std::chrono::minutes(i));
  }
  keep_newest_logs(settings_.app_log_dir(), 2);
  EXPECT_TRUE(fs::exists(settings_.app_log_dir() / "0.log"));
  EXPECT_TRUE(fs::exists(settings_.app_log_dir() / "1.log"));
  EXPECT_FALSE(fs::exists(settings_.app_log_dir() / "2.log"));
  EXPECT_FALSE(fs::exists(settings_.app_log_dir() / "4.log"));
}

TEST_F(ClusterFiles, TheReasonOfAFailureIsTheLastErrorInTheLog) {
  base::write_file_atomically(settings_.log_dir() / "bbs.log", "starting\nerror: no lock\nexited\n");
  EXPECT_EQ(last_error_in_log(settings_, "bbs"), "error: no lock");
  EXPECT_EQ(last_error_in_log(settings_, "rep"), "it printed nothing");
  EXPECT_EQ(last_lines(settings_.log_dir() / "bbs.log", 2), (std::vector<std::string>{"error: no lock", "exited"}));
}

TEST_F(ClusterFiles, APidFileNamesOnlyTheProcessItWasWrittenFor) {
  const fs::path file = settings_.run_dir() / "x.pid";
  EXPECT_EQ(read_pid_file(file), std::nullopt);
  write_pid_file(file, ::getpid());
  EXPECT_EQ(read_pid_file(file), ::getpid());
  // The same id, but of a process that started at another time.
  base::write_file_atomically(file, std::to_string(::getpid()) + " 1\n");
  EXPECT_EQ(read_pid_file(file), std::nullopt);
}

}  // namespace
}  // namespace rivera::cluster
