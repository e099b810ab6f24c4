#include "routing/route_registry.h"

#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "routing/route_key.h"

namespace rivera::routing {
namespace {

using namespace std::chrono_literals;

const Instant kStart{1000h};

RegistryMessage message(std::string host, std::uint16_t port, std::vector<std::string> uris,
                        std::string instance = "") {
  RegistryMessage m;
  m.host = std::move(host);
  m.port = port;
  m.uris = std::move(uris);
  m.app = "app";
  m.private_instance_id = std::move(instance);
  return m;
}

std::string first_address(const std::shared_ptr<RoutePool>& pool) {
  if (!pool) return "unknown";
  return pool->is_empty() ? "empty" : pool->elements().front().endpoint->address;
}

TEST(RouteKey, IsLowerCaseWithoutQueryAndOuterSlashes) {
  EXPECT_EQ(route_key("App.Example.COM/Path/?x=1"), "app.example.com/path");
  EXPECT_EQ(route_key("/host/"), "host");
  EXPECT_EQ(route_key("host//a"), "host//a");
  EXPECT_EQ(context_path("host/Some/Path?x"), "/Some/Path");
  EXPECT_EQ(context_path("host"), "/");
}

TEST(RouteRegistry, FindsTheLongestPathThenWildcards) {
  RouteRegistry registry({});
  registry.register_endpoint(message("h", 1, {"app.example.com"}), kStart);
  registry.register_endpoint(message("h", 2, {"app.example.com/API/v1"}), kStart);
  registry.register_endpoint(message("h", 3, {"*.example.com"}), kStart);
  registry.register_endpoint(message("h", 4, {"*.example.com/api"}), kStart);
  registry.register_endpoint(message("h", 5, {"only.path.com/x"}), kStart);
  const auto find = [&](std::string_view host, std::string_view path) {
    return first_address(registry.lookup(host, path));
  };
  EXPECT_EQ(find("app.example.com", "/"), "h:1");
  EXPECT_EQ(find("APP.example.com", "/api"), "h:1");
  EXPECT_EQ(find("app.example.com", "/api/V1"), "h:2");
  EXPECT_EQ(find("app.example.com", "/api/v1/deep/er?q=/x"), "h:2");
  EXPECT_EQ(find("app.example.com", "/api/v10"), "h:1");
  EXPECT_EQ(find("other.example.com", "/"), "h:3");
  EXPECT_EQ(find("a.b.example.com", "/api/x"), "h:4");
  EXPECT_EQ(find("*.example.com", "/"), "h:3");
  EXPECT_EQ(find("example.com", "/"), "unknown");
  EXPECT_EQ(find("only.path.com", "/"), "unknown");
  EXPECT_EQ(find("only.path.com", "/x/y"), "h:5");
  EXPECT_EQ(find("nowhere", "/a.b"), "unknown");
  EXPECT_EQ(find("localhost", "/a.example.com"), "h:3") << "the first dot may be in the path, as upstream";
}

TEST(RouteRegistry, BoundsTheCostOfLongPaths) {
  RouteRegistry registry({});
  registry.register_endpoint(message("h", 1, {"a.com/x/y"}), kStart);
  registry.register_endpoint(message("h", 2, {"*.b.com"}), kStart);
  std::string slashes(1u << 20, '/'), dots(1u << 20, '.');
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(registry.lookup("a.com", slashes), nullptr);
    EXPECT_EQ(registry.lookup("c.com", "/" + dots), nullptr);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST(RouteRegistry, ForgetsARouteWithItsLastEndpoint) {
  RouteRegistry registry({});
  registry.register_endpoint(message("h", 1, {"a", "b"}), kStart);
  registry.register_endpoint(message("h", 2, {"a"}), kStart);
  EXPECT_EQ(registry.route_count(), 2u);
  EXPECT_EQ(registry.unregister_endpoint(message("h", 1, {"a"}), kStart), 1);
  EXPECT_EQ(first_address(registry.lookup("a", "/")), "h:2");
  EXPECT_EQ(first_address(registry.lookup("b", "/")), "h:1");
  EXPECT_EQ(registry.unregister_endpoint(message("h", 9, {"a"}), kStart), 0);
  EXPECT_EQ(registry.unregister_endpoint(message("h", 2, {"a"}), kStart), 1);
  EXPECT_EQ(registry.lookup("a", "/"), nullptr);
  EXPECT_EQ(registry.route_count(), 1u);
}

TEST(RouteRegistry, MatchesUnregistrationsByTheTlsPort) {
  RouteRegistry registry({});
  auto m = message("h", 1, {"a"});
  m.tls_port = 61443;
  registry.register_endpoint(m, kStart);
  EXPECT_EQ(registry.unregister_endpoint(message("h", 1, {"a"}), kStart), 0);
  EXPECT_EQ(registry.unregister_endpoint(message("h", 61443, {"a"}), kStart), 1);
}

TEST(RouteRegistry, KeepsAnEmptyPoolForAWhileWhereAskedTo) {
  RegistryOptions options;
  options.empty_pool_503 = true;
  options.empty_pool_timeout = 10s;
  RouteRegistry registry(options);
  registry.register_endpoint(message("h", 1, {"a"}), kStart);
  registry.unregister_endpoint(message("h", 1, {"a"}), kStart);
  EXPECT_EQ(first_address(registry.lookup("a", "/")), "empty");
  registry.prune(kStart + 9s);
  EXPECT_EQ(first_address(registry.lookup("a", "/")), "empty");
  registry.prune(kStart + 11s);
  EXPECT_EQ(registry.lookup("a", "/"), nullptr);
}

TEST(RouteRegistry, HidesWildcardsBehindAnEmptyExactPool) {
  RouteRegistry registry({});
  registry.register_endpoint(message("h", 1, {"a.com"}), kStart);
  registry.register_endpoint(message("h", 2, {"*.com"}), kStart);
  const auto pool = registry.lookup("a.com", "/");
  registry.remove_failed(*pool, *pool->elements().front().endpoint, kStart);
  EXPECT_EQ(first_address(registry.lookup("a.com", "/")), "empty");
  registry.prune(kStart + 1s);
  EXPECT_EQ(first_address(registry.lookup("a.com", "/")), "h:2");
}

TEST(RouteRegistry, PrunesStaleEndpointsButNotThoseWithTls) {
  RouteRegistry registry({});
  registry.register_endpoint(message("h", 1, {"a"}), kStart);
  auto impatient = message("h", 2, {"a"});
  impatient.stale_threshold_in_seconds = 10;
  registry.register_endpoint(impatient, kStart);
  auto lazy = message("h", 4, {"a"});
  lazy.stale_threshold_in_seconds = 100'000;
  registry.register_endpoint(lazy, kStart);
  auto secure = message("h", 3, {"a"});
  secure.tls_port = 3;
  registry.register_endpoint(secure, kStart);
  EXPECT_TRUE(registry.prune(kStart + 10s).empty());
  EXPECT_EQ(registry.prune(kStart + 11s).at(0).endpoints.at(0)->address, "h:2");
  registry.register_endpoint(message("h", 1, {"a"}), kStart + 60s);
  EXPECT_EQ(registry.prune(kStart + 121s).at(0).endpoints.at(0)->address, "h:4");
  registry.refresh_all(kStart + 180s);
  EXPECT_TRUE(registry.prune(kStart + 300s).empty());
  EXPECT_EQ(registry.prune(kStart + 301s).at(0).endpoints.at(0)->address, "h:1");
  EXPECT_EQ(first_address(registry.lookup("a", "/")), "h:3");
}

TEST(RouteRegistry, TakesOnlyItsIsolationSegments) {
  RegistryOptions options;
  options.sharding = Sharding::kSharedAndSegments;
  options.isolation_segments = {"mine"};
  RouteRegistry shared(options);
  options.sharding = Sharding::kSegments;
  RouteRegistry only(options);
  for (const char* segment : {"", "mine", "theirs"}) {
    auto m = message("h", 1, {std::string("in-") + segment});
    m.isolation_segment = segment;
    shared.register_endpoint(m, kStart);
    only.register_endpoint(m, kStart);
  }
  EXPECT_EQ(shared.route_count(), 2u);
  EXPECT_EQ(only.route_count(), 1u);
  EXPECT_NE(only.lookup("in-mine", "/"), nullptr);
}

class ChooserTest : public ::testing::Test {
 protected:
  std::shared_ptr<RoutePool> pool(int endpoints, LoadBalancing algorithm = LoadBalancing::kRoundRobin) {
    auto made = std::make_shared<RoutePool>("a", "/", 30s, algorithm, 7);
    for (int i = 0; i < endpoints; ++i) {
      Endpoint e;
      e.address = fmt::format("h:{}", i);
      e.instance_id = fmt::format("i{}", i);
      e.instance_index = std::to_string(i);
      e.app = "app";
      e.availability_zone = i % 2 == 0 ? "even" : "odd";
      e.tags["process_id"] = "process";
      made->put(std::make_shared<const Endpoint>(e), kStart);
    }
    return made;
  }
  static std::string pick(EndpointChooser& chooser, Instant now = kStart) {
    const auto element = chooser.next(now);
    return element ? element->endpoint->address : "none";
  }
  static std::string pick(const std::shared_ptr<RoutePool>& from, ChooserOptions options = {}, Instant now = kStart) {
    EndpointChooser chooser(from, std::move(options), 0);
    return pick(chooser, now);
  }
};

TEST_F(ChooserTest, GoesThroughAllEndpointsInTurn) {
  const auto p = pool(3);
  std::map<std::string, int> seen;
  for (int i = 0; i < 30; ++i) ++seen[pick(p)];
  EXPECT_EQ(seen, (std::map<std::string, int>{{"h:0", 10}, {"h:1", 10}, {"h:2", 10}}));
}

TEST_F(ChooserTest, TriesEveryEndpointOnceBeforeTheFirstAgain) {
  const auto p = pool(3);
  EndpointChooser chooser(p, {}, 0);
  std::set<std::string> seen;
  for (int i = 0; i < 3; ++i) {
    const auto element = chooser.next(kStart);
    seen.insert(element->endpoint->address);
    chooser.mark_failed(*element->endpoint, kStart);
  }
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_NE(pick(chooser), "none") << "all have failed: the failure marks are cleared";
}

TEST_F(ChooserTest, AvoidsAFailedEndpointForAWhile) {
  for (const auto algorithm : {LoadBalancing::kRoundRobin, LoadBalancing::kLeastConnection}) {
    const auto p = pool(2, algorithm);
    p->mark_failed("h:0", kStart);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(pick(p, {}, kStart + 30s), "h:1");
    std::set<std::string> later;
    for (int i = 0; i < 4; ++i) {
      EndpointChooser chooser(p, {}, static_cast<std::uint32_t>(i));
      later.insert(pick(chooser, kStart + 31s));
    }
    EXPECT_EQ(later.size(), 2u);
  }
}

TEST_F(ChooserTest, RespectsTheConnectionLimit) {
  for (const auto algorithm : {LoadBalancing::kRoundRobin, LoadBalancing::kLeastConnection}) {
    const auto p = pool(2, algorithm);
    *p->elements()[0].connections = 2;
    ChooserOptions options;
    options.max_connections = 2;
    for (int i = 0; i < 4; ++i) EXPECT_EQ(pick(p, options), "h:1");
    EXPECT_FALSE(p->is_overloaded(2));
    *p->elements()[1].connections = 3;
    EXPECT_EQ(pick(p, options), "none");
    EXPECT_TRUE(p->is_overloaded(2));
    EXPECT_FALSE(p->is_overloaded(0));
  }
}

TEST_F(ChooserTest, TakesTheOneWithTheFewestConnections) {
  const auto p = pool(3, LoadBalancing::kLeastConnection);
  *p->elements()[0].connections = 5;
  *p->elements()[1].connections = 1;
  *p->elements()[2].connections = 5;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(pick(p), "h:1");
}

TEST_F(ChooserTest, PrefersTheStickyEndpoint) {
  const auto p = pool(3);
  ChooserOptions options;
  options.sticky_id = "i2";
  for (int i = 0; i < 4; ++i) EXPECT_EQ(pick(p, options), "h:2");
  EndpointChooser soft(p, options, 0);
  EXPECT_EQ(pick(soft), "h:2");
  soft.mark_failed(*p->elements()[2].endpoint, kStart);
  EXPECT_NE(pick(soft), "h:2");
  options.sticky_id = "gone";
  EXPECT_NE(pick(p, options), "none");
  options.must_stick = true;
  EXPECT_EQ(pick(p, options), "none");
  options.sticky_id = "h:1";
  EXPECT_EQ(pick(p, options), "h:1");
}

TEST_F(ChooserTest, PrefersItsZoneAtTheFirstAttempt) {
  const auto p = pool(4);
  ChooserOptions options;
  options.prefer_zone = true;
  options.zone = "odd";
  for (int i = 0; i < 8; ++i) {
    const auto address = pick(p, options);
    EXPECT_TRUE(address == "h:1" || address == "h:3") << address;
  }
  options.zone = "nowhere";
  EXPECT_NE(pick(p, options), "none");
}

TEST_F(ChooserTest, RestrictsAPoolToOneInstance) {
  const auto p = pool(3);
  EXPECT_EQ(pick(p->restricted_to_app("app", "1")), "h:1");
  EXPECT_EQ(p->restricted_to_app("app", "9"), nullptr);
  EXPECT_EQ(p->restricted_to_app("other", "1"), nullptr);
  EXPECT_EQ(p->restricted_to_process("process", "")->elements().size(), 3u);
  EXPECT_EQ(pick(p->restricted_to_process("process", "2")), "h:2");
  EXPECT_EQ(p->restricted_to_process("none", ""), nullptr);
}

TEST_F(ChooserTest, KeepsTheConnectionsOfAnEndpointThatIsRegisteredUnchanged) {
  const auto p = pool(1);
  *p->elements()[0].connections = 3;
  auto same = *p->elements()[0].endpoint;
  p->put(std::make_shared<const Endpoint>(same), kStart);
  EXPECT_EQ(*p->elements()[0].connections, 3);
  same.updated_at_ns = 7;
  p->put(std::make_shared<const Endpoint>(same), kStart);
  EXPECT_EQ(*p->elements()[0].connections, 0);
}

// A simple model of the registry: a list of (key, address, refreshed), searched from end to end.
struct Model {
  struct Entry {
    std::string key, address;
    Instant refreshed;
  };
  std::vector<Entry> entries;

  void put(const RegistryMessage& m, Instant now) {
    for (const auto& uri : m.uris) {
      const std::string address = fmt::format("{}:{}", m.host, m.port);
      bool known = false;
      for (auto& e : entries) {
        if (e.key == route_key(uri) && e.address == address) e.refreshed = now, known = true;
      }
      if (!known) entries.push_back({route_key(uri), address, now});
    }
  }
  void remove(const RegistryMessage& m) {
    for (const auto& uri : m.uris) {
      std::erase_if(entries, [&](const Entry& e) {
        return e.key == route_key(uri) && e.address == fmt::format("{}:{}", m.host, m.port);
      });
    }
  }
  void prune(Instant now) {
    std::erase_if(entries, [&](const Entry& e) { return now - e.refreshed > 120s; });
  }
  std::set<std::string> serving(const std::string& host, const std::string& path) const {
    std::string key = route_key(host + path);
    for (;;) {
      for (std::string prefix = key;;) {
        std::set<std::string> found;
        for (const auto& e : entries) {
          if (e.key == prefix) found.insert(e.address);
        }
        if (!found.empty()) return found;
        const auto slash = prefix.rfind('/');
        if (slash == std::string::npos) break;
        prefix.resize(slash);
      }
      if (key.starts_with("*.")) key.erase(0, 2);
      const auto dot = key.find('.');
      if (dot == std::string::npos) return {};
      key = "*." + key.substr(dot + 1);
    }
  }
};

TEST(RouteRegistry, AgreesWithASimpleModel) {
  const std::vector<std::string> uris = {"a.com",     "b.a.com", "*.a.com",   "*.com",      "a.com/x",
                                         "a.com/x/y", "A.com/Z", "*.a.com/x", "b.a.com/x/", "c"};
  const std::vector<std::string> hosts = {"a.com", "b.a.com", "z.b.a.com", "q.com", "c", "*.a.com"};
  const std::vector<std::string> paths = {"", "/", "/x", "/X/y", "/x/y/z", "/z", "/x//y", "/n.a.com"};
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    RouteRegistry registry({});
    Model model;
    Instant now = kStart;
    for (int step = 0; step < 150; ++step) {
      now += std::chrono::seconds(pick(20));
      auto m = message("h", static_cast<std::uint16_t>(1 + pick(3)), {uris[pick(uris.size())]});
      if (pick(4) == 0) m.uris.push_back(uris[pick(uris.size())]);
      const auto what = pick(8);
      if (what < 5) {
        registry.register_endpoint(m, now);
        model.put(m, now);
      } else if (what < 7) {
        registry.unregister_endpoint(m, now);
        model.remove(m);
      } else {
        registry.prune(now);
        model.prune(now);
      }
      const auto& host = hosts[pick(hosts.size())];
      const auto& path = paths[pick(paths.size())];
      std::set<std::string> got;
      if (const auto found = registry.lookup(host, path)) {
        for (const auto& e : found->elements()) got.insert(e.endpoint->address);
      }
      ASSERT_EQ(got, model.serving(host, path)) << "seed " << seed << " step " << step << ": " << host << path;
    }
    std::set<std::string> keys;
    for (const auto& e : model.entries) keys.insert(e.key);
    ASSERT_EQ(registry.route_count(), keys.size());
  }
}

}  // namespace
}  // namespace rivera::routing
