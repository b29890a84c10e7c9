// What the host says about documents: answers to sync requests, notifications, acks and refusals.
//
// The host's log of a document is the truth. `position` and the local log follow it record by
// record; the document shows it plus the queue. When that cannot be had by merging (a refused
// transaction must vanish, a clock was too far ahead, the log was replaced under us, or only a
// state of it is left), the document is rebuilt: a fresh Document from the host's state, the queue
// merged on top, event `reset`.
//
// What is called here only notes where a document stands; `settle` goes on from there.
#include "engine.hpp"
#include "state.hpp"

namespace synckit {
namespace {

// What is refused for want of what it builds on may be what follows something that is sent again:
// so often it is tried.
constexpr uint32_t kRefusals = 3;

}  // namespace

// Tells the UI about others' edits.
void Engine::patch(const DocumentField& field, Bytes bytes) {
  Doc& doc = *merging_;
  // Handles up to this one, for a caller that has not asked for them.
  for (uint32_t& i = doc.announced_fields; kTellsAll && i <= field.index; ++i) {
    const DocumentField& at = doc.document->field(i);
    emit(Out::field, doc.handle(), i + 1, at.name().len, 0, at.name(), at.type_name());
  }
  tell(Out::patch, doc.handle(), field.index + 1, bytes);
}

// ---- confirmed transactions ---------------------------------------------------------------------

Status Engine::merge_confirmed(Doc& doc, const wire::Transaction& transaction, Bytes encoded) {
  Merged outcome = Merged::applied;
  Document& target = doc.target();
  merging_ = &doc;
  Status status = target.merge(transaction, outcome, doc.fresh || !doc.ready ? nullptr : this);
  if (kUnordered && status.code() == SK_MALFORMED) {
    // No replica can merge it, so for every replica it is void.
    emit_status(doc.handle(), status);
    target.commit_local(transaction.replica, transaction.last_seq(), 0);
    status = {};
  }
  SK_TRY(status);
  if (transaction.replica == replica_) {
    doc.at_host = transaction.last_seq();
  } else if (outcome == Merged::duplicate) {
    // Another replica's queue has brought it, maybe in another form (re-stamped, or refused).
    uint64_t hash = fnv(encoded);
    size_t i = 0;
    while (i < doc.foreign.size() && doc.foreign[i] != hash) ++i;
    if (i == doc.foreign.size()) doc.rebuild_wanted = true;
  }
  raise(doc.seen_hlc, transaction.hlc);
  return {};
}

// The transaction at position + 1 of the host's log.
Status Engine::confirm(Doc& doc, uint64_t position, Bytes encoded) {
  SK_TRY(wire::decode(encoded, read_));
  uint64_t through = read_.last_seq();
  bool own = read_.replica == replica_;
  if (own && through > doc.acked && doc.queue.first && !(doc.queue.first->view() == encoded)) {
    // The host holds other changes under the numbers of ours: this replica's store was set back
    // or copied. What is queued cannot be sent as it is; it is kept as dead letters.
    commit_open(doc);
    while (doc.queue.first) {
      Pending* pending = unqueue(doc);
      reject(doc, *pending, SK_CONFLICT, "another change has its number");
      erase(doc, kQueueRecord, pending->seq);
      std::free(pending);
    }
    doc.own_hlc = doc.sent = 0;
    doc.last_seq = doc.acked;
    doc.rebuild_wanted = true;
  }
  SK_TRY(merge_confirmed(doc, read_, encoded));
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

void Engine::forget_confirmed(Doc& doc) {
  doc.position = doc.at_host = 0;
  doc.snapshot_position = doc.refresh_bytes = 0;
  erase_log(doc, UINT64_MAX);
  erase(doc, kSnapshotRecord, 0);
}

// What the host sent of a document cannot be merged: the document is made anew. Unless the host
// broke the protocol, which the caller passes on.
Status Engine::failed(Doc& doc, Status status, uint64_t now_ms) {
  doc.rebuild_wanted = true;
  if (status.code() == SK_MALFORMED) return status;
  emit_status(doc.handle(), status);
  retry_later(doc, now_ms);
  return {};
}

// ---- answers to sync requests -------------------------------------------------------------------

Status Engine::on_response(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  if (!doc.awaits()) return {};
  doc.due = now_ms + kAnswerTimeoutMs;
  uint32_t permission = in.u32(7);
  if (permission != doc.permission) {
    doc.permission = permission;
    tell(Out::permission, doc.handle(), permission);
  }
  if (Status status = place(doc, in); !status.ok()) return failed(doc, status, now_ms);
  bool more = in.varint(8) != 0;
  if (!more) finish_sync(doc, now_ms);
  return {};
}

// Puts one page where it belongs in the log. What merging into the document cannot reach (another
// log, or a state in place of one) goes into a fresh one: what the host has lost for good must not
// live on here alone.
Status Engine::place(Doc& doc, const wire::Fields& page) {
  uint64_t epoch = page.fixed(2), position = page.varint(6);
  Bytes snapshot = page.bytes(3);
  uint64_t base = position - transactions_.size();
  bool jumps = base > doc.position;
  if (doc.sync == Doc::Sync::asked) {
    doc.sync = Doc::Sync::placing;
    bool other_log = doc.epoch != 0 && epoch != doc.epoch;
    bool set_back = base < doc.position && !doc.refreshing;
    if (other_log || set_back || jumps) doc.rebuild_wanted = true;
    if (doc.rebuild_wanted) {
      doc.fresh = new Document(registry_, limits_.document);
      forget_confirmed(doc);
    }
    doc.epoch = epoch;
  }
  if (base > position || (base > doc.position && !snapshot.data)) {
    return Status::malformed(SK_TEXT("a sync response leaves out positions"));
  }
  if (snapshot.data) {
    if (base > doc.position) {  // else it is only to be stored
      SK_TRY(wire::decode(snapshot, snapshot_));
      SK_TRY(doc.target().merge_snapshot(snapshot_, nullptr));
      raise(doc.seen_hlc, snapshot_.max_hlc);
      doc.position = base;
      doc.at_host = snapshot_.version[replica_];
      acknowledge(doc, doc.at_host);
    }
    if (base > doc.snapshot_position) put_snapshot(doc, base, snapshot);
  }
  return confirm_all(doc, base + 1);
}

void Engine::finish_sync(Doc& doc, uint64_t now_ms) {
  commit_open(doc);
  if (doc.at_host < doc.acked) {
    emit(Out::history_lost, doc.handle(), 0, doc.acked, doc.at_host);
    send_history_again(doc);
  }
  if (doc.fresh) {
    finish_rebuild(doc, now_ms);
  } else {
    for (Pending* at = doc.queue.first; at; at = at->next) {
      if (ahead(*at, host_time(now_ms))) doc.rebuild_wanted = true;
    }
  }
  doc.refreshing = false;
  doc.due = kNever;
  doc.sync = Doc::Sync::live;
}

// Goes on with a live document, from where it stands.
void Engine::settle(Doc& doc, uint64_t now_ms) {
  if (doc.sync != Doc::Sync::live) return;
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
  while (doc.queue.first) doc.history.add(unqueue(doc));
  Queue held = doc.history;
  doc.history = {};
  doc.last_seq = doc.acked = doc.told[static_cast<size_t>(Stage::durable)] = doc.at_host;
  doc.sent = 0;
  put_own(doc);
  while (held.first) {
    Pending* pending = held.take();
    if (pending->seq <= doc.last_seq) {
      std::free(pending);
      continue;
    }
    fill_gap(doc, pending->seq - 1);
    pending->maybe_at_host = false;
    append(doc, pending);
  }
  fill_gap(doc, acked);
}

// Swaps in what the host's state and the queue make. Invariant 8: what a fast clock stamped, and
// the host cannot hold, gets the host's time, as does what follows it.
void Engine::finish_rebuild(Doc& doc, uint64_t now_ms) {
  Document& fresh = *doc.fresh;
  uint64_t host_ms = host_time(now_ms);
  bool late = false;
  doc.own_hlc = 0;
  for (Pending** at = &doc.queue.first; *at; at = &(*at)->next) {
    if (late || ahead(**at, host_ms)) {
      late = true;
      restamp(doc, at, above(doc, Hlc::pack(host_ms)));
    }
    Pending* pending = *at;
    doc.own_hlc = pending->hlc;
    uint64_t voided = fresh.voided();
    Merged outcome = Merged::applied;
    Status status = wire::decode(pending->view(), read_);
    if (status.ok()) status = fresh.merge(read_, outcome, nullptr);
    Bytes message = "what it builds on is not here";
    if (!status.ok() || outcome == Merged::parked) {
      fresh.commit_local(replica_, pending->last_seq(), 0);
      make_void(doc, at, SK_MISSING_DEPS, message);
    } else if (fresh.voided() != voided && !pending->told) {
      // Every replica finds it without effect, in the same way; its author is told.
      pending->told = true;
      reject(doc, *pending, SK_MISSING_DEPS, message);
    }
  }
  fresh.follow(*doc.document);
  delete doc.document;
  doc.document = doc.fresh;
  doc.fresh = nullptr;
  doc.foreign.clear();
  doc.sent = 0;
  doc.rebuild_wanted = false;
  tell(Out::reset, doc.handle());
}

// ---- live ---------------------------------------------------------------------------------------

Status Engine::on_notification(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  uint64_t first = in.varint(2);
  if (transactions_.empty()) return {};
  uint64_t last = first + transactions_.size() - 1;
  raise(doc.announced, last);
  if (doc.sync < Doc::Sync::placing) return {};
  Status status = confirm_all(doc, first);
  return status.ok() ? status : failed(doc, status, now_ms);
}

Status Engine::on_ack(Doc& doc, const wire::Fields& in) {
  wire::Ack ack;
  wire::read(in, ack);
  if (ack.replica != replica_ || ack.seq <= doc.acked) return {};
  raise(doc.announced, ack.position);
  if (doc.sync < Doc::Sync::placing) return {};
  if (ack.position == doc.position + 1 && doc.queue.first &&
      doc.queue.first->last_seq() == ack.seq) {
    SK_TRY(confirm(doc, ack.position, doc.queue.first->view()));
  } else if (doc.announced <= doc.position) {
    // Durable at an unknown or a passed position: the log will show where.
    doc.announced = doc.position + 1;
  }
  return {};
}

void Engine::on_denied(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  wire::Denied denied;
  wire::read(in, denied);
  if (denied.seq) return refused(doc, denied.seq, true, denied.code, denied.message, now_ms);
  leave(doc);
  doc.sync = Doc::Sync::denied;
  tell(Out::error, doc.handle(), SK_DENIED, denied.message);
  tell(Out::permission, doc.handle(), denied.permission);
}

// ---- refusals -----------------------------------------------------------------------------------

void Engine::refused(Doc& doc, uint64_t seq, bool for_good, uint32_t code, Bytes message,
                     uint64_t now_ms) {
  if (doc.sync != Doc::Sync::live) {
    // Most likely about what followed a refused transaction: the queue is sent again after it.
    doc.sent = 0;
    return;
  }
  Pending** at = &doc.queue.first;
  while (*at && (*at)->last_seq() < seq) at = &(*at)->next;
  Pending* pending = *at;
  if (!pending || seq < pending->seq || pending->seq > doc.sent) return;
  if (doc.refused_seq != seq) doc.refused_times = 0;
  doc.refused_seq = seq;
  if (code == SK_MISSING_DEPS && ++doc.refused_times >= kRefusals) for_good = true;
  // A void one has nothing left to give up, and its dead letter is not to be replaced.
  if (for_good && !pending->empty) return make_void(doc, at, code, message);
  if (code != SK_LIMIT) return retry_later(doc, now_ms);
  // It is not at the host, nor is what follows: all may be re-stamped by the host's time, which
  // the next Welcome tells.
  for (; pending; pending = pending->next) pending->maybe_at_host = false;
  tell(Out::error, doc.handle(), code, message);
  attempt_ = 2;
  drop("asking for the host's time");
}

// Keeps a refused transaction as a dead letter; a void one uses up its dots.
void Engine::make_void(Doc& doc, Pending** at, uint32_t code, Bytes message) {
  const Pending& pending = **at;
  reject(doc, pending, code, message);
  replace(doc, at, make(pending.seq, pending.count, pending.hlc, {}));
  doc.rebuild_wanted = true;
}

}  // namespace synckit
