// What the benchmark measures: real `locket` and `bbs` programs over a real database, an auctioneer that accepts
// everything, and cells that are present for as long as it runs.
#pragma once

#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>

#include "base/files.h"
#include "base/process/child_process.h"
#include "base/testing/places.h"
#include "net/http/http_server.h"
#include "net/testing/test_certificates.h"
#include "sql/testing/test_servers.h"

namespace rivera::bench {

// A program that logs lager lines on standard output, running until it is ended.
class Program {
 public:
  Program(const std::string& name, const std::string& config_path, const std::string& directory = base::bin_dir());
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Reads the log until `message` comes; gives the seconds since 1970 of that line. Throws if the program ends before.
  double wait_for(const std::string& message);
  void end(int signal);

  // Seconds of processor time so far, user and system.
  double cpu_seconds() const;
  // Bytes resident now.
  double resident_bytes() const;

 private:
  std::string name_;
  std::optional<base::ChildProcess> process_;
  std::string log_path_;
  std::ifstream log_file_;
  std::string log_;  // of a line, what has been read
};

class Stage {
 public:
  // Starts everything, and one BBS that has become active.
  explicit Stage(sql::Engine engine);
  ~Stage();

  Program& bbs() { return *bbs_; }
  const std::string& api_address() const { return api_address_; }
  const net::TlsFiles& client_tls() { return certificates_.client(); }

  // Makes cells cell-0 ... present.
  void add_cells(int count);
  // kill -9 of the BBS, and a new one, the program of that directory; gives the seconds from its holding the lock to
  // its serving.
  double take_over(const std::string& programs = base::bin_dir());
  // Runs of convergence so far, from the BBS's metrics.
  double convergence_runs();

 private:
  std::string write(const std::string& name, const boost::json::object& config);
  boost::json::object database_config();
  void start_auctioneer();
  void start_locket();
  std::unique_ptr<Program> start_bbs(const std::string& programs);

  sql::Engine engine_;
  base::TemporaryDirectory directory_{"rivera-bench-"};
  net::TestCertificates certificates_;
  std::unique_ptr<sql::TestServer> database_;
  boost::asio::io_context io_;
  std::unique_ptr<net::HttpServer> auctioneer_;
  std::thread thread_;
  std::string locket_address_, api_address_, debug_address_;
  std::unique_ptr<Program> locket_, bbs_;
  int started_ = 0;
};

}  // namespace rivera::bench
