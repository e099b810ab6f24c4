// Conversion of desired LRPs and tasks to run requests for the executor (docs/spec/cell.md §1.12, §1.13). Pure
// functions.
#pragma once

#include <map>
#include <string>

#include "executor/container/container.h"
#include "models/models.h"
#include "rep/settings/config.h"
#include "rep/settings/container_tags.h"

namespace rivera::rep {

struct ConversionTerms {
  const models::StackPathMap& stacks;
  LayeringMode layering_mode = LayeringMode::kSingleLayer;
};

// Both throw an exception with a reason for the log if this cell cannot run the definition.
executor::RunRequest run_request_of(const models::DesiredLRP& lrp, const LRPIdentity& identity,
                                    const ConversionTerms& terms);
executor::RunRequest run_request_of(const models::Task& task, const ConversionTerms& terms);

}  // namespace rivera::rep
