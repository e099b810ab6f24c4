// A create or destroy that fails, or whose server is killed, at every step.
#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/gardener/gardener.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

const api::PropertyFilter kAll{{"garden.state", "all"}};

api::ContainerSpec a_spec() {
  api::ContainerSpec spec;
  spec.handle = "h";
  spec.netin = {{0, 8080}};
  spec.limits.disk.byte_hard = 16 << 20;
  spec.limits.disk.exclusive_scope = true;
  return spec;
}

asio::awaitable<void> create_and_destroy(Gardener& gardener) {
  co_await gardener.start();
  co_await gardener.create(a_spec());
  co_await gardener.destroy("h");
  co_await gardener.stop();
}

// The same with a process that has an image of its own, to its end.
asio::awaitable<void> create_with_pea_and_destroy(Gardener& gardener, std::string image) {
  co_await gardener.start();
  co_await gardener.create(a_spec());
  api::ProcessSpec spec = shell("exit 4");
  spec.id = "p";
  spec.image.uri = std::move(image);
  ProcessSession session = co_await gardener.run("h", std::move(spec));
  for (;;) {
    const auto frame = co_await session.shim->receive();
    if (!frame || frame->type == shim::FrameType::kExit) break;
  }
  co_await gardener.process_ended(session.container, "p", session.pid, true);
  while (!session.container->record.peas.empty()) co_await base::sleep_for(std::chrono::milliseconds(5));
  co_await gardener.destroy("h");
  co_await gardener.stop();
}

class Interruption : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
    garden_ = std::make_unique<TestGarden>();
    garden_->terminate();
  }
  std::unique_ptr<Gardener> gardener(Gardener::StepObserver observer) {
    return std::make_unique<Gardener>(garden_->context().get_executor(), workers_, garden_->options(),
                                      base::Logger::discard(), std::move(observer));
  }
  using Life = std::function<asio::awaitable<void>(Gardener&)>;
  Life with_pea() {
    return [image = garden_->rootfs()](Gardener& g) { return create_with_pea_and_destroy(g, image); };
  }
  // Every step of a create and a destroy, in order.
  std::vector<std::string> steps(const Life& life = create_and_destroy) {
    std::vector<std::string> names;
    const auto recorder = gardener([&names](const std::string& step) { names.push_back(step); });
    garden_->await(life(*recorder));
    return names;
  }
  // Creates and destroys in a process of its own, which is killed at `step`. True if it came there.
  bool kill_at(const std::string& step, const Life& life = create_and_destroy) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      asio::io_context context(1);
      base::WorkerPool workers(4);
      Gardener gardener(context.get_executor(), workers, garden_->options(), base::Logger::discard(),
                        [&step](const std::string& reached) {
                          if (reached == step) ::kill(::getpid(), SIGKILL);
                        });
      asio::co_spawn(context, life(gardener), asio::detached);
      context.run();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
  void expect_nothing_left(const std::string& when) {
    EXPECT_TRUE(garden_->eventually([&] { return garden_->await(garden_->client().containers(kAll)).empty(); }))
        << when;
    // A container that is being destroyed is not listed, and may be in the background.
    garden_->eventually([&] { return garden_->left_overs_of_containers().empty(); });
    EXPECT_EQ(garden_->left_overs_of_containers(), std::vector<std::string>{}) << when;
  }

  std::unique_ptr<TestGarden> garden_;
  base::WorkerPool workers_{4};
};

TEST_F(Interruption, AServerKilledAtAnyStepFinishesOrUndoesItAtTheNextStart) {
  const auto names = steps();
  ASSERT_GT(names.size(), 20u);
  for (const auto& step : names) {
    ASSERT_TRUE(kill_at(step)) << step;
    garden_->start();
    expect_nothing_left(step);
    garden_->terminate();
  }
  EXPECT_EQ(garden_->clean_up(), 0);
  EXPECT_EQ(garden_->left_overs(), std::vector<std::string>{});
}

TEST_F(Interruption, AServerKilledAtAnyStepOfAProcessWithAnImageLeavesNothingOfIt) {
  const std::string run_dir = garden_->options().run_dir;
  const std::string group_of_process = "*/garden-" + garden_->options().tag + "/h/p";
  int killed = 0;
  for (const auto& step : steps(with_pea())) {
    if (step.find(" pea ") == std::string::npos) continue;
    ++killed;
    ASSERT_TRUE(kill_at(step, with_pea())) << step;
    garden_->start();
    // The container stays; of the process nothing does.
    EXPECT_EQ(garden_->await(garden_->client().containers()), std::vector<std::string>{"h"}) << step;
    EXPECT_TRUE(garden_->eventually([&] {
      const std::string mounts = base::read_file("/proc/self/mounts");
      const auto groups = base::run_command({"find", "/sys/fs/cgroup/", "-path", group_of_process}).output;
      return groups.empty() && mounts.find(run_dir + "/rootfs/p ") == std::string::npos;
    })) << step;
    EXPECT_EQ(garden_->run("h", "echo ok").output, "ok\n") << step;
    garden_->await(garden_->client().destroy("h"));
    expect_nothing_left(step);
    garden_->terminate();
  }
  EXPECT_GT(killed, 15);
}

TEST_F(Interruption, APartThatFailsToRemoveItsShareKeepsNoOtherFromIt) {
  bool is_faulty = true;
  const auto faulty = gardener([&is_faulty](const std::string& step) {
    if (is_faulty && (step == "cleanup network" || step == "cleanup cgroups")) throw std::runtime_error("no " + step);
  });
  garden_->await(faulty->start());
  garden_->await(faulty->create(a_spec()));
  try {
    garden_->await(faulty->destroy("h"));
    ADD_FAILURE() << "the destruction succeeded";
  } catch (const api::GardenError& e) {
    EXPECT_STREQ(e.what(), "2 errors occurred:\n\t* no cleanup network\n\t* no cleanup cgroups\n\n");
  }
  EXPECT_EQ(faulty->list(kAll), std::vector<std::string>{"h"});
  // The image, which is behind both, is gone.
  EXPECT_EQ(base::read_file("/proc/self/mounts").find(garden_->options().run_dir + "/rootfs/h "), std::string::npos);
  is_faulty = false;
  garden_->await(faulty->destroy("h"));
  EXPECT_EQ(garden_->left_overs_of_containers(), std::vector<std::string>{});
  garden_->await(faulty->stop());
}

TEST_F(Interruption, CleanupAloneRemovesWhatAKilledServerLeft) {
  for (const char* step : {"prepare images done", "prepare runtime done", "launch network done", "cleanup network"}) {
    ASSERT_TRUE(kill_at(step)) << step;
    EXPECT_EQ(garden_->clean_up(), 0);
    EXPECT_EQ(garden_->left_overs(), std::vector<std::string>{}) << step;
  }
}

TEST_F(Interruption, AStepThatFailsIsUndoneOrTriedAgain) {
  const auto names = steps();
  const auto last_of_create = std::find(names.begin(), names.end(), "finish create");
  ASSERT_NE(last_of_create, names.end());
  std::string failing;
  const auto faulty = gardener([&failing](const std::string& step) {
    if (step == failing) throw std::runtime_error("fault at " + step);
  });
  garden_->await(faulty->start());
  std::string address;
  for (auto step = names.begin(); step != last_of_create + 1; ++step) {
    failing = *step;
    EXPECT_THROW(garden_->await(faulty->create(a_spec())), std::runtime_error) << failing;
    EXPECT_EQ(faulty->list(kAll), std::vector<std::string>{}) << failing;
    EXPECT_EQ(garden_->left_overs_of_containers(), std::vector<std::string>{}) << failing;
  }
  for (auto step = last_of_create + 1; step != names.end(); ++step) {
    failing.clear();
    garden_->await(faulty->create(a_spec()));
    // What failed creates had reserved was given back.
    const auto info = garden_->await(faulty->info("h"));
    if (address.empty()) address = info.container_ip;
    EXPECT_EQ(info.container_ip, address);
    failing = *step;
    EXPECT_THROW(garden_->await(faulty->destroy("h")), std::runtime_error) << failing;
    EXPECT_EQ(faulty->list(kAll), std::vector<std::string>{"h"}) << failing;
    failing.clear();
    garden_->await(faulty->destroy("h"));
    EXPECT_EQ(garden_->left_overs_of_containers(), std::vector<std::string>{}) << *step;
  }
  garden_->await(faulty->stop());
}

TEST_F(Interruption, AServerKilledAtAnyMomentLeavesNothing) {
  for (int moment = 0; moment < 12; ++moment) {
    garden_->start();
    bool has_ended = false;
    asio::co_spawn(garden_->context(), garden_->client().create(a_spec()),
                   [&](std::exception_ptr, std::string) { has_ended = true; });
    garden_->await(base::sleep_for(std::chrono::milliseconds(15 * moment)));
    bool is_destroyed = true;
    if (has_ended) {
      is_destroyed = false;
      asio::co_spawn(garden_->context(), garden_->client().destroy("h"),
                     [&](std::exception_ptr) { is_destroyed = true; });
      garden_->await(base::sleep_for(std::chrono::milliseconds(7 * (moment % 4))));
    }
    garden_->kill();
    EXPECT_TRUE(garden_->eventually([&] { return has_ended && is_destroyed; }));
    garden_->start();
    const auto survivors = garden_->await(garden_->client().containers());
    for (const auto& handle : survivors) {
      try {
        garden_->await(garden_->client().destroy(handle));
      } catch (const api::GardenError&) {
        // The upkeep destroys it already.
      }
    }
    expect_nothing_left("moment " + std::to_string(moment));
    garden_->terminate();
  }
}

}  // namespace
}  // namespace rivera::garden
