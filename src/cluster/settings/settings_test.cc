#include "cluster/settings/settings.h"

#include <map>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/config/config.h"
#include "base/files.h"
#include "base/process/subprocess.h"
#include "cluster/prepare/certificates.h"
#include "cluster/prepare/component_configs.h"
#include "cluster/prepare/rootfs.h"
#include "cluster/prepare/shell_environment.h"
#include "cluster/settings/log_files.h"
#include "cluster/settings/terminal.h"
#include "cluster/status.h"
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
  const std::pair<const char*, const char*> wrong[] = {{"no_such_setting", "1"},
                                                       {"bin_dir", "/"},
                                                       {"port_base", "80x"},
                                                       {"port_base", "70000"},
                                                       {"port_base", "65500"},
                                                       {"port_base", "53"},
                                                       {"port_base", ""},
                                                       {"port_pool_size", "0"},
                                                       {"host_address", "here"},
                                                       {"garden_tag", "abc"},
                                                       {"garden_tag", "../"},
                                                       {"network_pool", "10.254.0.0"},
                                                       {"network_pool", "1.2/3"},
                                                       {"network_pool", "10.0.0.0/31"},
                                                       {"cell_memory_mb", "much"},
                                                       {"cell_disk_mb", "-1"},
                                                       {"converge_interval", "10"},
                                                       {"rep_polling_interval", "0s"},
                                                       {"route_sync_interval", "soon"},
                                                       {"cell_id", "a b"},
                                                       {"cell_id", "../x"},
                                                       {"zone", ""},
                                                       {"stack", "a/b"},
                                                       {"domain_suffix", "x'y"}};
  for (const auto& [key, value] : wrong) {
    try {
      apply_setting(settings_, key, value);
      ADD_FAILURE() << key << "=" << value << " should have been refused";
    } catch (const base::ConfigError& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr(key));
    }
  }
}

TEST_F(ClusterFiles, TakesEverySettingThatItKnows) {
  const std::map<std::string, std::string> right = {{"host_address", "192.0.2.1"},
                                                    {"cell_id", "cell_z1-0"},
                                                    {"zone", "z1"},
                                                    {"stack", "cflinuxfs4"},
                                                    {"domain_suffix", "apps.example.com"},
                                                    {"garden_tag", "a1"},
                                                    {"network_pool", "10.1.0.0/24"},
                                                    {"cell_memory_mb", "2048"},
                                                    {"cell_disk_mb", ""},
                                                    {"allow_privileged_containers", "true"},
                                                    {"authorization", "any"},
                                                    {"converge_interval", "1s"},
                                                    {"rep_polling_interval", "1m"},
                                                    {"route_sync_interval", "500ms"},
                                                    {"port_base", "65436"},
                                                    {"port_pool_start", "20000"},
                                                    {"port_pool_size", "500"}};
  for (const base::ConfigKey& key : setting_keys()) {
    if (key.name == "bin_dir") continue;
    ASSERT_TRUE(right.contains(key.name)) << key.name;
    EXPECT_NO_THROW(apply_setting(settings_, key.name, right.at(key.name))) << key.name;
  }
  EXPECT_NO_THROW(check_settings(settings_));
  save_settings(settings_);
  EXPECT_EQ(load_settings(directory_.path()).route_sync_interval, "500ms");
}

TEST_F(ClusterFiles, ThePortsOfTheClusterAndOfApplicationsAreApart) {
  EXPECT_NO_THROW(check_settings(settings_));
  settings_.ports.base = static_cast<std::uint16_t>(settings_.port_pool_start + 10);
  EXPECT_THROW(check_settings(settings_), base::ConfigError);
  settings_.ports.base = static_cast<std::uint16_t>(settings_.port_pool_start - 99);
  EXPECT_THROW(check_settings(settings_), base::ConfigError);
  settings_.ports.base = static_cast<std::uint16_t>(settings_.port_pool_start - 100);
  EXPECT_NO_THROW(check_settings(settings_));
  settings_.port_pool_size = 5000;
  EXPECT_THROW(check_settings(settings_), base::ConfigError) << "it ends above 65535";
}

TEST_F(ClusterFiles, ASavedSettingThatIsWrongIsNamedWithItsFile) {
  base::write_file_atomically(settings_file(directory_.path()), R"({"bin_dir": "/b", "port_base": "x"})");
  try {
    load_settings(directory_.path());
    FAIL();
  } catch (const base::ConfigError& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("port_base"));
  }
}

// Its password is no part of another secret.
TEST_F(ClusterFiles, ASettingsFileThatCannotBeReadComesWithAdvice) {
  for (const std::string text : {"{", "[]", R"({"port_base": 1})", R"({"no_such_thing": "1"})", "{}"}) {
    base::write_file_atomically(settings_file(directory_.path()), text);
    try {
      load_settings(directory_.path());
      ADD_FAILURE() << text;
    } catch (const base::ConfigError& e) {
      EXPECT_THAT(e.what(), ::testing::StartsWith(settings_file(directory_.path()).string() + ": ")) << text;
      EXPECT_THAT(e.what(), ::testing::HasSubstr("run ./run down and remove the file")) << text;
    }
  }
}

TEST_F(ClusterFiles, TheHelpNamesEverySettingWithItsDefault) {
  const std::string help = settings_help();
  for (const base::ConfigKey& key : setting_keys()) {
    EXPECT_EQ(help.find("  " + key.name + " ") != std::string::npos, key.name != "bin_dir") << key.name;
  }
  EXPECT_THAT(help, ::testing::HasSubstr("a duration such as 10s (10s)"));
  EXPECT_THAT(help, ::testing::HasSubstr("roles or any (roles)"));
  EXPECT_THAT(help, ::testing::HasSubstr("a number (28000)"));
}

TEST_F(ClusterFiles, TheRoutersPasswordIsASecretOfItsOwn) {
  make_certificates(settings_);
  write_component_configs(settings_);
  const std::string key = base::read_file(settings_.state_dir() / "encryption_key");
  const std::string password = base::read_file(settings_.state_dir() / "router_status_password");
  EXPECT_EQ(mode_of(settings_.state_dir() / "router_status_password"), 0600u);
  EXPECT_EQ(key.find(password.substr(0, 8)), std::string::npos);
  const std::string config = base::read_file(config_file(settings_, "gorouter"));
  EXPECT_NE(config.find(password), std::string::npos);
  EXPECT_EQ(config.find(key.substr(0, 16)), std::string::npos);
}

TEST_F(ClusterFiles, LogsOfApplicationsAreForRootOnly) { EXPECT_EQ(mode_of(settings_.app_log_dir()), 0700u); }

TEST(ShellEnvironment, QuotesWhateverAPathHolds) {
  EXPECT_EQ(shell_quoted("/var/a"), "'/var/a'");
  EXPECT_EQ(shell_quoted("/o'brien/$x"), "'/o'\\''brien/$x'");
  base::TemporaryDirectory directory("rivera-o'brien-");
  Settings settings;
  settings.var_dir = directory.path();
  settings.bin_dir = "/b'in";
  write_shell_environment(settings);
  const std::string script = ". " + shell_quoted((directory.path() / "env").string()) + " && echo \"$CA_CERT_FILE\"";
  const base::CommandResult result = base::run_command({"sh", "-c", script});
  EXPECT_EQ(result.output, (directory.path() / "certs" / "ca.crt").string() + "\n");
}

TEST(PlainText, LosesWhatATerminalWouldObey) {
  EXPECT_EQ(plain_text("\x1b[31mred\x1b[0m\tand\n"), "red\tand\n");
  EXPECT_EQ(plain_text("a\x1b]0;title\x07"
                       "b\x1b]52;c;x\x1b\\c"),
            "abc");
  EXPECT_EQ(plain_text("over\rwritten\b\x7f\x00"), "overwritten");
  EXPECT_EQ(plain_text("\xc2\x9b"
                       "31mx \xc2\xb5s \xe2\x82\xac"),
            "\\u009b31mx \xc2\xb5s \xe2\x82\xac");
  EXPECT_EQ(plain_text("cut \x1b[31"), "cut ");
  EXPECT_EQ(plain_text("cut \x1b]0;title\nnext"), "cut \nnext") << "a line end always gets through";
}

// A terminal takes 0x9b for ESC [ and 0x9d for ESC ].
TEST(PlainText, ShowsControlsOfTheSecondKindAndBytesThatAreNoText) {
  EXPECT_EQ(plain_text("a\x9b"
                       "2Jb\x9d"
                       "0;title\x07"
                       "c"),
            "a\\x9b2Jb\\x9d0;titlec");
  EXPECT_EQ(plain_text("\xc2\x80\xc2\x9f\xc2\xa0"), "\\u0080\\u009f\xc2\xa0");
  EXPECT_EQ(plain_text("\xff\xc0\x9b\xe2\x9b!\xe0\x9b\x9b"), "\\xff\\xc0\\x9b\\xe2\\x9b!\\xe0\\x9b\\x9b");
  EXPECT_EQ(plain_text("\xe2\x9b\x84 \xf0\x9f\x9b\x91"), "\xe2\x9b\x84 \xf0\x9f\x9b\x91") << "parts of characters";
  EXPECT_EQ(plain_text("\xe2\x1b[31m\x9b"), "\\xe2\\x9b");
  EXPECT_EQ(plain_text("cut \xe2\x9b"), "cut \\xe2\\x9b");
}

TEST(PlainText, RemembersWhatAPieceBegan) {
  PlainText plain;
  EXPECT_EQ(plain.take("a\x1b"), "a");
  EXPECT_EQ(plain.take("[3"), "");
  EXPECT_EQ(plain.take("1mb\xc2"), "b");
  EXPECT_EQ(plain.take("\xb5"), "\xc2\xb5");
}

TEST(StatusText, PrintsWhatApplicationsSayAsPlainText) {
  ClusterStatus status;
  ApplicationStatus application;
  application.process_guid = "a\x1b[2Jb";
  application.domain = "d\nd";
  application.problem =
      "\x1b]0;owned\x07"
      "bad";
  status.applications.push_back(application);
  TaskStatus task;
  task.task_guid = "t";
  task.result = "r\x1b[31m";
  status.tasks.push_back(task);
  const std::string text = to_text(status, false);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_THAT(text, ::testing::HasSubstr("ab "));
  EXPECT_THAT(text, ::testing::HasSubstr("d d"));
  EXPECT_THAT(text, ::testing::HasSubstr("bad"));
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

TEST_F(ClusterFiles, ACertificateForAnotherAddressIsReplaced) {
  make_certificates(settings_);
  settings_.host_address = "192.0.2.8";
  EXPECT_TRUE(make_certificates(settings_));
  const std::string pem = base::read_file(tls_files(settings_, "bbs").certificate_file);
  EXPECT_THAT(net::certificate_names(pem), ::testing::Contains("192.0.2.8"));
}

TEST_F(ClusterFiles, ACertificateThatExpiresSoonIsReplaced) {
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

TEST_F(ClusterFiles, EachCertificateHasItsRoleAndNoMoreUsesThanItNeeds) {
  make_certificates(settings_);
  using net::CertificateUse;
  const std::tuple<const char*, const char*, CertificateUse> wanted[] = {
      {"locket", "locket", CertificateUse::kServer},
      {"bbs", "bbs", CertificateUse::kBoth},
      {"auctioneer", "auctioneer", CertificateUse::kBoth},
      {"rep", "rep", CertificateUse::kBoth},
      {"route-emitter", "route-emitter", CertificateUse::kClient},
      {"gorouter", "gorouter", CertificateUse::kClient},
      {"nats", "nats", CertificateUse::kServer},
      {"client", "operator", CertificateUse::kClient}};
  for (const auto& [component, role, use] : wanted) {
    const auto subject = net::certificate_subject(base::read_file(tls_files(settings_, component).certificate_file));
    EXPECT_EQ(subject.organizational_units, std::vector<std::string>{role}) << component;
    EXPECT_EQ(subject.use, use) << component;
  }
}

TEST_F(ClusterFiles, CertificatesWithoutARoleAreReplacedUnderTheSameAuthority) {
  make_certificates(settings_);
  const std::string authority = base::read_file(settings_.certs_dir() / "ca.crt");
  auto ca = net::CertificateAuthority::load({authority, base::read_file(settings_.certs_dir() / "ca.key")});
  const std::string rep = base::read_file(tls_files(settings_, "rep").certificate_file);
  for (const std::string component : {"bbs", "client"}) {
    const net::TlsFiles files = tls_files(settings_, component);
    net::CertificateSubject subject = net::certificate_subject(base::read_file(files.certificate_file));
    subject.organizational_units.clear();
    subject.use = net::CertificateUse::kBoth;
    const auto old = ca.issue(subject, std::chrono::hours(24 * 365));
    base::write_file_atomically(files.certificate_file, old.certificate_pem);
    base::write_file_atomically(files.key_file, old.key_pem, 0600);
  }
  EXPECT_TRUE(make_certificates(settings_));
  const auto unit_of = [this](const char* component) {
    return net::certificate_subject(base::read_file(tls_files(settings_, component).certificate_file))
        .organizational_units;
  };
  EXPECT_EQ(unit_of("bbs"), std::vector<std::string>{"bbs"});
  EXPECT_EQ(unit_of("client"), std::vector<std::string>{"operator"});
  EXPECT_EQ(base::read_file(settings_.certs_dir() / "ca.crt"), authority);
  EXPECT_TRUE(net::is_signed_by(base::read_file(tls_files(settings_, "bbs").certificate_file), authority));
  EXPECT_EQ(base::read_file(tls_files(settings_, "rep").certificate_file), rep);
  EXPECT_FALSE(make_certificates(settings_));
}

TEST_F(ClusterFiles, ServersAskForRolesUnlessTheSettingSaysAny) {
  make_certificates(settings_);
  for (const std::string authorization : {"roles", "any"}) {
    if (authorization == "any") apply_setting(settings_, "authorization", "any");
    write_component_configs(settings_);
    for (const char* component : {"locket", "bbs", "auctioneer", "rep"}) {
      EXPECT_THAT(base::read_file(config_file(settings_, component)),
                  ::testing::HasSubstr("\"authorization\":\"" + authorization + "\""))
          << component;
    }
  }
  EXPECT_THROW(apply_setting(settings_, "authorization", "some"), base::ConfigError);
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

TEST_F(ClusterFiles, ALargeLogIsSetAsideAndItsWriterContinues) {
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
