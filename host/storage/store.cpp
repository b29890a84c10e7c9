#include "store.hpp"

#include "base/clock.hpp"

namespace synckit {
namespace {

sk_bytes bytes_of(std::string_view text) { return Bytes(text); }

struct Error : sk_error {
  Error() : sk_error{sizeof(sk_error), 0, {0}} {}
  Failure failure(sk_status status) {
    text[sizeof text - 1] = '\0';
    return {status, text[0] ? text : std::string("storage failed: ") + code_name(status)};
  }
};

Result<> outcome(sk_status status, Error& error) {
  if (status == SK_OK) return Done{};
  return error.failure(status);
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const sk_storage_v1* table, const std::string& config) {
  Error error;
  void* store = nullptr;
  sk_status status = table->open(config.data(), config.size(), &store, &error);
  if (status != SK_OK) return error.failure(status);
  return std::unique_ptr<Store>(new Store(table, store));
}

Store::~Store() { table_->close(store_); }

Result<> Store::append(sk_append* records, size_t count) {
  Error error;
  return outcome(table_->append(store_, records, count, wall_ms(), &error), error);
}

Result<Store::Head> Store::head(std::string_view document) const {
  Error error;
  sk_head raw{};
  raw.size = sizeof raw;
  sk_bytes id = bytes_of(document);
  Buffer dots;
  sk_status status = table_->head(store_, &id, &raw, &dots, &error);
  if (status != SK_OK) return error.failure(status);
  Head out;
  out.exists = raw.exists != 0;
  out.epoch = raw.epoch;
  out.position = raw.position;
  out.snapshot_position = raw.snapshot_position;
  out.trimmed = raw.trimmed;
  for (size_t at = 0; at + sizeof(sk_dot) <= dots.len; at += sizeof(sk_dot)) {
    sk_dot dot;
    std::memcpy(&dot, dots.data + at, sizeof dot);
    out.version.raise(dot.replica, dot.seq);
  }
  return out;
}

Result<> Store::read(std::string_view document, uint64_t after, uint64_t max_bytes,
                    const RecordFn& each) const {
  Error error;
  sk_bytes id = bytes_of(document);
  auto thunk = [](void* context, const sk_record* record) {
    return (*static_cast<const RecordFn*>(context))(*record) ? 0 : 1;
  };
  return outcome(table_->read(store_, &id, after, max_bytes, thunk,
                              const_cast<RecordFn*>(&each), &error),
                 error);
}

Result<> Store::save(std::string_view document, uint64_t position, uint64_t expected, uint64_t trim,
                    Bytes snapshot) {
  Error error;
  sk_bytes id = bytes_of(document);
  return outcome(table_->save(store_, &id, position, expected, trim, snapshot.data, snapshot.len,
                              &error),
                 error);
}

Result<Store::Saved> Store::load(std::string_view document) const {
  Error error;
  sk_bytes id = bytes_of(document);
  Saved out;
  sk_status status = table_->load(store_, &id, &out.bytes, &out.position, &error);
  if (status != SK_OK) return error.failure(status);
  return out;
}

Result<> Store::list(std::string_view prefix, std::string_view after, int64_t updated_since_ms,
                    uint32_t limit, const ListedFn& each) const {
  Error error;
  sk_bytes from = bytes_of(prefix), behind = bytes_of(after);
  auto thunk = [](void* context, const sk_listed* listed) {
    return (*static_cast<const ListedFn*>(context))(*listed) ? 0 : 1;
  };
  return outcome(table_->list(store_, &from, &behind, updated_since_ms, limit, thunk,
                              const_cast<ListedFn*>(&each), &error),
                 error);
}

}  // namespace synckit
