// Writes proto/golden: make_golden DIRECTORY. Deterministic: for the same sources the same bytes.
// Run by hand when a vector is added; git shows that no old one changed.
#include "vectors.hpp"

#include <cstdio>
#include <fstream>

namespace {

using namespace synckit::golden;

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

std::string line(const std::string& file, const std::string& message, const std::string& json) {
  return "{\"file\":\"" + file + "\",\"message\":\"" + message + "\",\"json\":" + json + "}";
}

void run(const std::string& directory) {
  std::string manifest = "[\n";
  for (const Sample& sample : wire_samples()) {
    auto message = new_message(sample.message);
    if (!message->ParseFromString(sample.bytes)) {
      throw std::runtime_error("libprotobuf cannot read " + sample.file);
    }
    write_file(directory + "/" + sample.file, sample.bytes);
    manifest += line(sample.file, sample.message, to_json(*message)) + ",\n";
  }
  StoredSample entry = stored_log_entry(), snapshot = stored_snapshot();
  write_file(directory + "/" + entry.file, entry.bytes);
  write_file(directory + "/" + snapshot.file, snapshot.bytes);
  manifest += line(entry.file, "synckit.store.LogEntry", entry.json) + ",\n";
  manifest += line(snapshot.file, "synckit.store.Snapshot", snapshot.json) + "\n]\n";
  write_file(directory + "/manifest.json", manifest);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_golden DIRECTORY (proto/golden)\n");
    return 64;
  }
  try {
    run(argv[1]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make_golden: %s\n", e.what());
    return 1;
  }
}
