// The OCI runtimes behind one interface: crun, runc, and a program that the operator names.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;
using ::testing::MatchesRegex;

namespace {

class RealRuntimes : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
    // The tests here choose for themselves.
    if (const char* chosen = std::getenv("RIVERA_TEST_RUNTIME")) chosen_ = chosen;
    ::unsetenv("RIVERA_TEST_RUNTIME");
  }
  void TearDown() override {
    if (!chosen_.empty()) ::setenv("RIVERA_TEST_RUNTIME", chosen_.c_str(), 1);
  }
  static api::ProcessSpec pea(const TestGarden& garden, const std::string& script, const std::string& id) {
    auto spec = shell(script);
    spec.id = id;
    spec.image.uri = garden.rootfs();
    return spec;
  }
  static std::string log_of(const TestGarden& garden) { return base::read_file(garden.directory() + "/garden.log"); }

 private:
  std::string chosen_;
};

TEST_F(RealRuntimes, EachRunsContainersProcessesAndPeas) {
  for (const char* runtime : {"crun", "runc"}) {
    TestGarden garden({"--runtime-plugin", runtime});
    api::ContainerSpec spec;
    spec.limits.memory.limit_in_bytes = 64u << 20;
    spec.limits.pid.max = 30;
    const auto handle = garden.create(spec);
    EXPECT_EQ(garden.run(handle, "echo out; exit 3").status, 3) << runtime;
    EXPECT_EQ(garden.run(handle, pea(garden, "exit 4", "p")).status, 4) << runtime;
    auto terminal = shell("test -t 0; while ! stty size 2>/dev/null; do usleep 20000; done");
    terminal.tty = api::TtySpec{api::WindowSize{90, 20}};
    EXPECT_EQ(garden.run(handle, terminal).output, "20 90\r\n") << runtime;
    EXPECT_EQ(garden.run(handle, "exec tail /dev/zero").status, 128 + 9) << runtime;
    EXPECT_EQ(garden.await(garden.client().info(handle)).events, std::vector<std::string>{"Out of memory"});
    EXPECT_EQ(garden.await(garden.client().metrics(handle)).pid.max, 30u) << runtime;
    api::ProcessSpec missing;
    missing.path = "no-such-program";
    EXPECT_THROW(garden.run(handle, missing), api::ExecutableNotFoundError) << runtime;
    garden.await(garden.client().destroy(handle));
    EXPECT_EQ(garden.left_overs_of_containers(), std::vector<std::string>{}) << runtime;
    EXPECT_TRUE(fs::is_empty("/run/" + fs::path(garden.options().run_dir).filename().string() + "/runtime")) << runtime;
  }
}

TEST_F(RealRuntimes, CrunIsTakenWhereItWorks) {
  TestGarden garden;
  EXPECT_NE(log_of(garden).find("\"program\":\"crun\""), std::string::npos) << log_of(garden);
  for (const auto& entry : fs::directory_iterator(garden.options().run_dir)) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("probe-")) << entry.path();
  }
}

// What crun makes of the profile is given to it with later containers and peas.
TEST_F(RealRuntimes, EveryContainerOfCrunHasTheSameSeccompFilter) {
  TestGarden garden({"--runtime-plugin", "crun"});
  const auto filter = [&](const std::string& handle) {
    return base::read_file(garden.options().run_dir + "/runtime/" + handle + "/seccomp.bpf");
  };
  const auto is_given = [&](const std::string& handle) {
    return base::read_file(garden.depot() + "/" + handle + "/config.json").find("seccomp_bpf_data") !=
           std::string::npos;
  };
  const std::string state = "grep Seccomp: /proc/self/status", filtered = "Seccomp:\t2\n";
  for (const char* handle : {"first", "second"}) {
    garden.create_named(handle);
    EXPECT_EQ(garden.run(handle, state).output, filtered) << handle;
    const std::string init = base::read_file(garden.depot() + "/" + handle + "/pidfile");
    EXPECT_NE(base::read_file("/proc/" + init + "/status").find(filtered), std::string::npos) << handle;
    EXPECT_EQ(garden.run(handle, pea(garden, state, std::string("pea-of-") + handle)).output, filtered) << handle;
  }
  EXPECT_FALSE(is_given("first"));
  EXPECT_TRUE(is_given("second"));
  EXPECT_EQ(filter("first"), filter("second"));
  api::ContainerSpec privileged;
  privileged.handle = "privileged";
  privileged.privileged = true;
  garden.create(privileged);
  EXPECT_FALSE(is_given("privileged"));
  EXPECT_EQ(garden.run("privileged", state).output, "Seccomp:\t0\n");
}

TEST_F(RealRuntimes, AContainerStaysWithTheOneThatMadeIt) {
  TestGarden garden({"--runtime-plugin", "runc"});
  garden.create_named("old");
  garden.terminate();
  garden.use_flags({"--runtime-plugin", "crun"});
  garden.start();
  garden.create_named("new");
  for (const char* handle : {"old", "new"}) {
    EXPECT_EQ(garden.run(handle, "echo ok").output, "ok\n") << handle;
    EXPECT_EQ(garden.run(handle, pea(garden, "echo ok", std::string("pea-of-") + handle)).output, "ok\n") << handle;
    garden.await(garden.client().destroy(handle));
  }
  EXPECT_EQ(garden.left_overs_of_containers(), std::vector<std::string>{});
}

TEST_F(RealRuntimes, APluginGetsUpstreamsWords) {
  base::TemporaryDirectory directory;
  const std::string plugin = directory.path() / "plugin", words = directory.path() / "words";
  base::write_file_atomically(plugin, "#!/bin/sh\necho \"$@\" >> " + words + "\nexec runc \"$@\"\n", 0755);
  TestGarden garden({"--runtime-plugin", plugin, "--runtime-plugin-extra-arg=--rootless=auto"});
  const std::string handle = "plugin-" + std::to_string(::getpid());
  garden.create_named(handle);
  const std::string container = garden.depot() + "/" + handle;
  auto process = shell("exit 5");
  process.id = "exec";
  EXPECT_EQ(garden.run(handle, process).status, 5);
  process.id = "tty";
  process.tty = api::TtySpec{};
  EXPECT_EQ(garden.run(handle, process).status, 5);
  const std::string pea_id = handle + "-pea";
  EXPECT_EQ(garden.run(handle, pea(garden, "exit 6", pea_id)).status, 6);
  garden.await(garden.client().destroy(handle));
  std::vector<std::string> lines;
  std::ifstream file(words);
  for (std::string line; std::getline(file, line);) {
    if (line.find(" state ") == std::string::npos && line.find(" delete ") == std::string::npos) lines.push_back(line);
  }
  ASSERT_EQ(lines.size(), 4u);
  const std::string log = " --log-format json ", rest = "--root /run/runc --debug --log ";
  EXPECT_EQ(lines[0], "--debug --log " + container + "/runtime.log" + log + "--rootless=auto run --detach " +
                          "--no-new-keyring --bundle " + container + " --pid-file " + container + "/pidfile " + handle);
  const std::string exec = container + "/processes/exec/";
  EXPECT_EQ(lines[1], rest + exec + "runtime.log" + log + "exec --detach --pid-file " + exec + "pidfile -p " + exec +
                          "process.json " + handle);
  const std::string tty = container + "/processes/tty/";
  EXPECT_THAT(lines[2], MatchesRegex(rest + tty + "runtime.log" + log + "exec --detach --pid-file " + tty +
                                     "pidfile -p " + tty + "process.json --tty --console-socket [^ ]+ " + handle));
  const std::string own = container + "/processes/" + pea_id + "/";
  EXPECT_EQ(lines[3], rest + own + "runtime.log" + log + "run --detach --pid-file " + own + "pidfile " +
                          "--no-new-keyring --bundle " + own.substr(0, own.size() - 1) + " " + pea_id);
  std::string all = base::read_file(words);
  EXPECT_NE(all.find(" delete --force " + handle + "\n"), std::string::npos) << all;
}

}  // namespace
}  // namespace rivera::garden
