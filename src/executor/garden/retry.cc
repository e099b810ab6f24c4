#include "executor/garden/retry.h"

#include "base/work/wait.h"
#include "clients/garden/garden_types.h"
#include "net/http/http_client.h"

namespace rivera::executor {

bool is_no_answer(const std::exception& e) {
  return dynamic_cast<const net::TransportError*>(&e) != nullptr ||
         dynamic_cast<const base::DeadlineExceeded*>(&e) != nullptr ||
         dynamic_cast<const clients::garden::ServiceUnavailableError*>(&e) != nullptr;
}

}  // namespace rivera::executor
