// The bridge from sk_crdt_v1 to env.ext. `create` and `inspect` get no instance, so each index has
// its own two functions; the others find their type in the instance.
//
// While env.ext runs, sk_ext_out appends to the outputs of the call at hand.
#include "external.hpp"

extern "C" __attribute__((import_module("env"), import_name("ext"))) int32_t sk_ext(
    uint32_t op, uint32_t type, uint32_t instance, const void* a, size_t a_len, const void* b,
    size_t b_len);

namespace synckit {
namespace {

enum Op : uint32_t {
  kCreate, kDestroy, kMutate, kMerge, kEncode, kView, kInspect, kCompact, kRestamp
};

struct Instance {
  uint32_t type, number;
};

constexpr size_t kSlots = 4;
sk_buf* slots[kSlots];
Buffer scalar, error_text;  // the kernel asks for no error text: what a type says is dropped

const Instance& self(void* doc) { return *static_cast<Instance*>(doc); }

// Runs one call with its outputs in place; a NULL output is collected and forgotten.
sk_status call(uint32_t op, const Instance& at, Bytes a, Bytes b, sk_buf* out0, sk_buf* out1) {
  Buffer unwanted;
  scalar.clear();
  error_text.clear();
  sk_buf* outputs[kSlots] = {out0 ? out0 : &unwanted, out1 ? out1 : &unwanted, &scalar,
                             &error_text};
  std::memcpy(slots, outputs, sizeof slots);
  sk_status code = sk_ext(op, at.type, at.number, a.data, a.len, b.data, b.len);
  std::memset(slots, 0, sizeof slots);
  return code;
}

sk_status create(uint32_t type, void** doc) {
  Buffer number;
  sk_status code = call(kCreate, {type, 0}, {}, {}, &number, nullptr);
  if (code != SK_OK) return code;
  if (number.len != sizeof(uint32_t)) return SK_INTERNAL;
  auto* made = static_cast<Instance*>(std::malloc(sizeof(Instance)));
  if (!made) return SK_NOMEM;
  made->type = type;
  std::memcpy(&made->number, number.data, sizeof made->number);
  *doc = made;
  return SK_OK;
}

void destroy(void* doc) {
  (void)call(kDestroy, self(doc), {}, {}, nullptr, nullptr);
  std::free(doc);
}

Bytes raw(const sk_stamp* stamp) {
  return {reinterpret_cast<const uint8_t*>(stamp), sizeof *stamp};
}
Bytes raw(const sk_version* version) {
  return {reinterpret_cast<const uint8_t*>(version->dots), version->len * sizeof(sk_dot)};
}

sk_status mutate(void* doc, const sk_stamp* stamp, const uint8_t* intent, size_t len, sk_buf* delta,
                 sk_buf* patch, uint32_t* seqs, sk_error*) {
  *seqs = 0;
  sk_status code = call(kMutate, self(doc), {intent, len}, raw(stamp), delta, patch);
  if (code != SK_OK) return code;
  if (scalar.len != sizeof *seqs) return SK_INTERNAL;
  std::memcpy(seqs, scalar.data, sizeof *seqs);
  return SK_OK;
}

sk_status merge(void* doc, const uint8_t* delta, size_t len, sk_buf* patch, sk_error*) {
  return call(kMerge, self(doc), {delta, len}, {}, nullptr, patch);
}

sk_status encode(void* doc, const sk_version* since, sk_buf* delta, sk_error*) {
  return call(kEncode, self(doc), {}, raw(since), delta, nullptr);
}

sk_status view(void* doc, sk_buf* json, sk_error*) {
  return call(kView, self(doc), {}, {}, json, nullptr);
}

sk_status inspect(uint32_t type, const uint8_t* delta, size_t len, sk_summary* summary,
                  sk_buf* deps) {
  sk_status code = call(kInspect, {type, 0}, {delta, len}, {}, nullptr, deps);
  if (code != SK_OK) return code;
  uint32_t size = summary->size;
  if (scalar.len != sizeof *summary || size != sizeof *summary) return SK_INTERNAL;
  std::memcpy(summary, scalar.data, sizeof *summary);
  summary->size = size;
  return SK_OK;
}

sk_status compact(void* doc, const sk_version* stable, sk_error*) {
  return call(kCompact, self(doc), {}, raw(stable), nullptr, nullptr);
}

// A type without a clock answers SK_UNSUPPORTED, which leaves the delta as it is.
sk_status restamp(void* doc, const sk_stamp* stamp, const uint8_t* delta, size_t len, sk_buf* out,
                  sk_error*) {
  size_t before = out->len;
  sk_status code = call(kRestamp, self(doc), {delta, len}, raw(stamp), out, nullptr);
  if (code != SK_UNSUPPORTED) return code;
  out->len = before;
  Writer w(out);
  w.raw(delta, len);
  return w.status().code();
}

template <uint32_t I>
sk_status create_of(void** doc, sk_error*) {
  return create(I, doc);
}
template <uint32_t I>
sk_status inspect_of(const uint8_t* delta, size_t len, sk_summary* summary, sk_buf* deps,
                     sk_error*) {
  return inspect(I, delta, len, summary, deps);
}

using Create = sk_status (*)(void**, sk_error*);
using Inspect = sk_status (*)(const uint8_t*, size_t, sk_summary*, sk_buf*, sk_error*);
constexpr Create kCreates[] = {create_of<0>, create_of<1>, create_of<2>, create_of<3>,
                               create_of<4>, create_of<5>, create_of<6>, create_of<7>};
constexpr Inspect kInspects[] = {inspect_of<0>, inspect_of<1>, inspect_of<2>, inspect_of<3>,
                                 inspect_of<4>, inspect_of<5>, inspect_of<6>, inspect_of<7>};
static_assert(sizeof kCreates / sizeof *kCreates == kMaxExternalTypes);

sk_crdt_v1 tables[kMaxExternalTypes];

}  // namespace

Status external_type(uint32_t index, Bytes name, uint32_t format, uint32_t min_format,
                     const sk_crdt_v1*& out) {
  if (index >= kMaxExternalTypes) return Status::limit("more than 8 external types");
  sk_crdt_v1& table = tables[index];
  if (table.type) return {SK_CONFLICT, "this index has a type already"};
  char* text = static_cast<char*>(std::malloc(name.len + 1));  // lives as long as the module
  if (!text) return {SK_NOMEM, "out of memory"};
  if (name.len) std::memcpy(text, name.data, name.len);
  text[name.len] = '\0';
  table = {sizeof table, 0,     format, min_format, text,    kCreates[index],  destroy,
           mutate,       merge, encode, view,       kInspects[index], compact, restamp,
           nullptr};
  out = &table;
  return {};
}

}  // namespace synckit

// Room for `len` more bytes of output `slot`; 0 when there is none or no call is under way.
extern "C" __attribute__((export_name("sk_ext_out"), used)) uint8_t* sk_ext_out(uint32_t slot,
                                                                                 uint32_t len) {
  sk_buf* out = slot < synckit::kSlots ? synckit::slots[slot] : nullptr;
  if (!out || synckit::Buffer::grow(out, out->len + len) != SK_OK) return nullptr;
  out->len += len;
  return out->data + out->len - len;
}
