#include "base/log/config_notices.h"

#include <boost/json/array.hpp>

namespace rivera::base {

void log_notices(const Logger& logger, const ConfigNotices& notices) {
  boost::json::array unused;
  for (const ConfigNotice& notice : notices) {
    switch (notice.kind) {
      case ConfigNotice::Kind::kUnknown:
        logger.info("configuration.key-unknown", {{"key", notice.key}});
        break;
      case ConfigNotice::Kind::kUnused:
        unused.emplace_back(notice.key);
        break;
      case ConfigNotice::Kind::kNotBuilt:
        logger.error("configuration.key-not-built", {{"key", notice.key}, {"reason", notice.reason}});
        break;
    }
  }
  if (!unused.empty()) logger.info("configuration.keys-unused", {{"keys", unused}});
}

}  // namespace rivera::base
