#include <chrono>

#include "bbs/api/services.h"

namespace rivera::bbs {

ClusterService::ClusterService(Api& api, Ledger& ledger, Cells& cells, const base::Clock& clock)
    : ledger_(ledger), cells_(cells), clock_(clock) {
  api.post<Ignored>("Ping", "/v1/ping", [this](Ignored, Call) { return ping(); });
  api.post<Ignored>("Domains", "/v1/domains/list", [this](Ignored, Call) { return domains(); });
  api.post<models::UpsertDomainRequest>(
      "UpsertDomain", "/v1/domains/upsert",
      [this](models::UpsertDomainRequest request, Call) { return upsert_domain(std::move(request)); });
  api.post<Ignored>("Cells", "/v1/cells/list.r1", [this](Ignored, Call) { return this->cells(); });
}

asio::awaitable<std::string> ClusterService::ping() {
  models::PingResponse response;
  response.set_available(true);
  co_return models::encode(response);
}

asio::awaitable<std::string> ClusterService::domains() {
  const base::Timestamp now = std::chrono::round<std::chrono::seconds>(clock_.now());
  auto look = [now = base::to_unix_nanos(now)](const Records& records) {
    std::string body;
    for (const auto& [name, domain] : records.domains()) {
      if (domain->expires_at > now) models::append_field(body, 2, name);
    }
    return body;
  };
  co_return co_await ledger_.read(std::move(look));
}

asio::awaitable<std::string> ClusterService::upsert_domain(models::UpsertDomainRequest request) {
  Ledger::Operation upsert = [request = std::move(request)](Board& board, base::Timestamp now) {
    return board.upsert_domain(request, now);
  };
  const Outcome outcome = co_await ledger_.run(std::move(upsert));
  co_return body_of(outcome);
}

asio::awaitable<std::string> ClusterService::cells() {
  std::vector<models::CellPresence> present = co_await cells_.list();
  std::string body;
  for (models::CellPresence& cell : present) models::append_field(body, 2, models::encode(cell));
  co_return body;
}

}  // namespace rivera::bbs
