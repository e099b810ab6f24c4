// A helper process whose streams are read and written by coroutines.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.h"

namespace rivera::garden {

// Killed by the destructor if it still runs; never waits for it.
class Child {
 public:
  // Standard input and output are pipes to us; `pass_fd` becomes its descriptor 3. Throws std::system_error.
  Child(asio::any_io_executor executor, const std::vector<std::string>& argv, int pass_fd);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // False if the child has closed its input.
  asio::awaitable<bool> write_input(std::string_view bytes);
  void close_input();
  // 0 at the end.
  asio::awaitable<std::size_t> read_output(std::span<char> into);
  // The exit status (128 + signal). Output must have been read to its end.
  asio::awaitable<int> wait();
  // What it wrote on standard error, without the last newline; after wait().
  std::string error_text();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rivera::garden
