// Real containers: processes, limits, files, create and destroy.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

class RealContainers : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
    garden_ = std::make_unique<TestGarden>();
  }
  clients::GardenClient& client() { return garden_->client(); }

  std::unique_ptr<TestGarden> garden_;
};

std::string run_with_input(const std::vector<std::string>& command, std::string input = "") {
  base::CommandOptions options;
  options.input = std::move(input);
  options.output_limit = 16u << 20;
  return base::must_run(command, options);
}

net::BodySource pieces_of(std::string bytes) {
  auto left = std::make_shared<std::string>(std::move(bytes));
  return [left]() -> asio::awaitable<std::string> {
    std::string piece = left->substr(0, 10'000);
    left->erase(0, piece.size());
    co_return piece;
  };
}

asio::awaitable<std::string> read_all(std::unique_ptr<clients::GardenTarStream> stream) {
  std::string bytes;
  for (;;) {
    const std::string piece = co_await stream->read();
    if (piece.empty()) co_return bytes;
    bytes += piece;
  }
}

TEST_F(RealContainers, AProcessHasOutputErrorsAndAnExitStatus) {
  const auto handle = garden_->create();
  const auto finished = garden_->run(handle, "echo out; echo err >&2; exit 42");
  EXPECT_EQ(finished.status, 42);
  EXPECT_EQ(finished.output, "out\n");
  EXPECT_EQ(finished.error, "err\n");
}

TEST_F(RealContainers, AllOutputOfALargeWriterArrives) {
  const auto handle = garden_->create();
  const auto finished = garden_->run(handle, "seq 1 200000 | md5sum; seq 1 200000");
  EXPECT_EQ(finished.output.size(), 1288895u + finished.output.find('\n') + 1);
  EXPECT_TRUE(finished.output.ends_with("199999\n200000\n"));
}

TEST_F(RealContainers, AProcessReadsWhatItIsGivenUntilItsInputIsClosed) {
  const auto handle = garden_->create();
  const auto running = garden_->begin(handle, shell("cat; echo end"));
  garden_->await(running->process->write_input("hello\n"));
  garden_->await(running->process->write_input("wörld\n"));
  garden_->await(running->process->close_input());
  EXPECT_EQ(running->wait(), 0);
  EXPECT_EQ(running->output, "hello\nwörld\nend\n");
}

TEST_F(RealContainers, SignalsReachTheProcess) {
  const auto handle = garden_->create();
  const auto polite =
      garden_->begin(handle, shell("trap 'echo bye; exit 3' TERM; echo ready; while true; do sleep 0.05; done"));
  ASSERT_TRUE(polite->prints("ready"));
  garden_->await(polite->process->signal(api::Signal::kTerminate));
  EXPECT_EQ(polite->wait(), 3);
  EXPECT_TRUE(polite->output.ends_with("bye\n"));
  const auto stubborn = garden_->begin(handle, shell("trap '' TERM; echo ready; while true; do sleep 0.05; done"));
  ASSERT_TRUE(stubborn->prints("ready"));
  garden_->await(stubborn->process->signal(api::Signal::kKill));
  EXPECT_EQ(stubborn->wait(), 128 + 9);
}

TEST_F(RealContainers, AnAttachedClientSeesOutputAndExitAndLaterOnesTheExit) {
  const auto handle = garden_->create();
  auto spec = shell("read line; echo got $line; exit 5");
  spec.id = "worker";
  const auto first = garden_->begin(handle, spec);
  const auto second = garden_->attach(handle, "worker");
  garden_->await(second->process->write_input("x\n"));
  EXPECT_EQ(second->wait(), 5);
  EXPECT_EQ(first->wait(), 5);
  EXPECT_EQ(first->output, "got x\n");
  EXPECT_EQ(second->output, "got x\n");
  const auto late = garden_->attach(handle, "worker");
  EXPECT_EQ(late->wait(), 5);
  EXPECT_THROW(garden_->attach(handle, "nobody"), api::ProcessNotFoundError);
}

TEST_F(RealContainers, AProcessContinuesWhenItsClientLeaves) {
  const auto handle = garden_->create();
  auto spec = shell("echo begun; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo unread; exit 7");
  spec.id = "p";
  auto running = garden_->begin(handle, spec);
  ASSERT_TRUE(running->prints("begun"));
  running.reset();
  EXPECT_EQ(garden_->run(handle, "touch /tmp/go").status, 0);
  const auto again = garden_->attach(handle, "p");
  EXPECT_EQ(again->wait(), 7);
}

TEST_F(RealContainers, ATerminalHasTheSizeAskedForAndMayChangeIt) {
  const auto handle = garden_->create();
  // crun sets the size while the process already runs.
  auto spec =
      shell("while ! stty size 2>/dev/null; do usleep 20000; done; read x; stty size; test -t 0 && echo terminal");
  spec.tty = api::TtySpec{api::WindowSize{100, 30}};
  const auto running = garden_->begin(handle, spec);
  ASSERT_TRUE(running->prints("30 100"));
  garden_->await(running->process->set_window_size(api::WindowSize{120, 40}));
  garden_->await(running->process->write_input("\n"));
  EXPECT_EQ(running->wait(), 0);
  EXPECT_NE(running->output.find("40 120"), std::string::npos) << running->output;
  EXPECT_NE(running->output.find("terminal"), std::string::npos);
}

TEST_F(RealContainers, AProcessHasTheUserEnvironmentAndDirectoryOfItsSpec) {
  api::ContainerSpec container;
  container.env = {"A=container", "B=container"};
  const auto handle = garden_->create(container);
  auto spec = shell("id; pwd; env | sort; stat -c %u:%g /made/by/run", "vcap");
  spec.env = {"B=process", "C=process"};
  spec.dir = "/made/by/run";
  const auto finished = garden_->run(handle, spec);
  EXPECT_EQ(finished.status, 0) << finished.error;
  EXPECT_NE(finished.output.find("uid=2000(vcap) gid=2000(vcap) groups=3000(extra)"), std::string::npos)
      << finished.output;
  EXPECT_NE(finished.output.find("\n/made/by/run\n"), std::string::npos);
  for (const char* line : {"A=container\n", "B=process\n", "C=process\n", "HOME=/home/vcap\n", "USER=vcap\n",
                           "PATH=/usr/local/bin:/usr/bin:/bin\n", "2000:2000\n"}) {
    EXPECT_NE(finished.output.find(line), std::string::npos) << line << finished.output;
  }
}

TEST_F(RealContainers, AUserWithAGroupHasThatGroupOnly) {
  const auto handle = garden_->create();
  const auto finished = garden_->run(handle, shell("id; echo $USER", "vcap:extra"));
  EXPECT_EQ(finished.output, "uid=2000(vcap) gid=3000(extra)\nvcap:extra\n");
}

TEST_F(RealContainers, DotDotInAWorkingDirectoryIsResolvedAsText) {
  const auto handle = garden_->create();
  auto spec = shell("pwd");
  spec.dir = "/home/vcap/../../var/./made/../../../tmp/here/";
  EXPECT_EQ(garden_->run(handle, spec).output, "/tmp/here\n");
}

TEST_F(RealContainers, AContainerIsConfined) {
  const auto handle = garden_->create();
  const auto root =
      garden_->run(handle,
                   "cat /proc/self/uid_map; grep -E 'CapEff|CapBnd|Seccomp:' /proc/self/status; hostname; "
                   "cat /proc/1/comm; ls /proc/self/fd | wc -l; ls /proc/scsi /sys/firmware | wc -l");
  std::istringstream map(root.output);
  std::uint64_t inside = 1, outside = 0, length = 0;
  map >> inside >> outside >> length;
  EXPECT_EQ(inside, 0u) << root.output;
  EXPECT_GT(outside, 65'536u) << root.output;
  EXPECT_EQ(length, 65'536u) << root.output;
  EXPECT_NE(root.output.find("CapEff:\t00000000a80425fb\n"), std::string::npos) << root.output;
  EXPECT_NE(root.output.find("CapBnd:\t00000000a80425fb\n"), std::string::npos);
  EXPECT_NE(root.output.find("Seccomp:\t2\n"), std::string::npos);
  EXPECT_NE(root.output.find(handle + "\ngarden-init\n4\n"), std::string::npos) << root.output;
  EXPECT_NE(garden_->run(handle, "mount -t tmpfs none /tmp").status, 0);
  EXPECT_NE(garden_->run(handle, "echo 1 > /proc/sys/kernel/panic").status, 0);
  EXPECT_NE(garden_->run(handle, "cat /proc/kcore").status, 0);
  const auto user = garden_->run(handle, "grep -E 'CapEff|CapInh' /proc/self/status", "vcap");
  EXPECT_NE(user.output.find("CapEff:\t0000000000000000\n"), std::string::npos) << user.output;
}

TEST_F(RealContainers, FailuresToStartAProcessSayWhy) {
  const auto handle = garden_->create();
  api::ProcessSpec missing;
  missing.path = "/no/such/program";
  EXPECT_THROW(garden_->run(handle, missing), api::ExecutableNotFoundError);
  missing.path = "no-such-program";
  EXPECT_THROW(garden_->run(handle, missing), api::ExecutableNotFoundError);
  try {
    garden_->run(handle, "true", "nobody-here");
    FAIL() << "an unknown user ran a process";
  } catch (const api::GardenError& e) {
    EXPECT_NE(std::string(e.what()).find("unable to find user nobody-here: no matching entries in passwd file"),
              std::string::npos);
  }
  EXPECT_THROW(garden_->run("unknown", "true"), api::ContainerNotFoundError);
  auto twice = shell("true");
  twice.id = "same";
  EXPECT_EQ(garden_->run(handle, twice).status, 0);
  EXPECT_THROW(garden_->run(handle, twice), api::GardenError);
}

TEST_F(RealContainers, MemoryBeyondTheLimitEndsTheProcessAndIsReported) {
  api::ContainerSpec spec;
  spec.limits.memory.limit_in_bytes = 32 << 20;
  const auto handle = garden_->create(spec);
  EXPECT_EQ(garden_->run(handle, "head -c 100000 /dev/zero | tail | wc -c").output, "100000\n");
  EXPECT_TRUE(garden_->await(client().info(handle)).events.empty());
  const auto greedy = garden_->run(handle, "exec tail /dev/zero");
  EXPECT_EQ(greedy.status, 128 + 9);
  EXPECT_EQ(garden_->await(client().info(handle)).events, std::vector<std::string>{"Out of memory"});
  const auto metrics = garden_->await(client().metrics(handle));
  EXPECT_LE(metrics.total_usage_toward_limit, 32u << 20);
}

TEST_F(RealContainers, ProcessesBeyondTheLimitCannotBeMade) {
  api::ContainerSpec spec;
  spec.limits.pid.max = 12;
  const auto handle = garden_->create(spec);
  const auto finished = garden_->run(handle, "for i in $(seq 1 30); do sleep 20 & done; echo all");
  EXPECT_EQ(finished.output, "");
  EXPECT_NE(finished.status, 0);
  EXPECT_EQ(garden_->await(client().metrics(handle)).pid.max, 12u);
}

TEST_F(RealContainers, MetricsCountProcessorMemoryAndDisk) {
  const auto handle = garden_->create();
  garden_->run(handle, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; dd if=/dev/zero of=/var/file bs=1M count=3");
  const auto metrics = garden_->await(client().metrics(handle));
  EXPECT_GT(metrics.cpu.usage, 1'000'000u);
  EXPECT_GT(metrics.memory.size(), 20u);
  EXPECT_GE(metrics.disk.exclusive_bytes_used, 3u << 20);
  std::uintmax_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(garden_->rootfs())) {
    if (entry.is_regular_file() && !entry.is_symlink()) files += entry.file_size();
  }
  const auto image = metrics.disk.total_bytes_used - metrics.disk.exclusive_bytes_used;
  EXPECT_GE(image, files);
  EXPECT_LE(image, files + 4096);
  EXPECT_GT(metrics.age_ns, 0);
  const auto bulk = garden_->await(client().bulk_metrics({handle, "unknown"}));
  EXPECT_GT(bulk.at(handle).value.cpu.usage, 0u);
  EXPECT_EQ(bulk.at("unknown").error, "unknown handle: unknown");
}

TEST_F(RealContainers, FilesGoInAndOut) {
  const auto handle = garden_->create();
  const std::string source = garden_->directory() + "/source";
  fs::create_directories(source + "/sub/" + std::string(60, 'd') + "/" + std::string(60, 'e'));
  std::ofstream(source + "/plain") << "plain";
  std::ofstream(source + "/sub/" + std::string(60, 'd') + "/" + std::string(60, 'e') + "/deep")
      << std::string(100'000, 'x');
  fs::create_symlink("plain", source + "/link");
  fs::create_hard_link(source + "/plain", source + "/hard");
  fs::permissions(source + "/plain", fs::perms(0750));
  base::must_run({"truncate", "-s", "3M", source + "/sparse"});
  { std::fstream(source + "/sparse", std::ios::in | std::ios::out).seekp(1 << 20) << "middle"; }
  for (const std::string format : {"gnu", "pax", "ustar"}) {
    std::vector<std::string> pack{"tar", "--format=" + format, "-C", source, "-cf", "-", "."};
    if (format != "ustar") pack.insert(pack.begin() + 1, "--sparse");
    garden_->await(client().stream_in(handle, "vcap", "to/" + format, pieces_of(run_with_input(pack))));
    const auto listing = garden_->run(
        handle,
        "cd /home/vcap/to/" + format +
            "; cat plain hard link; stat -c '%a %U %h' plain; cat sub/*/*/deep | wc -c; "
            "stat -c '%s %U' sparse; dd if=sparse bs=1 skip=1048576 count=6 2>/dev/null; ls -d /home/vcap/to | wc -l");
    EXPECT_EQ(listing.output, "plainplainplain750 vcap 2\n100000\n3145728 vcap\nmiddle1\n") << format << listing.error;
    std::string out =
        garden_->await(read_all(garden_->await(client().stream_out(handle, "root", "/home/vcap/to/" + format))));
    const std::string target = garden_->directory() + "/out-" + format;
    fs::create_directories(target);
    run_with_input({"tar", "-xf", "-", "-C", target}, out);
    base::must_run({"diff", "-r", "--no-dereference", source, target + "/" + format});
  }
  const auto content = garden_->await(read_all(garden_->await(client().stream_out(handle, "vcap", "to/gnu/"))));
  EXPECT_EQ(run_with_input({"tar", "-tf", "-", "./plain"}, content), "./plain\n");
}

TEST_F(RealContainers, FileTransfersThatFailAreErrors) {
  const auto handle = garden_->create();
  EXPECT_THROW(garden_->await(client().stream_out(handle, "", "/no/such/file")), api::GardenError);
  EXPECT_THROW(garden_->await(client().stream_in(handle, "no-such-user", "/tmp", pieces_of(std::string(1024, '\0')))),
               api::GardenError);
  EXPECT_THROW(garden_->await(client().stream_in(handle, "", "/tmp", pieces_of(std::string(1024, 'x')))),
               api::GardenError);
  EXPECT_THROW(garden_->await(client().stream_in("unknown", "", "/tmp", pieces_of(""))), api::ContainerNotFoundError);
  // An absolute link in the container leads nowhere but into the container.
  garden_->run(handle, "ln -s /var/outside /tmp/escape; mkdir /var/outside");
  const std::string source = garden_->directory() + "/escape-source";
  fs::create_directories(source + "/escape");
  std::ofstream(source + "/escape/file") << "x";
  const auto tar = base::must_run({"tar", "-C", source, "-cf", "-", "escape/file"});
  garden_->await(client().stream_in(handle, "", "/tmp", pieces_of(tar)));
  EXPECT_FALSE(fs::exists("/var/outside"));
  EXPECT_EQ(garden_->run(handle, "cat /var/outside/file").output, "x");
}

TEST_F(RealContainers, BindMountsAreReadOnlyUnlessReadWriteIsAskedFor) {
  const std::string shared = garden_->directory() + "/shared";
  fs::create_directories(shared);
  fs::permissions(shared, fs::perms(0777));
  std::ofstream(shared + "/file") << "from the host";
  api::ContainerSpec spec;
  spec.bind_mounts = {{shared, "/mnt/ro", false}, {shared, "/mnt/rw", true}};
  const auto handle = garden_->create(spec);
  EXPECT_EQ(garden_->run(handle, "cat /mnt/ro/file", "vcap").output, "from the host");
  EXPECT_NE(garden_->run(handle, "touch /mnt/ro/new").status, 0);
  EXPECT_EQ(garden_->run(handle, "touch /mnt/rw/new").status, 0);
  EXPECT_TRUE(fs::exists(shared + "/new"));
}

TEST_F(RealContainers, APrivilegedContainerHasNoUserNamespace) {
  api::ContainerSpec spec;
  spec.privileged = true;
  const auto handle = garden_->create(spec);
  const auto finished = garden_->run(handle, "cat /proc/self/uid_map; mount -t tmpfs none /tmp && echo mounted");
  EXPECT_NE(finished.output.find("0          0 4294967295"), std::string::npos) << finished.output;
  EXPECT_NE(finished.output.find("mounted"), std::string::npos);
  garden_->await(client().stream_in(handle, "vcap", "/home/vcap",
                                    pieces_of(base::must_run({"tar", "-C", garden_->rootfs(), "-cf", "-", "etc"}))));
  EXPECT_EQ(garden_->run(handle, "stat -c %U /home/vcap/etc/passwd").output, "vcap\n");
}

TEST_F(RealContainers, StopEndsAllProcessesButTheFirst) {
  const auto handle = garden_->create();
  const auto running =
      garden_->begin(handle, shell("trap '' TERM; echo ready; sleep 1000 & while true; do sleep 1; done"));
  ASSERT_TRUE(running->prints("ready"));
  garden_->await(client().stop(handle, true));
  EXPECT_EQ(running->wait(), 128 + 9);
  EXPECT_EQ(garden_->await(client().info(handle)).state, "stopped");
  EXPECT_EQ(garden_->run(handle, "ps -o comm | grep -c sleep").output, "0\n");
}

TEST_F(RealContainers, StopRepeatsItsSignalNoMoreOftenThanEachSecond) {
  const auto handle = garden_->create();
  const auto running =
      garden_->begin(handle, shell("trap 'echo signalled; n=$((n+1)); [ $n -ge 3 ] && exit 0' TERM; echo ready; "
                                   "while true; do usleep 20000; done"));
  ASSERT_TRUE(running->prints("ready"));
  const auto before = std::chrono::steady_clock::now();
  garden_->await(client().stop(handle, false));
  EXPECT_EQ(running->wait(), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::seconds(2));
  EXPECT_EQ(running->output, "ready\nsignalled\nsignalled\nsignalled\n");
}

TEST_F(RealContainers, OrphansAreReapedByTheFirstProcess) {
  const auto handle = garden_->create();
  garden_->run(handle, "(sleep 0.1 &) ; (sleep 0.1 &)");
  EXPECT_TRUE(
      garden_->eventually([&] { return garden_->run(handle, "ps -o stat,comm | grep -c sleep").output == "0\n"; }));
}

TEST_F(RealContainers, PropertiesAreKeptAndListed) {
  api::ContainerSpec one, two;
  one.handle = "one", one.properties = {{"owner", "a"}, {"x/y z", "1"}};
  two.handle = "two", two.properties = {{"owner", "a"}};
  garden_->create(one);
  garden_->create(two);
  EXPECT_EQ(garden_->await(client().containers({{"owner", "a"}})), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(garden_->await(client().containers({{"x/y z", "1"}})), std::vector<std::string>{"one"});
  garden_->await(client().set_property("two", "k", "v"));
  EXPECT_EQ(garden_->await(client().property("two", "k")), "v");
  garden_->await(client().remove_property("two", "k"));
  garden_->await(client().remove_property("two", "k"));
  EXPECT_THROW(garden_->await(client().property("two", "k")), api::GardenError);
  EXPECT_EQ(garden_->await(client().properties("one")).at("x/y z"), "1");
}

TEST_F(RealContainers, CreateRefusesInvalidSpecs) {
  api::ContainerSpec spec;
  spec.handle = "twice";
  garden_->create(spec);
  EXPECT_THROW(garden_->create(spec), api::GardenError);
  for (const char* handle : {"../up", ".", "a/b"}) {
    spec.handle = handle;
    EXPECT_THROW(garden_->create(spec), api::GardenError) << handle;
  }
  spec.handle = "no-image", spec.image.uri = "/no/such/image";
  EXPECT_THROW(garden_->create(spec), api::GardenError);
  spec.image.uri = "docker:///busybox";
  EXPECT_THROW(garden_->create(spec), api::GardenError);
  EXPECT_FALSE(fs::exists(garden_->depot() + "/no-image"));
  EXPECT_EQ(garden_->await(client().containers({{"garden.state", "all"}})), std::vector<std::string>{"twice"});
}

TEST_F(RealContainers, ATarFileMakesARootFileSystem) {
  const std::string tar = garden_->directory() + "/rootfs.tar.gz";
  base::must_run({"tar", "-C", garden_->rootfs(), "-czf", tar, "."});
  api::ContainerSpec spec;
  spec.image.uri = tar;
  const auto handle = garden_->create(spec);
  EXPECT_EQ(garden_->run(handle, "stat -c '%U' /home/vcap /bin/busybox /").output, "vcap\nroot\nroot\n");
}

TEST_F(RealContainers, TheGraceTimeEndsAContainerThatIsNotUsed) {
  api::ContainerSpec spec;
  spec.handle = "short";
  spec.grace_time_ns = 700'000'000;
  garden_->create(spec);
  {
    const auto running = garden_->begin("short", shell("sleep 1.5"));
    EXPECT_EQ(running->wait(), 0);  // longer than the grace time, but in use
  }
  EXPECT_TRUE(garden_->eventually([&] { return garden_->await(client().containers()).empty(); }));
}

TEST_F(RealContainers, ADestroyThatHangsDelaysNoOtherGraceTime) {
  api::ContainerSpec spec;
  spec.grace_time_ns = 300'000'000;
  spec.handle = "hangs";
  garden_->create(spec);
  const std::string shim = base::must_run({"pgrep", "-f", "garden-shim supervise " + garden_->depot() + "/hangs"});
  const auto pid = static_cast<pid_t>(std::stol(shim));
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  spec.handle = "next";
  garden_->create(spec);
  const auto is_listed = [&](const std::string& handle) {
    const auto handles = garden_->await(client().containers({{"garden.state", "all"}}));
    return std::find(handles.begin(), handles.end(), handle) != handles.end();
  };
  EXPECT_TRUE(garden_->eventually([&] { return !is_listed("next"); }, std::chrono::seconds(8)));
  EXPECT_TRUE(is_listed("hangs"));
  ASSERT_EQ(::kill(pid, SIGCONT), 0);
  EXPECT_TRUE(garden_->eventually([&] { return !is_listed("hangs"); }));
}

TEST_F(RealContainers, AUserOutsideTheIdsOfTheContainerIsAnError) {
  const auto handle = garden_->create();
  for (const char* user : {"65536", "4294967294", "0:4294967294", "4294967295", "4294967296"}) {
    auto spec = shell("id", user);
    spec.dir = "/made-for-nobody";
    EXPECT_THROW(garden_->run(handle, spec), api::GardenError) << user;
  }
  EXPECT_NE(garden_->run(handle, "ls -d /made-for-nobody").status, 0);
}

TEST_F(RealContainers, WhatIsStreamedInCountsTowardsTheMemoryLimit) {
  api::ContainerSpec spec;
  spec.limits.memory.limit_in_bytes = 48u << 20;
  const auto handle = garden_->create(spec);
  const std::string file = garden_->directory() + "/big";
  base::must_run({"truncate", "-s", "100M", file});
  const std::string head = run_with_input({"tar", "-P", "-cf", "-", file}).substr(0, 512);
  auto sent = std::make_shared<int>(0);
  const net::BodySource tar = [head, sent]() -> asio::awaitable<std::string> {
    if (++*sent == 1) co_return head;
    co_return std::string(*sent > 102 ? 0 : 1u << 20, '\0');
  };
  EXPECT_THROW(garden_->await(client().stream_in(handle, "", "/dev/shm", tar)), api::GardenError);
  const auto metrics = garden_->await(client().metrics(handle));
  EXPECT_LE(metrics.total_usage_toward_limit, 48u << 20);
  EXPECT_GE(metrics.total_usage_toward_limit, 20u << 20) << "the pages are not the container's";
  // A file system in memory holds no more than the limit allows.
  EXPECT_NE(garden_->run(handle, "grep ' /dev/shm ' /proc/mounts").output.find("size=24576k"), std::string::npos);
  EXPECT_NE(garden_->run(handle, "grep ' /dev ' /proc/mounts").output.find("size=65536k"), std::string::npos);
}

TEST_F(RealContainers, ManyAreMadeAndDestroyedAtOnce) {
  constexpr int kMany = 8;
  int created = 0, destroyed = 0;
  for (int i = 0; i < kMany; ++i) {
    api::ContainerSpec spec;
    spec.handle = "many-" + std::to_string(i);
    asio::co_spawn(garden_->context(), client().create(spec),
                   [&](std::exception_ptr e, std::string) { created += e ? 0 : 1; });
  }
  EXPECT_TRUE(garden_->eventually([&] { return created == kMany; }, std::chrono::seconds(90)));
  for (int i = 0; i < kMany; ++i) EXPECT_EQ(garden_->run("many-" + std::to_string(i), "echo ok").output, "ok\n");
  for (int i = 0; i < kMany; ++i) {
    asio::co_spawn(garden_->context(), client().destroy("many-" + std::to_string(i)),
                   [&](std::exception_ptr e) { destroyed += e ? 0 : 1; });
  }
  EXPECT_TRUE(garden_->eventually([&] { return destroyed == kMany; }, std::chrono::seconds(90)));
}

TEST_F(RealContainers, AServerWithoutContainersLeavesNothing) {
  garden_->terminate();
  EXPECT_EQ(garden_->clean_up(), 0);
  EXPECT_EQ(garden_->left_overs(), std::vector<std::string>{});
}

TEST_F(RealContainers, CleanupMakesNoDirectories) {
  garden_->terminate();
  ASSERT_EQ(garden_->clean_up(), 0);
  const base::TemporaryDirectory place;
  const auto depot = place.path() / "new" / "depot";
  auto words = garden_->command("cleanup");
  const auto flag = std::find(words.begin(), words.end(), "--depot");
  ASSERT_NE(flag, words.end());
  *(flag + 1) = depot.string();
  const auto result = base::run_command(words);
  EXPECT_EQ(result.exit_status, 0) << result.output << result.error;
  EXPECT_FALSE(fs::exists(depot.parent_path()));
}

TEST_F(RealContainers, GardenWithoutACommandSaysWhatThereIs) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{}, {"--bind-socket", "/nowhere"}}) {
    std::vector<std::string> argv{base::bin_dir() + "/garden"};
    argv.insert(argv.end(), words.begin(), words.end());
    const auto result = base::run_command(argv);
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_NE(result.error.find("specify one command: server, cleanup or setup"), std::string::npos) << result.error;
  }
}

TEST_F(RealContainers, DestroyLeavesNothing) {
  const auto handle = garden_->create();
  const auto running = garden_->begin(handle, shell("sleep 1000"));
  EXPECT_FALSE(garden_->left_overs().empty());
  garden_->await(client().destroy(handle));
  EXPECT_EQ(running->wait(), 128 + 9);
  EXPECT_THROW(garden_->await(client().destroy(handle)), api::ContainerNotFoundError);
  EXPECT_FALSE(fs::exists(garden_->depot() + "/" + handle));
  garden_->terminate();
  EXPECT_EQ(garden_->clean_up(), 0);
  EXPECT_EQ(garden_->left_overs(), std::vector<std::string>{});
}

}  // namespace
}  // namespace rivera::garden
