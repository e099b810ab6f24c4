#include "garden/host/child.h"

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "base/process/child_process.h"
#include "base/units.h"
#include "base/work/cancellation.h"

namespace rivera::garden {

struct Child::State {
  State(asio::any_io_executor executor, base::ChildProcess started)
      : input(executor), output(executor), process(std::move(started)) {}
  asio::posix::stream_descriptor input, output;
  base::UniqueFd error;
  base::ChildProcess process;
};

Child::Child(asio::any_io_executor executor, const std::vector<std::string>& argv, int pass_fd) {
  base::Pipe input, output, error;
  base::ChildOptions options;
  options.input = input.read_end.get();
  options.output = output.write_end.get();
  options.error = error.write_end.get();
  options.passed = pass_fd;
  state_ = std::make_unique<State>(executor, base::ChildProcess(argv, options));
  state_->input.assign(input.write_end.release());
  state_->output.assign(output.read_end.release());
  state_->error = std::move(error.read_end);
}

// Without waiting: the executor's thread may not. It is reaped when another child is started.
Child::~Child() {
  if (state_->process.has_ended()) return;
  state_->process.signal(SIGKILL);
  state_->process.release();
}

asio::awaitable<bool> Child::write_input(std::string_view bytes) {
  error_code ec;
  co_await asio::async_write(state_->input, asio::buffer(bytes.data(), bytes.size()),
                             asio::redirect_error(asio::use_awaitable, ec));
  if (base::is_cancellation(ec)) throw boost::system::system_error(ec);
  co_return !ec;
}

void Child::close_input() {
  error_code ignored;
  state_->input.close(ignored);
}

asio::awaitable<std::size_t> Child::read_output(std::span<char> into) {
  error_code ec;
  const std::size_t n = co_await state_->output.async_read_some(asio::buffer(into.data(), into.size()),
                                                                asio::redirect_error(asio::use_awaitable, ec));
  if (ec && ec != asio::error::eof) throw boost::system::system_error(ec, "read helper's output");
  co_return n;
}

asio::awaitable<int> Child::wait() {
  const int status = co_await state_->process.ended();
  co_return base::exit_status_of(status);
}

std::string Child::error_text() {
  // It fits into the pipe: the helper says one line.
  std::string text(16 * base::kKibibyte, '\0');
  ::fcntl(state_->error.get(), F_SETFL, O_NONBLOCK);
  const ssize_t n = ::read(state_->error.get(), text.data(), text.size());
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace rivera::garden
