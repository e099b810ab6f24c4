#include "sql/testing/database_relay.h"

#include <fmt/format.h>

namespace rivera::sql {

DatabaseRelay::DatabaseRelay(const TestServer& server)
    : server_(server.config()), relay_("unix:" + server.socket_path()) {}

DatabaseConfig DatabaseRelay::config() const {
  DatabaseConfig config = server_;
  config.connection_string = config.engine == Engine::kPostgres
                                 ? fmt::format("host=127.0.0.1 port={} user=postgres dbname=rivera", relay_.port())
                                 : fmt::format("root@tcp({})/rivera", relay_.address());
  return config;
}

void DatabaseRelay::cut_at_next_commit(Moment moment) {
  using Fate = base::TestRelay::Fate;
  const Fate fate = moment == Moment::kBeforeCommit ? Fate::kCutBefore : Fate::kCutAtAnswer;
  relay_.judge_requests([this, fate, is_armed = true](std::string_view bytes) mutable {
    if (!is_armed || bytes.find("COMMIT") == std::string_view::npos) return Fate::kPass;
    is_armed = false;
    ++cuts_;
    return fate;
  });
}

void DatabaseRelay::hang() {
  relay_.hold_requests();
  relay_.hold_answers();
}

}  // namespace rivera::sql
