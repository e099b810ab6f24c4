// fuzz [SECONDS [TARGET [SEED]]]: mutates the corpus and gives it to each target in turn (20 s in all by default).
// A failing input is written to ./fuzz-<target>.bin; `fuzz 0 TARGET < FILE` runs one again.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>

#include <sanitizer/asan_interface.h>

#include "targets.h"

namespace rivera::fuzz {

[[noreturn]] void broken(std::string_view promise) {
  std::cerr << "broken: " << promise << std::endl;
  std::abort();
}

namespace {

using Clock = std::chrono::steady_clock;

// What is running, for the report of a crash.
const char* current_target = "";
std::string current_input;

void keep_input() {
  std::ofstream(std::string("fuzz-") + current_target + ".bin", std::ios::binary) << current_input;
  std::cerr << "the input is in fuzz-" << current_target << ".bin" << std::endl;
}

// Changes bytes as damage, malice and other versions would.
class Mutator {
 public:
  Mutator(std::vector<std::string> corpus, std::uint64_t seed) : corpus_(std::move(corpus)), random_(seed) {}

  std::string next() {
    std::string bytes = any();
    for (std::size_t changes = random_() % 5; changes > 0; --changes) change(bytes);
    return bytes;
  }

 private:
  const std::string& any() { return corpus_[random_() % corpus_.size()]; }
  std::size_t place_in(const std::string& bytes) { return random_() % (bytes.size() + 1); }

  void change(std::string& bytes) {
    // Lengths, markers and texts on which readers depend.
    static const char* const kTokens[] = {"\xff\xff\xff\xff\x0f",
                                          "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
                                          "\x0a",
                                          "null",
                                          "[[[[",
                                          "{\"",
                                          "\\u0000",
                                          "\\ud800",
                                          "-1",
                                          "1e999",
                                          "\r\n",
                                          "\r\n\r\n",
                                          "Content-Length: 1\r\n",
                                          "ffffffffffffffff",
                                          "\xc3",
                                          "18446744073709551616",
                                          "\xf4\x90\x80\x80",
                                          "NaN",
                                          "\"internal-router\"",
                                          "data:",
                                          "MSG a 1 9\r\n"};
    const std::size_t at = place_in(bytes);
    switch (random_() % 8) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_() % 8));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random_());
        break;
      case 2:
        bytes.insert(at, kTokens[random_() % std::size(kTokens)]);
        break;
      case 3:
        bytes.erase(at, random_() % 9);
        break;
      case 4:
        bytes.resize(at);
        break;
      case 5: {  // a part of another
        const std::string& other = any();
        const std::size_t from = place_in(other);
        bytes.insert(at, other.substr(from, random_() % 200));
        break;
      }
      case 6:  // said twice, or very often
        bytes.insert(at, bytes.substr(at, random_() % 40));
        break;
      default:
        bytes.insert(at, std::string(random_() % 300, static_cast<char>(random_())));
    }
    if (bytes.size() > 1u << 16) bytes.resize(1u << 16);
  }

  std::vector<std::string> corpus_;
  std::mt19937_64 random_;
};

void run(const NamedTarget& target, std::string input) {
  current_target = target.name;
  current_input = std::move(input);
  target.run(current_input);
}

void fuzz(const NamedTarget& target, Clock::duration time, std::uint64_t seed) {
  const std::vector<std::string> corpus = corpus_of(target.name);
  if (corpus.empty()) broken("there is a corpus");
  for (const std::string& input : corpus) run(target, input);
  Mutator mutator(corpus, seed);
  std::uint64_t count = 0;
  for (const auto end = Clock::now() + time; Clock::now() < end; ++count) run(target, mutator.next());
  std::cout << target.name << ": " << corpus.size() << " seeds, " << count << " mutations, nothing found" << std::endl;
}

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 20;
  const std::string_view only = argc > 2 ? argv[2] : "";
  const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : std::random_device()();
  std::vector<NamedTarget> chosen;
  for (const NamedTarget& target : targets()) {
    if (only.empty() || only == target.name) chosen.push_back(target);
  }
  if (chosen.empty()) {
    std::cerr << "fuzz: there is no target \"" << only << "\"" << std::endl;
    return 2;
  }
  __sanitizer_set_death_callback(keep_input);
  std::signal(SIGABRT, [](int) {
    keep_input();
    std::_Exit(1);
  });
  if (seconds == 0) {
    run(chosen.front(), std::string(std::istreambuf_iterator<char>(std::cin), {}));
    return 0;
  }
  std::cout << "seed " << seed << std::endl;
  const auto each = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(seconds / static_cast<double>(chosen.size())));
  for (const NamedTarget& target : chosen) fuzz(target, each, seed);
  return 0;
}

}  // namespace
}  // namespace rivera::fuzz

int main(int argc, char** argv) {
  try {
    return rivera::fuzz::main(argc, argv);
  } catch (const std::exception& e) {
    rivera::fuzz::broken(std::string("an exception that nobody promised: ") + e.what());
  }
}
