// Loads a plugin and runs the law checker over its types: laws PLUGIN.so [SEED]. Exit 1: a law is
// broken, with the history that shows it. For run.sh, which has no other program to do it with.
#include <dlfcn.h>

#include <check/laws.hpp>
#include <cstdio>
#include <cstdlib>

namespace {

// The patch of a high score is its new value.
std::string replace_value(const std::string& view, const std::string& patch) {
  return patch.empty() ? view : patch;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: laws PLUGIN.so [SEED]\n"), 64;
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  void* symbol = library ? dlsym(library, SK_PLUGIN_SYMBOL) : nullptr;
  auto entry = reinterpret_cast<sk_plugin_fn>(symbol);
  if (!entry) return std::fprintf(stderr, "laws: %s is no plugin\n", argv[1]), 65;
  const sk_plugin* plugin = entry();
  synckit::check::Subject subject;
  subject.type = static_cast<const sk_crdt_v1*>(plugin->get_interface(SK_IFACE_CRDT, 0));
  subject.samples =
      static_cast<const sk_crdt_samples_v1*>(plugin->get_interface(SK_IFACE_SAMPLES, 0));
  subject.apply_patch = replace_value;
  if (!subject.type || !subject.samples) return std::fprintf(stderr, "laws: no type\n"), 65;
  synckit::check::Options options;
  if (argc > 2) options.seed = std::strtoull(argv[2], nullptr, 10);
  synckit::check::Counts counts;
  synckit::check::Result result = synckit::check::check(subject, options, &counts);
  if (!result.ok) {
    std::printf("%s\n", result.text().c_str());
    return 1;
  }
  std::printf("%s keeps its laws: %llu histories, %llu edits, %llu merges\n", subject.type->type,
              static_cast<unsigned long long>(counts.histories),
              static_cast<unsigned long long>(counts.edits),
              static_cast<unsigned long long>(counts.merges));
  return 0;
}
