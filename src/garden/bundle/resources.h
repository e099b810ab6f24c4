// Limits of a container in the OCI runtime's form (docs/spec/garden.md §2.10, §2.11).
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "clients/garden/garden_types.h"
#include "garden/host/host.h"
#include "garden/host/options.h"

namespace rivera::garden {

boost::json::object resources_of(const clients::garden::Limits& limits, bool privileged, const Options& options,
                                 const Host& host);

}  // namespace rivera::garden
