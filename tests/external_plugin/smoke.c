/* A host in C11: loads a plugin through abi.h, edits one document, merges into another, and feeds
 * the plugin damaged bytes. Usage: smoke PLUGIN.so. Exit 0 when everything is as abi.h says. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <synckit/abi.h>

static void need(int good, const char* what) {
  if (good) return;
  fprintf(stderr, "smoke: %s\n", what);
  exit(1);
}

static sk_status grow(sk_buf* self, size_t capacity) {
  uint8_t* moved = realloc(self->data, capacity);
  if (!moved) return SK_NOMEM;
  self->data = moved;
  self->cap = capacity;
  return SK_OK;
}

static sk_buf buffer(void) {
  sk_buf empty = {NULL, 0, 0, grow};
  return empty;
}

static int equal(const sk_buf* a, const sk_buf* b) {
  return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

int main(int argc, char** argv) {
  need(argc == 2, "usage: smoke PLUGIN.so");
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) fprintf(stderr, "%s\n", dlerror());
  need(library != NULL, "the plugin does not load");
  sk_plugin_fn entry;
  *(void**)&entry = dlsym(library, SK_PLUGIN_SYMBOL);
  need(entry != NULL, "no symbol " SK_PLUGIN_SYMBOL);
  const sk_plugin* plugin = entry();
  need(plugin->magic == SK_ABI_MAGIC && plugin->major == SK_ABI_MAJOR, "another ABI");
  const sk_crdt_v1* type = plugin->get_interface(SK_IFACE_CRDT, 0);
  const sk_crdt_samples_v1* samples = plugin->get_interface(SK_IFACE_SAMPLES, 0);
  need(type && samples, "no synckit.crdt/1 or no samples");
  need(!plugin->get_interface(SK_IFACE_CRDT, 1) && !plugin->get_interface("none/1", 0),
       "an interface past the last one");
  need(!type->compact && !type->restamp, "optional entries that it does not have");

  sk_error error = {sizeof error, 0, ""};
  void *mine = NULL, *other = NULL;
  need(!type->create(&mine, &error) && !type->create(&other, &error), "create");
  const uint8_t thousand[] = {0xe8, 0x07};
  sk_stamp stamp = {7, 1, 0};
  sk_buf delta = buffer(), patch = buffer(), a = buffer(), b = buffer(), deps = buffer();
  uint32_t seqs = 0;
  need(!type->mutate(mine, &stamp, thousand, 2, &delta, NULL, &seqs, &error) && seqs == 1,
       "mutate");

  sk_summary about = {.size = sizeof about};
  need(!type->inspect(delta.data, delta.len, &about, &deps, &error), "inspect");
  need(about.authors == 1 && about.replica == 7 && about.seq_lo == 1 && about.seq_hi == 1 &&
       deps.len == 0, "inspect tells something else than what was done");
  for (size_t n = 0; n < delta.len; ++n) {
    need(type->merge(other, delta.data, n, NULL, &error) == SK_MALFORMED, "a cut delta is merged");
    need(error.code == SK_MALFORMED && error.text[0], "an error without a sentence");
  }
  need(!type->view(other, &a, &error) && a.len == 1 && a.data[0] == '0',
       "a refused call changed it");
  need(!type->merge(other, delta.data, delta.len, &patch, &error) && patch.len > 0, "merge");
  patch.len = a.len = 0;
  need(!type->merge(other, delta.data, delta.len, &patch, &error) && patch.len == 0,
       "merging twice is not merging once");
  need(!type->view(mine, &a, &error) && !type->view(other, &b, &error) && equal(&a, &b) &&
       a.len == 4 && memcmp(a.data, "1000", 4) == 0, "the views differ");
  a.len = b.len = 0;
  sk_version nothing = {NULL, 0};
  need(!type->encode(mine, &nothing, &a, &error) && !type->encode(other, &nothing, &b, &error) &&
       equal(&a, &b), "the snapshots differ");
  type->destroy(mine);
  type->destroy(other);
  free(delta.data), free(patch.data), free(a.data), free(b.data), free(deps.data);
  printf("%s %s: %s\n", plugin->id, plugin->version, type->type);
  return 0;
}
