#include "garden/firewall/nftables.h"

#include <algorithm>
#include <stdexcept>
#include <sys/prctl.h>
#include <unistd.h>

#include <nftables/libnftables.h>

namespace rivera::garden {

namespace {

// The calling thread has another name while this lives.
class NamedThread {
 public:
  explicit NamedThread(const std::string& name) {
    ::prctl(PR_GET_NAME, before_);
    ::prctl(PR_SET_NAME, name.c_str());
  }
  ~NamedThread() { ::prctl(PR_SET_NAME, before_); }
  NamedThread(const NamedThread&) = delete;
  NamedThread& operator=(const NamedThread&) = delete;

 private:
  char before_[16] = {};
};

}  // namespace

struct Nftables::Context {
  nft_ctx* ctx = nullptr;
};

Nftables::Nftables() : context_(std::make_unique<Context>()) {
  context_->ctx = ::nft_ctx_new(NFT_CTX_DEFAULT);
  if (context_->ctx == nullptr) throw std::runtime_error("cannot open nftables");
  ::nft_ctx_buffer_output(context_->ctx);
  ::nft_ctx_buffer_error(context_->ctx);
}

Nftables::~Nftables() { ::nft_ctx_free(context_->ctx); }

std::string Nftables::thread_name() { return "gdn-nft-" + std::to_string(::getpid()); }

std::string Nftables::run(const std::string& commands) {
  const NamedThread named(thread_name());
  if (::nft_run_cmd_from_buffer(context_->ctx, commands.c_str()) == 0) {
    return ::nft_ctx_get_output_buffer(context_->ctx);
  }
  std::string message = ::nft_ctx_get_error_buffer(context_->ctx);
  std::replace(message.begin(), message.end(), '\n', ' ');
  throw std::runtime_error("nftables: " + message);
}

}  // namespace rivera::garden
