#include <limits>

#include "bbs/board/board.h"

namespace rivera::bbs {

Outcome Board::upsert_domain(const models::UpsertDomainRequest& request, base::Timestamp now) {
  Outcome outcome(request.domain());
  std::int64_t expires_at = std::numeric_limits<std::int64_t>::max();
  if (request.ttl() > 0) expires_at = base::to_unix_nanos(now + std::chrono::seconds(request.ttl()));
  const DomainPtr before = records_.domain(request.domain());
  if (before && before->expires_at == expires_at) return outcome;
  swap(outcome, before, make_domain(request.domain(), expires_at));
  return outcome;
}

}  // namespace rivera::bbs
