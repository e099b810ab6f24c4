// Servers in containers, and calls to them.
#pragma once

#include <memory>
#include <string>

#include "garden/testing/test_garden.h"

namespace rivera::garden {

// What the peer says first, or why there is nothing.
std::string fetch(TestGarden& garden, const std::string& host, std::uint32_t port);

// Says "served" to each that connects to port 8080 of the container.
std::unique_ptr<RunningProcess> serve(TestGarden& garden, const std::string& handle);

// What the container gets from there; "" if nothing.
std::string call(TestGarden& garden, const std::string& handle, const std::string& host, std::uint32_t port);

}  // namespace rivera::garden
