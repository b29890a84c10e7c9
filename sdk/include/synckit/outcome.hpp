// synckit/outcome.hpp: errors for plugins that talk to the outside world.
//
// `Status` (bytes.hpp) carries a literal, which is all that a CRDT needs and what keeps it small in
// a browser. A storage or auth plugin has to name paths, keys and causes, so its calls return an
// `Outcome`: the same codes with a sentence composed at run time.
//
// Invariant: nothing thrown behind the ABI leaves `shielded`. Threads: values, no shared state.
#pragma once

#include <synckit/crdt.hpp>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace synckit {

struct [[nodiscard]] Outcome {
  sk_status code = SK_OK;
  std::string text;  // what was wrong, where, what to do; empty on success

  Outcome() = default;
  Outcome(sk_status status, std::string sentence) : code(status), text(std::move(sentence)) {}
  Outcome(const Status& status) : code(status.code()), text(status.text()) {}  // NOLINT: widening

  bool ok() const { return code == SK_OK; }
};

#define SK_TRY_OUTCOME(expression)                                   \
  do {                                                               \
    if (::synckit::Outcome sk_try_ = (expression); !sk_try_.ok()) {  \
      return sk_try_;                                                \
    }                                                                \
  } while (0)

// At most `max_bytes` of `text`, cut between two UTF-8 characters; what was cut shows as "...".
inline std::string shortened(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t n = max_bytes > 3 ? max_bytes - 3 : 0;
  while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) --n;
  return std::string(text.substr(0, n)) + "...";
}

// Runs `call` (returning Outcome) behind the ABI: no exception leaves, and the caller's sk_error
// gets the sentence.
template <class Call>
sk_status shielded(sk_error* error, Call&& call) noexcept {
  try {
    Outcome outcome = call();
    if (outcome.ok()) return SK_OK;
    set_error(error, outcome.code, shortened(outcome.text, sizeof error->text - 1).c_str());
    return outcome.code;
  } catch (const std::bad_alloc&) {
    set_error(error, SK_NOMEM, "out of memory");
    return SK_NOMEM;
  } catch (const std::exception& e) {
    set_error(error, SK_INTERNAL, e.what());
    return SK_INTERNAL;
  } catch (...) {
    set_error(error, SK_INTERNAL, "the plugin threw something that is not a std::exception");
    return SK_INTERNAL;
  }
}

}  // namespace synckit

// The descriptor and the entry symbol of a plugin that implements one interface.
#define SYNCKIT_EXPORT_PLUGIN(plugin_id, plugin_version, iface_id, iface_table)                 \
  extern "C" SK_EXPORT const sk_plugin* SYNCKIT_PLUGIN_SYMBOL(void) {                           \
    static const sk_plugin plugin = {                                                           \
        SK_ABI_MAGIC, SK_ABI_MAJOR, SK_ABI_MINOR, sizeof(sk_plugin), plugin_id, plugin_version, \
        SYNCKIT_BUILD_TEXT, nullptr, nullptr,                                                   \
        [](const char* id, uint32_t index) -> const void* {                                     \
          return index == 0 && std::strcmp(id, iface_id) == 0 ? iface_table : nullptr;          \
        }};                                                                                     \
    return &plugin;                                                                             \
  }
