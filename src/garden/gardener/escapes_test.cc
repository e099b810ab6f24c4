// A hostile tenant inside a container: what it tries, and what it may use up (docs/security.md).
#include <filesystem>
#include <map>
#include <sstream>
#include <sys/inotify.h>

#include <gtest/gtest.h>

#include "base/testing/places.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

class Escapes : public ::testing::Test {
 protected:
  void start(std::vector<std::string> flags = {}) {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
    garden_ = std::make_unique<TestGarden>(std::move(flags));
  }
  // The result of each attempt of the tenant, as root or another user of the container.
  std::map<std::string, std::string> attempts(const std::string& handle, const std::string& user) {
    std::map<std::string, std::string> results;
    std::istringstream lines(garden_->run(handle, "tenant try", user).output);
    std::string name, result;
    while (lines >> name && std::getline(lines, result)) results[name] = result.substr(1);
    return results;
  }
  std::string take_all(const std::string& handle, const std::string& kind) {
    return garden_->run(handle, "tenant count " + kind, "vcap").output;
  }
  // Takes all and keeps it.
  std::unique_ptr<RunningProcess> hold_all(const std::string& handle, const std::string& kind,
                                           const std::string& user) {
    auto running = garden_->begin(handle, shell("exec tenant count " + kind + " keep", user));
    EXPECT_TRUE(running->prints("\n"));
    return running;
  }

  std::unique_ptr<TestGarden> garden_;
};

// Refused to every user of every unprivileged container, whatever the flags.
const std::map<std::string, std::string> kAlwaysRefused{
    {"unshare-user", "EPERM"},  {"unshare-mount", "EPERM"}, {"clone-user", "EPERM"},    {"clone3", "ENOSYS"},
    {"setns", "EPERM"},         {"mount", "EPERM"},         {"umount", "EPERM"},        {"open-by-handle", "EPERM"},
    {"keyctl", "EPERM"},        {"bpf", "EPERM"},           {"perf", "EPERM"},          {"userfaultfd", "EPERM"},
    {"io-uring", "EPERM"},      {"module", "EPERM"},        {"reboot", "EPERM"},        {"disk", "EPERM"},
    {"memory-device", "EPERM"}, {"core-pattern", "EACCES"}, {"memory-limit", "EACCES"}, {"own-limits", "EACCES"},
    {"leave-root", "ENOENT"},   {"oom-score", "EACCES"}};

TEST_F(Escapes, FailInEveryContainer) {
  start();
  const auto handle = garden_->create();
  for (const char* user : {"root", "vcap"}) {
    const auto results = attempts(handle, user);
    ASSERT_GT(results.size(), 25u) << user;
    EXPECT_EQ(results.at("socket-stream"), "allowed");
    for (const auto& [name, expected] : kAlwaysRefused) {
      // Root may change its root directory, which leads nowhere; others may not.
      const bool differs = name == "leave-root" && std::string(user) == "vcap";
      EXPECT_EQ(results.at(name), differs ? "EPERM" : expected) << user << " " << name;
    }
    for (const char* name : {"sysrq", "kernel-memory", "release-agent"}) {
      EXPECT_NE(results.at(name), "allowed") << user << " " << name;
    }
  }
}

TEST_F(Escapes, FailInAProcessWithAnImageOfItsOwnToo) {
  start();
  const auto handle = garden_->create();
  auto spec = shell("tenant try");
  spec.image.uri = garden_->rootfs();
  const std::string output = garden_->run(handle, spec).output;
  for (const auto& [name, expected] : kAlwaysRefused) {
    EXPECT_NE(output.find(name + " " + expected + "\n"), std::string::npos) << name << "\n" << output;
  }
}

TEST_F(Escapes, RestrictedContainersHaveNoRawSocketsNoHypervisorAndNoSharedContexts) {
  start({"--restrict-syscalls", "--deny-raw-sockets", "--no-new-privileges"});
  const auto handle = garden_->create();
  for (const char* user : {"root", "vcap"}) {
    const auto results = attempts(handle, user);
    ASSERT_GT(results.size(), 25u) << user;
    for (const char* name : {"socket-vsock", "socket-raw", "socket-packet", "aio", "32-bit-call"}) {
      EXPECT_NE(results.at(name), "allowed") << user << " " << name;
    }
    EXPECT_EQ(results.at("socket-stream"), "allowed");
  }
  // Users other than root can still ping.
  EXPECT_EQ(attempts(handle, "vcap").at("socket-ping"), "allowed");
}

TEST_F(Escapes, KernelObjectsOfOneContainerAreNotMissingInAnotherOrOnTheHost) {
  start();
  const auto greedy = garden_->create(), other = garden_->create();
  for (const char* kind : {"inotify", "queues", "signals"}) {
    const std::string alone = take_all(greedy, kind);
    EXPECT_GT(std::stoi(alone), 0) << kind;
    const auto held = hold_all(greedy, kind, "vcap");
    EXPECT_EQ(std::stoi(held->output), std::stoi(alone)) << kind;
    // All users of a container together have what it may have.
    EXPECT_EQ(std::stoi(garden_->run(greedy, std::string("tenant count ") + kind, "root").output), 0) << kind;
    EXPECT_EQ(take_all(other, kind), alone) << kind;
    if (std::string(kind) == "inotify") {
      const base::UniqueFd ours(::inotify_init1(IN_CLOEXEC));
      EXPECT_TRUE(ours);
    }
    garden_->await(held->process->signal(api::Signal::kKill));
    held->wait();
  }
}

// Pages of pipes are counted by host user, and by no namespace: users of the same number in two containers are two.
TEST_F(Escapes, WhatTheKernelCountsByUserIsAContainersOwn) {
  start();
  const auto greedy = garden_->create(), other = garden_->create();
  const std::string alone = take_all(greedy, "pipes");
  EXPECT_GT(std::stoi(alone), 0);
  const auto held = hold_all(greedy, "pipes", "vcap");
  EXPECT_EQ(held->output, alone);
  EXPECT_EQ(take_all(greedy, "pipes"), "0\n");
  EXPECT_EQ(take_all(other, "pipes"), alone);
  garden_->await(held->process->signal(api::Signal::kKill));
  held->wait();
}

TEST_F(Escapes, ContainersThatAskForNoLimitHaveTheCellsCeilings) {
  start({"--default-container-memory-limit", "50000000", "--default-container-pid-limit", "20"});
  api::ContainerSpec spec;
  spec.handle = "unlimited";
  garden_->create(spec);
  EXPECT_EQ(garden_->await(garden_->client().metrics("unlimited")).pid.max, 20u);
  EXPECT_EQ(garden_->run("unlimited", "exec tail /dev/zero").status, 128 + 9);
  auto pea = shell("exec tail /dev/zero");
  pea.image.uri = garden_->rootfs();
  pea.limits = api::ProcessLimits{};
  EXPECT_EQ(garden_->run("unlimited", pea).status, 128 + 9);
  spec.handle = "limited";
  spec.limits.memory.limit_in_bytes = 90'000'000;
  spec.limits.pid.max = 30;
  garden_->create(spec);
  EXPECT_EQ(garden_->await(garden_->client().metrics("limited")).pid.max, 30u);
  EXPECT_EQ(garden_->run("limited", "head -c 60000000 /dev/zero | tail -c 60000000 | wc -c").output, "60000000\n");
}

TEST_F(Escapes, NoDescriptorOfTheHostIsOpenInAProcess) {
  start();
  const auto handle = garden_->create();
  const std::string look = "for f in /proc/$$/fd/*; do readlink $f; done | grep -v '^pipe:'";
  EXPECT_EQ(garden_->run(handle, look).output, "");
  auto pea = shell(look);
  pea.image.uri = garden_->rootfs();
  EXPECT_EQ(garden_->run(handle, pea).output, "");
}

}  // namespace
}  // namespace rivera::garden
