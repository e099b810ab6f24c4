// corpus TARGET DIRECTORY: writes each seed of a target into a file of its own.
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "targets.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: corpus TARGET DIRECTORY" << std::endl;
    return 2;
  }
  try {
    const std::filesystem::path directory = argv[2];
    std::filesystem::create_directories(directory);
    std::size_t number = 0;
    for (const std::string& seed : rivera::fuzz::corpus_of(argv[1])) {
      std::ofstream file(directory / ("golden-" + std::to_string(number++)), std::ios::binary);
      if (!(file << seed).flush()) throw std::runtime_error("a seed cannot be written to " + directory.string());
    }
    if (number == 0) throw std::runtime_error("there are no seeds for this target");
  } catch (const std::exception& e) {
    std::cerr << "corpus of " << argv[1] << ": " << e.what() << std::endl;
    return 1;
  }
  return 0;
}
