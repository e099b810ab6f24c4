// Boost.Asio under one short name, with the two names every coroutine needs.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace rivera {
namespace asio = boost::asio;
using boost::system::error_code;
}  // namespace rivera
