// Snapshots and compaction of one document, built on a worker when enough records have come.
#include "base/log.hpp"
#include "document_actor.hpp"
#include "materialize.hpp"
#include "storage/stored.hpp"

namespace synckit {

void DocumentActor::maybe_snapshot() {
  const auto& settings = hub_.config.documents;
  if (snapshotting_ || quarantined_ || recovering_ || state_ != State::active ||
      position_ < snapshot_position_ + settings.snapshot_every_records ||
      position_ < snapshot_not_before_) {
    return;
  }
  snapshotting_ = hub_.workers.try_post([self = shared_from_this(), keep = settings.keep_records] {
    Hub& hub = self->hub_;
    uint64_t position = 0;
    auto save = [&]() -> Result<uint64_t> {
      auto state = materialize(hub.store, hub.registry, self->id_, hub.config.limits.fields);
      if (!state) return state.failure();
      position = state->position;
      auto bytes = stored::write_snapshot(*state->document, position);
      if (!bytes) return bytes.failure();
      uint64_t trim = position > keep ? position - keep : 0;
      Result<> saved = hub.store.save(self->id_, position, state->snapshot_position, trim,
                                     Bytes(*bytes));
      if (!saved) return saved.failure();
      return trim;
    };
    auto trimmed = save();
    self->executor_.post([self, trimmed = std::move(trimmed), position]() mutable {
      self->snapshot_saved(std::move(trimmed), position);
    });
  });
}

void DocumentActor::snapshot_saved(Result<uint64_t> trimmed, uint64_t position) {
  snapshotting_ = false;
  if (trimmed) {
    hub_.metrics.snapshots.add();
    snapshot_position_ = position;
    trimmed_ = std::max(trimmed_, *trimmed);
    log::debug("snapshot saved", {{"document", id_}, {"position", position}, {"trim", *trimmed}});
    return;
  }
  hub_.metrics.snapshot_failures.add();
  // Not at once again: after as many records more.
  snapshot_not_before_ = position_ + hub_.config.documents.snapshot_every_records;
  log::warn("no snapshot", {{"document", id_}, {"code", code_name(trimmed.failure().code)},
                            {"reason", trimmed.failure().text}});
  if (trimmed.failure().code == SK_INTERNAL) quarantine(trimmed.failure().text);
}

}  // namespace synckit
