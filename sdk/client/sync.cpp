// What the host says about documents: answers to sync requests, notifications, acks and refusals.
//
// The host's log of a document is the truth. `confirmed`, `position` and the local log follow it
// record by record; the document shows it plus the queue. When that cannot be had by merging (a
// refused transaction must vanish, the log was replaced under us), the document is rebuilt: a
// request with an empty version, a fresh Document from the answer, the queue merged on top, event
// `reset`.
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
  void patch(Bytes field, Bytes type, Bytes bytes) override {
    FieldHandle handle = engine_.field_handle(doc_, field, type, true);
    OutputBuffer& out = engine_.out_;
    out.begin(Out::patch, doc_.handle);
    out.u32(handle);
    out.raw(bytes);
    out.end();
  }

 private:
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
    emit_status(doc.handle, status);
    target.commit_local(transaction.replica, transaction.last_seq(), 0);
    status = {};
  }
  SK_TRY(status);
  doc.confirmed.raise(transaction.replica, transaction.last_seq());
  if (transaction.hlc > doc.seen_hlc) doc.seen_hlc = transaction.hlc;
  return {};
}

// The transaction at position + 1 of the host's log.
Status Engine::confirm(Doc& doc, uint64_t position, Bytes encoded) {
  wire::Transaction& transaction = messages_.read;
  SK_TRY(wire::decode(encoded, transaction));
  uint64_t through = transaction.last_seq();
  bool own = transaction.replica == replica_;
  if (kHasStore && own && through > doc.acked && doc.size() &&
      !(doc.at(0).seq == transaction.seq && doc.at(0).view() == encoded)) {
    // The host holds other changes under the numbers of ours: this replica's store was set back
    // or copied. What is queued cannot be sent as it is; it is kept as dead letters.
    commit_open(doc);
    for (; doc.size(); ++doc.head) {
      Pending& pending = doc.at(0);
      Bytes message = "another change was stored under this one's number";
      put_dead(doc, pending, SK_CONFLICT, message);
      emit_rejected(doc, pending.seq, pending.count, SK_CONFLICT, message);
      erase(doc, kQueueRecord, replica_, pending.seq);
      std::free(pending.bytes);
      ++doc.dead;
    }
    doc.queue_bytes = doc.sent = doc.sent_bytes = doc.saved = 0;
    doc.last_seq = doc.acked;
    doc.rebuild_wanted = true;
  }
  for (size_t i = 0; kHasStore && !own && i < doc.foreign.size(); ++i) {
    const Foreign& foreign = doc.foreign[i];
    if (foreign.replica != transaction.replica || foreign.last_seq > through) continue;
    if (foreign.hash != hash_bytes(encoded)) doc.rebuild_wanted = true;  // re-stamped or refused
    doc.foreign.erase(i--);
  }
  SK_TRY(merge_confirmed(doc, transaction));
  doc.position = position;
  put_log(doc, position, encoded);
  if (own) acknowledge(doc, through);  // last: the bytes may be the queue's own
  return {};
}

void Engine::forget_confirmed(Doc& doc) {
  doc.confirmed.clear();
  doc.position = 0;
  doc.snapshot_bytes = doc.refresh_bytes = 0;
  doc.snapshot_position = 0;
  erase_log(doc, UINT64_MAX);
  erase(doc, kSnapshotRecord);
}

// ---- answers to sync requests -------------------------------------------------------------------

Status Engine::on_response(Bytes body, uint64_t now_ms) {
  wire::SyncResponse& page = messages_.page;
  SK_TRY(wire::decode(body, page));
  Doc* doc = find_id(page.document);
  if (!doc || doc->sync != Doc::Sync::requested) return {};
  doc->answer_by = now_ms + kAnswerTimeoutMs;
  if (page.permission != doc->permission) {
    doc->permission = page.permission;
    emit_u8(Out::permission, doc->handle, page.permission);
  }
  bool again = false;
  Status status = doc->skipping ? Status{} : place(*doc, page, again);
  if (status.code() == SK_MALFORMED) return status;
  if (!status.ok()) {
    emit_status(doc->handle, status);
    doc->rebuild_wanted = true;
    doc->skipping = true;
    if (!page.more) retry_later(*doc, now_ms);
    return {};
  }
  if (again) doc->skipping = doc->rebuild_wanted = true;
  if (page.more) return {};
  doc->answer_by = kNever;
  doc->sync = Doc::Sync::idle;
  if (doc->skipping) {
    retry_later(*doc, now_ms);
  } else {
    finish_sync(*doc, now_ms);
  }
  return {};
}

// Puts one page where it belongs in the log. `again`: it does not follow what is held.
Status Engine::place(Doc& doc, const wire::SyncResponse& page, bool& again) {
  size_t count = page.transactions.size();
  if (page.position < count) {
    return Status::malformed(SK_TEXT("a sync response leaves out positions"));
  }
  uint64_t base = page.position - count;
  bool first = doc.first_page;
  doc.first_page = false;
  if (first) {
    if (doc.rebuilding) doc.fresh = new Document(registry_, limits_.document);
    bool other_log = doc.epoch != 0 && page.epoch != doc.epoch;
    bool set_back = doc.position != 0 && base < doc.position && !doc.refreshing;
    doc.restarted = other_log || set_back;
    if (doc.rebuilding || doc.restarted) forget_confirmed(doc);
    doc.epoch = page.epoch;
  }
  if (page.has_snapshot && doc.refreshing && base <= doc.position) {
    if (base > doc.snapshot_position) {
      erase_log(doc, base);
      put_snapshot(doc, base, page.snapshot);
    }
  } else if (page.has_snapshot) {
    wire::Snapshot& snapshot = messages_.snapshot;
    SK_TRY(wire::decode(page.snapshot, snapshot));
    Patches patches(*this, doc);
    SK_TRY(doc.target().merge_snapshot(snapshot, doc.fresh ? nullptr : &patches));
    if (base > doc.position) {
      doc.confirmed.join(snapshot.version);
      if (snapshot.max_hlc > doc.seen_hlc) doc.seen_hlc = snapshot.max_hlc;
      doc.position = base;
      erase_log(doc, base);
      put_snapshot(doc, base, page.snapshot);
      for (size_t i = 0; kHasStore && i < doc.foreign.size(); ++i) {
        const Foreign& foreign = doc.foreign[i];
        if (foreign.last_seq > doc.confirmed[foreign.replica]) continue;
        doc.rebuild_wanted = true;  // whether it is the same one cannot be seen any more
        doc.foreign.erase(i--);
      }
      acknowledge(doc, doc.confirmed[replica_]);
    }
  } else if (base > doc.position) {
    if (!first || doc.rebuilding) {
      return Status::malformed(SK_TEXT("a sync response leaves out positions"));
    }
    again = true;
    return {};
  }
  for (size_t i = 0; i < count; ++i) {
    if (base + 1 + i <= doc.position) continue;
    SK_TRY(confirm(doc, base + 1 + i, page.transactions[i]));
  }
  return {};
}

void Engine::finish_sync(Doc& doc, uint64_t now_ms) {
  uint64_t at_host = doc.confirmed[replica_];
  if (at_host < doc.acked) {
    out_.begin(Out::history_lost, doc.handle);
    out_.u64(doc.acked);
    out_.u64(at_host);
    out_.end();
    if (!kHasStore) return give_up("the host has lost changes");
    send_history_again(doc, at_host);
  }
  if (doc.rebuilding) finish_rebuild(doc);
  if (kHasStore && doc.restarted && !doc.rebuilding) {
    for (const Dot& dot : doc.document->version().dots()) {
      if (dot.replica != replica_ && doc.confirmed[dot.replica] < dot.seq) doc.diverged = true;
    }
  }
  doc.rebuilding = doc.restarted = doc.refreshing = false;
  doc.sync = Doc::Sync::live;
  if (doc.rebuild_wanted || doc.announced > doc.position) {
    request_sync(doc, now_ms);
    return;
  }
  commit_open(doc);
  restamp(doc, now_ms);
  report_saved(doc);
  settle(doc, now_ms);
}

// After any progress of a live document.
void Engine::settle(Doc& doc, uint64_t now_ms) {
  if (doc.sync != Doc::Sync::live) return;
  // What the host has lost for good must not live on here alone.
  if (kHasStore && doc.diverged && doc.size() == 0) doc.rebuild_wanted = true;
  if (doc.rebuild_wanted) doc.sent = doc.sent_bytes = 0;
  if (doc.rebuild_wanted || doc.announced > doc.position) {
    request_sync(doc, now_ms);
    return;
  }
  if (wants_snapshot(doc)) {
    doc.refresh_bytes = 2 * doc.log_bytes;
    request_sync(doc, now_ms, true);
    return;
  }
  pump(doc);
}

// The host's log ends before what it acknowledged to us (a restored backup): queue again what is
// still held, and use up the numbers of what is not.
void Engine::send_history_again(Doc& doc, uint64_t at_host) {
  uint64_t acked = doc.acked, last_seq = doc.last_seq, own_hlc = doc.own_hlc;
  Vec<Pending> later;
  for (size_t i = 0; i < doc.size(); ++i) later.push_back(doc.at(i));
  doc.queue.clear();
  doc.head = doc.sent = doc.sent_bytes = 0;
  doc.last_seq = doc.acked = at_host;
  doc.own_hlc = 0;
  doc.own_dirty = true;
  wire::Transaction& transaction = messages_.read;
  for (Kept& kept : doc.history) {
    if (!kHasStore) break;  // then nothing is kept
    Bytes encoded(kept.bytes, kept.len);
    if (kept.seq > doc.last_seq && wire::decode(encoded, transaction).ok()) {
      fill_gap(doc, kept.seq - 1);
      queue_up(doc, transaction, encoded);
      put_pending(doc, doc.queue.back());
    }
    std::free(kept.bytes);
  }
  doc.history.clear();
  doc.history_bytes = 0;
  fill_gap(doc, acked);
  for (const Pending& pending : later) doc.queue.push_back(pending);
  doc.last_seq = last_seq;
  if (own_hlc > doc.own_hlc) doc.own_hlc = own_hlc;
  doc.saved = 0;
}

// Swaps in what the host's state and the queue make.
void Engine::finish_rebuild(Doc& doc) {
  commit_open(doc);
  if (!doc.fresh) doc.fresh = new Document(registry_, limits_.document);
  Document& fresh = *doc.fresh;
  wire::Transaction& transaction = messages_.read;
  for (size_t i = 0; i < doc.size(); ++i) {
    Pending& pending = doc.at(i);
    uint64_t voided = fresh.voided();
    Merged outcome = Merged::applied;
    Status status = wire::decode(pending.view(), transaction);
    if (status.ok()) status = fresh.merge(transaction, outcome, nullptr);
    Bytes message = "it builds on changes that are not here";
    if (!status.ok() || outcome == Merged::parked) {
      make_void(doc, i, SK_MISSING_DEPS, message);
      fresh.commit_local(replica_, doc.at(i).last_seq(), 0);
    } else if (fresh.voided() != voided && !pending.told) {
      // Every replica finds it without effect, in the same way; its author is told.
      pending.told = true;
      put_dead(doc, pending, SK_MISSING_DEPS, message);
      emit_rejected(doc, pending.seq, pending.count, SK_MISSING_DEPS, message);
      ++doc.dead;
    }
  }
  delete doc.document;
  doc.document = doc.fresh;
  doc.fresh = nullptr;
  doc.foreign.clear();
  doc.foreign_hlc = 0;
  doc.rebuild_wanted = doc.diverged = false;
  emit_doc(Out::reset, doc);
}

// ---- live ---------------------------------------------------------------------------------------

Status Engine::on_notification(Bytes body, uint64_t now_ms) {
  wire::Notification& message = messages_.notification;
  SK_TRY(wire::decode(body, message));
  Doc* doc = find_id(message.document);
  if (!doc || message.transactions.empty()) return {};
  uint64_t last = message.position + message.transactions.size() - 1;
  if (last > doc->announced) doc->announced = last;
  bool placed = doc->sync == Doc::Sync::live ||
                (doc->sync == Doc::Sync::requested && !doc->first_page && !doc->skipping);
  if (!placed) return {};
  for (size_t i = 0; i < message.transactions.size(); ++i) {
    uint64_t position = message.position + i;
    if (position <= doc->position) continue;
    if (position > doc->position + 1) break;
    Status status = confirm(*doc, position, message.transactions[i]);
    if (status.code() == SK_MALFORMED) return status;
    if (!status.ok()) {
      emit_status(doc->handle, status);
      doc->rebuild_wanted = true;
      retry_later(*doc, now_ms);
      return {};
    }
  }
  settle(*doc, now_ms);
  return {};
}

Status Engine::on_ack(Bytes body, uint64_t now_ms) {
  wire::Ack& ack = messages_.ack;
  SK_TRY(wire::decode(body, ack));
  Doc* doc = find_id(ack.document);
  if (!doc || ack.replica != replica_ || ack.seq <= doc->acked) return {};
  if (ack.position > doc->announced) doc->announced = ack.position;
  bool placed = doc->sync == Doc::Sync::live ||
                (doc->sync == Doc::Sync::requested && !doc->first_page && !doc->skipping);
  if (!placed) return {};
  if (ack.position == doc->position + 1 && doc->size() && doc->at(0).last_seq() == ack.seq) {
    SK_TRY(confirm(*doc, ack.position, doc->at(0).view()));
  } else if (doc->announced <= doc->position) {
    // Durable at an unknown or a passed position: the log will show where.
    doc->announced = doc->position + 1;
  }
  settle(*doc, now_ms);
  return {};
}

Status Engine::on_denied(Bytes body, uint64_t now_ms) {
  wire::Denied& denied = messages_.denied;
  SK_TRY(wire::decode(body, denied));
  Doc* doc = find_id(denied.document);
  if (!doc) return {};
  if (denied.seq) {
    refused(*doc, denied.seq, denied.code, denied.message, now_ms);
    return {};
  }
  leave(*doc);
  doc->sync = Doc::Sync::denied;
  emit_error(doc->handle, SK_DENIED, false, denied.message);
  emit_u8(Out::permission, doc->handle, denied.permission);
  return {};
}

// ---- refusals -----------------------------------------------------------------------------------

void Engine::refused(Doc& doc, uint64_t seq, uint32_t code, Bytes message, uint64_t now_ms) {
  if (doc.sync != Doc::Sync::live) {
    // Most likely about what followed a refused transaction: the queue is sent again after it.
    doc.sent = doc.sent_bytes = 0;
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
  if (!retry && pending.empty) retry = true;
  if (!retry) {
    commit_open(doc);
    make_void(doc, index, code, message);
    settle(doc, now_ms);
    return;
  }
  if (code == SK_LIMIT) {
    // It is not at the host, nor is what follows: all may be re-stamped by the host's time, which
    // the next Welcome tells.
    for (size_t i = index; i < doc.size(); ++i) doc.at(i).maybe_at_host = false;
    emit_error(doc.handle, code, false, message);
    attempt_ = 2;
    drop("asking for the host's time");
    return;
  }
  retry_later(doc, now_ms);
}

// Keeps a refused transaction as a dead letter; a void one uses up its dots.
void Engine::make_void(Doc& doc, size_t index, uint32_t code, Bytes message) {
  const Pending& pending = doc.at(index);
  put_dead(doc, pending, code, message);
  emit_rejected(doc, pending.seq, pending.count, code, message);
  ++doc.dead;
  wire::Transaction& nothing = messages_.made;
  nothing.changes.clear();
  nothing.replica = replica_;
  nothing.seq = pending.seq;
  nothing.count = pending.count;
  nothing.hlc = pending.hlc;
  scratch_.clear();
  wire::encode(nothing, scratch_);
  rewrite(doc, index, scratch_, pending.hlc);
  doc.at(index).empty = true;
  doc.rebuild_wanted = true;
}

}  // namespace synckit
