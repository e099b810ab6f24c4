// Names to addresses, for every client of this folder. For .cc files: it brings Asio's addresses with it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "base/asio.h"

namespace rivera::net {

// The addresses of a host name, best first (RFC 6724): from /etc/hosts, else from the name servers of /etc/resolv.conf
// with its search domains and options; changes of these files apply from the next look-up. The text of an address is
// that address, without a look-up.
//
// Look-ups run concurrently on c-ares, in a thread of their own: one that gets no answer delays no other look-up
// and no event loop, and the caller may be cancelled at any time. Callers that ask for the same name at the same time
// share one look-up; answers are not cached, name servers do that. Throws boost::system::system_error:
// host_not_found if the name does not exist, host_not_found_try_again if no server answers within `limit` (or within
// about 10 s), or if 4096 other look-ups are under way.
asio::awaitable<std::vector<asio::ip::address>> resolve(std::string host, std::chrono::nanoseconds limit);

// From now on asks these servers, "127.0.0.1:5353,[::1]:53", instead of those of /etc/resolv.conf; "" goes back to
// them. Look-ups that are under way begin again. For tests.
void use_name_servers(const std::string& servers);

}  // namespace rivera::net
