// What the host says about documents: answers to sync requests, notifications, acks and refusals.
//
// The host's log of a document is the truth. `position` and the local log follow it record by
// record; the document shows it plus the queue. When that cannot be had by merging (a refused
// transaction must vanish, the log was replaced under us), the document is rebuilt: a request from
// position 0, a fresh Document from the answer, the queue merged on top, event `reset`.
#include "engine.hpp"
#include "state.hpp"

namespace synckit {
namespace {

constexpr uint32_t kLimitRetries = 2;  // SK_LIMIT may be about the clock: try twice more
constexpr uint32_t kDependencyRetries = 8;

}  // namespace

// Tells the UI about others' edits.
class Engine::Patches final : public PatchSink {
 public:
  Patches(Engine& engine, Doc& doc) : engine_(engine), doc_(doc) {}
  void patch(const DocumentField& field, Bytes bytes) override {
    if (kTellsAll) announce(field.index);
    engine_.tell(Out::patch, doc_.handle(), field.index + 1, bytes);
  }

 private:
  // Handles up to this one, for a caller that has not asked for them.
  void announce(uint32_t index) {
    for (uint32_t& i = doc_.announced_fields; i <= index; ++i) {
      const DocumentField& field = doc_.document->field(i);
      engine_.emit(Out::field, doc_.handle(), i + 1, field.name().len, 0, field.name(),
                   field.type_name());
    }
  }

  Engine& engine_;
  Doc& doc_;
};

// ---- confirmed transactions ---------------------------------------------------------------------

Status Engine::merge_confirmed(Doc& doc, const wire::Transaction& transaction) {
  Patches patches(*this, doc);
  Merged outcome = Merged::applied;
  Document& target = doc.target();
  Status status =
      target.merge(transaction, outcome, doc.fresh || !doc.ready ? nullptr : &patches);
  if (status.code() == SK_MALFORMED) {
    // No replica can merge it, so for every replica it is void.
    emit_status(doc.handle(), status);
    target.commit_local(transaction.replica, transaction.last_seq(), 0);
    status = {};
  }
  SK_TRY(status);
  if (transaction.replica == replica_) doc.at_host = transaction.last_seq();
  if (transaction.hlc > doc.seen_hlc) doc.seen_hlc = transaction.hlc;
  return {};
}

// The transaction at position + 1 of the host's log.
Status Engine::confirm(Doc& doc, uint64_t position, Bytes encoded) {
  SK_TRY(wire::decode(encoded, read_));
  uint64_t through = read_.last_seq();
  bool own = read_.replica == replica_;
  if (own && through > doc.acked && doc.size() &&
      !(doc.at(0).seq == read_.seq && doc.at(0).view() == encoded)) {
    // The host holds other changes under the numbers of ours: this replica's store was set back
    // or copied. What is queued cannot be sent as it is; it is kept as dead letters.
    commit_open(doc);
    for (size_t i = 0; i < doc.size(); ++i) {
      const Pending& pending = doc.at(i);
      reject(doc, pending, SK_CONFLICT, "another change was stored under this one's number");
      erase(doc, kQueueRecord, pending.seq);
      std::free(pending.bytes);
    }
    doc.queue.truncate(doc.head);
    doc.queue_bytes = doc.sent = 0;
    doc.last_seq = doc.acked;
    doc.rebuild_wanted = true;
  }
  SK_TRY(merge_confirmed(doc, read_));
  confirm_foreign(doc, read_.replica, through, encoded);
  doc.position = position;
  put_log(doc, position, encoded);
  if (own) acknowledge(doc, through);  // last: the bytes may be the queue's own
  return {};
}

// The transactions that were read, of which the first is at `first` in the host's log: those that
// are not known, up to a gap.
Status Engine::confirm_all(Doc& doc, uint64_t first) {
  for (size_t i = 0; i < transactions_.size() && first + i <= doc.position + 1; ++i) {
    if (first + i > doc.position) SK_TRY(confirm(doc, first + i, transactions_[i]));
  }
  return {};
}

// Transactions of other replicas' queues that the log holds by now: in the same bytes as those
// that were shown, or (re-stamped, refused, or in a snapshot, where it cannot be seen) maybe not.
void Engine::confirm_foreign(Doc& doc, uint64_t replica, uint64_t through, Bytes encoded) {
  for (size_t i = 0; i < doc.foreign.size(); ++i) {
    const Foreign& foreign = doc.foreign[i];
    if (foreign.replica != replica || foreign.last_seq > through) continue;
    if (foreign.hash != fnv(encoded)) doc.rebuild_wanted = true;
    doc.foreign.erase(i--);
  }
}

void Engine::forget_confirmed(Doc& doc) {
  doc.position = doc.at_host = 0;
  doc.snapshot_position = doc.refresh_bytes = 0;
  erase_log(doc, UINT64_MAX);
  erase(doc, kSnapshotRecord, 0);
}

// What the host sent of a document cannot be merged: the document is made anew. Unless the host
// broke the protocol, which the caller passes on.
Status Engine::failed(Doc& doc, Status status) {
  if (status.code() == SK_MALFORMED) return status;
  emit_status(doc.handle(), status);
  doc.rebuild_wanted = true;
  return {};
}

// ---- answers to sync requests -------------------------------------------------------------------

Status Engine::on_response(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  if (!doc.awaits()) return {};
  wire::SyncResponse page;
  wire::read(in, page);
  doc.due = now_ms + kAnswerTimeoutMs;
  if (page.permission != doc.permission) {
    doc.permission = page.permission;
    tell(Out::permission, doc.handle(), page.permission);
  }
  if (doc.sync != Doc::Sync::skipping) {
    if (Status status = place(doc, page); !status.ok()) {
      SK_TRY(failed(doc, status));
      doc.sync = Doc::Sync::skipping;
    }
  }
  if (page.more) return {};
  if (doc.sync == Doc::Sync::skipping) {
    retry_later(doc, now_ms);
  } else {
    finish_sync(doc, now_ms);
  }
  return {};
}

// Puts one page where it belongs in the log.
Status Engine::place(Doc& doc, const wire::SyncResponse& page) {
  uint64_t base = page.position - transactions_.size();
  if (doc.sync == Doc::Sync::asked) {
    doc.sync = Doc::Sync::placing;
    bool other_log = doc.epoch != 0 && page.epoch != doc.epoch;
    bool set_back = base < doc.position && !doc.refreshing;
    if (other_log || set_back) doc.restarted = true;
    if (doc.fresh || other_log || set_back) forget_confirmed(doc);
    doc.epoch = page.epoch;
  }
  if (base > page.position || (base > doc.position && !page.has_snapshot)) {
    doc.rebuild_wanted = true;
    return Status::malformed(SK_TEXT("a sync response leaves out positions"));
  }
  if (page.has_snapshot) {
    if (base > doc.position) {  // else it is only to be stored
      SK_TRY(wire::decode(page.snapshot, snapshot_));
      Patches patches(*this, doc);
      SK_TRY(doc.target().merge_snapshot(snapshot_, doc.fresh ? nullptr : &patches));
      if (snapshot_.max_hlc > doc.seen_hlc) doc.seen_hlc = snapshot_.max_hlc;
      doc.position = base;
      for (const Dot& dot : snapshot_.version.dots()) {
        confirm_foreign(doc, dot.replica, dot.seq, {});
      }
      doc.at_host = snapshot_.version[replica_];
      acknowledge(doc, doc.at_host);
    }
    if (base > doc.snapshot_position) put_snapshot(doc, base, page.snapshot);
  }
  return confirm_all(doc, base + 1);
}

void Engine::finish_sync(Doc& doc, uint64_t now_ms) {
  commit_open(doc);
  if (doc.at_host < doc.acked) {
    emit(Out::history_lost, doc.handle(), 0, doc.acked, doc.at_host);
    send_history_again(doc);
  }
  if (doc.fresh) finish_rebuild(doc);
  doc.refreshing = false;
  doc.due = kNever;
  if (!doc.rebuild_wanted && doc.announced <= doc.position) {
    restamp(doc, now_ms);
    report_saved(doc);
  }
  doc.sync = Doc::Sync::live;
  settle(doc, now_ms);
}

// After any progress of a live document.
void Engine::settle(Doc& doc, uint64_t now_ms) {
  if (doc.sync != Doc::Sync::live) return;
  // What the host has lost for good must not live on here alone.
  if (doc.restarted && doc.size() == 0) doc.rebuild_wanted = true;
  bool refresh = wants_snapshot(doc);
  if (doc.rebuild_wanted || doc.announced > doc.position || refresh) {
    if (refresh) doc.refresh_bytes = 2 * doc.log_bytes;
    request_sync(doc, now_ms, refresh);
  } else {
    pump(doc);
  }
}

// The host's log ends before what it acknowledged to us (a restored backup): queue again what is
// still held, and use up the numbers of what is not.
void Engine::send_history_again(Doc& doc) {
  uint64_t acked = doc.acked;
  Vec<Pending> held;
  held.swap(doc.queue);
  doc.head = doc.queue_bytes = doc.history_bytes = doc.sent = 0;
  doc.last_seq = doc.acked = doc.told[static_cast<size_t>(Stage::durable)] = doc.at_host;
  put_own(doc);
  for (Pending& pending : held) {
    if (pending.seq <= doc.last_seq) {
      std::free(pending.bytes);
      continue;
    }
    fill_gap(doc, pending.seq - 1);
    pending.maybe_at_host = false;
    put_pending(doc, queue_up(doc, pending));
  }
  fill_gap(doc, acked);
}

// Swaps in what the host's state and the queue make.
void Engine::finish_rebuild(Doc& doc) {
  Document& fresh = *doc.fresh;
  for (size_t i = 0; i < doc.size(); ++i) {
    Pending& pending = doc.at(i);
    uint64_t voided = fresh.voided();
    Merged outcome = Merged::applied;
    Status status = wire::decode(pending.view(), read_);
    if (status.ok()) status = fresh.merge(read_, outcome, nullptr);
    Bytes message = "it builds on changes that are not here";
    if (!status.ok() || outcome == Merged::parked) {
      make_void(doc, pending, SK_MISSING_DEPS, message);
      fresh.commit_local(replica_, pending.last_seq(), 0);
    } else if (fresh.voided() != voided && !pending.told) {
      // Every replica finds it without effect, in the same way; its author is told.
      pending.told = true;
      reject(doc, pending, SK_MISSING_DEPS, message);
    }
  }
  fresh.follow(*doc.document);
  delete doc.document;
  doc.document = doc.fresh;
  doc.fresh = nullptr;
  doc.foreign.clear();
  doc.foreign_hlc = 0;
  doc.sent = 0;
  doc.rebuild_wanted = doc.restarted = false;
  tell(Out::reset, doc.handle());
}

// ---- live ---------------------------------------------------------------------------------------

Status Engine::on_notification(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  uint64_t first = in.varint(2);
  if (transactions_.empty()) return {};
  uint64_t last = first + transactions_.size() - 1;
  if (last > doc.announced) doc.announced = last;
  if (doc.sync < Doc::Sync::placing) return {};
  if (Status status = confirm_all(doc, first); !status.ok()) {
    SK_TRY(failed(doc, status));
    retry_later(doc, now_ms);
    return {};
  }
  settle(doc, now_ms);
  return {};
}

Status Engine::on_ack(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  wire::Ack ack;
  wire::read(in, ack);
  if (ack.replica != replica_ || ack.seq <= doc.acked) return {};
  if (ack.position > doc.announced) doc.announced = ack.position;
  if (doc.sync < Doc::Sync::placing) return {};
  if (ack.position == doc.position + 1 && doc.size() && doc.at(0).last_seq() == ack.seq) {
    SK_TRY(confirm(doc, ack.position, doc.at(0).view()));
  } else if (doc.announced <= doc.position) {
    // Durable at an unknown or a passed position: the log will show where.
    doc.announced = doc.position + 1;
  }
  settle(doc, now_ms);
  return {};
}

void Engine::on_denied(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  wire::Denied denied;
  wire::read(in, denied);
  if (denied.seq) return refused(doc, denied.seq, denied.code, denied.message, now_ms);
  leave(doc);
  doc.sync = Doc::Sync::denied;
  tell(Out::error, doc.handle(), SK_DENIED, denied.message);
  tell(Out::permission, doc.handle(), denied.permission);
}

// ---- refusals -----------------------------------------------------------------------------------

void Engine::refused(Doc& doc, uint64_t seq, uint32_t code, Bytes message, uint64_t now_ms) {
  if (doc.sync != Doc::Sync::live) {
    // Most likely about what followed a refused transaction: the queue is sent again after it.
    doc.sent = 0;
    return;
  }
  size_t index = 0;
  while (index < doc.sent && doc.at(index).last_seq() < seq) ++index;
  if (index >= doc.sent || seq < doc.at(index).seq) return;
  Pending& pending = doc.at(index);
  if (doc.refused_seq != pending.seq) doc.refused_times = 0;
  doc.refused_seq = pending.seq;
  ++doc.refused_times;
  bool retry = code == SK_UNAVAILABLE || code == SK_CONFLICT || code == SK_INTERNAL ||
               code == SK_NOMEM ||
               (code == SK_MISSING_DEPS && doc.refused_times <= kDependencyRetries) ||
               (code == SK_LIMIT && doc.refused_times <= kLimitRetries);
  // A void one has nothing left to give up, and its dead letter is not to be replaced.
  if (!retry && !pending.empty) {
    make_void(doc, pending, code, message);
    return settle(doc, now_ms);
  }
  if (code != SK_LIMIT) return retry_later(doc, now_ms);
  // It is not at the host, nor is what follows: all may be re-stamped by the host's time, which
  // the next Welcome tells.
  for (size_t i = index; i < doc.size(); ++i) doc.at(i).maybe_at_host = false;
  tell(Out::error, doc.handle(), code, message);
  attempt_ = 2;
  drop("asking for the host's time");
}

// Keeps a refused transaction as a dead letter; a void one uses up its dots.
void Engine::make_void(Doc& doc, Pending& pending, uint32_t code, Bytes message) {
  reject(doc, pending, code, message);
  encode_own(pending.seq, pending.count, pending.hlc, {});
  rewrite(doc, pending, pending.hlc);
  pending.empty = true;
  doc.rebuild_wanted = true;
}

}  // namespace synckit
