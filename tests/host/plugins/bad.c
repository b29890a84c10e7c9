/* Plugins that a host must refuse: which one, BAD_... says. */
#include <string.h>
#include <synckit/abi.h>

#if !defined(BAD_SYMBOL)

static sk_status refuse(const sk_host* host, sk_error* error) {
  (void)host;
  if (error) {
    error->code = SK_UNAVAILABLE;
    strcpy(error->text, "the moon is in the wrong phase");
  }
  return SK_UNAVAILABLE;
}

static const sk_crdt_v1 kHollow = {.size = sizeof(sk_crdt_v1), .type = "hollow"};

static const void* interface(const char* id, uint32_t index) {
  (void)refuse;
#if defined(BAD_TABLE)
  if (index == 0 && strcmp(id, SK_IFACE_CRDT) == 0) return &kHollow;
#else
  (void)kHollow;
#endif
  (void)id;
  (void)index;
  return 0;
}

SK_EXPORT const sk_plugin* synckit_plugin_v1(void) {
  static const sk_plugin plugin = {
#if defined(BAD_MAGIC)
      0x21212121u,
#else
      SK_ABI_MAGIC,
#endif
#if defined(BAD_MAJOR)
      SK_ABI_MAJOR + 1,
#else
      SK_ABI_MAJOR,
#endif
      SK_ABI_MINOR,
#if defined(BAD_SIZE)
      16,
#else
      sizeof(sk_plugin),
#endif
      "synckit.test.bad", "1.0.0", "",
#if defined(BAD_INIT)
      refuse,
#else
      0,
#endif
      0, interface};
#if defined(BAD_NOTHING)
  return 0;
#endif
  return &plugin;
}

#else
SK_EXPORT int another_symbol(void) { return 1; }
#endif
