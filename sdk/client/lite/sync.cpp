// The connection, and what the host says about documents.
//
//   idle (until due: off, or a backoff) -> opening (the caller's transport) -> hello -> open
//                                              any of these -> dropping -> idle
#include "state.hpp"

namespace synckit {
namespace {

constexpr uint64_t kConnectTimeoutMs = 30'000, kAnswerTimeoutMs = 30'000;

}  // namespace

template <class Write>
void Lite::send(wire::Kind kind, Write write) {
  wire::Message out(frame_);
  size_t start = out.open(static_cast<uint32_t>(kind));
  write(out);
  out.close(start);
  tell(Out::frame, 0, 0, frame_);
  frame_.clear();
}

void Lite::send_id(wire::Kind kind, const Doc& doc) {
  send(kind, [&](wire::Message& out) { wire::write(wire::DocumentId{doc.id}, out); });
}

// ---- the connection -----------------------------------------------------------------------------

void Lite::online(bool wanted, uint64_t) {
  wanted_ = wanted;
  attempt_ = 0;
  if (!wanted) drop();
  if (session_ == Session::idle) due_ = wanted ? 0 : kNever;
}

void Lite::drop() {
  if (session_ <= Session::dropping) return;
  session_ = Session::dropping;
  due_ = kNever;
  tell(Out::drop, 0);
}

void Lite::give_up(uint32_t code, Bytes why) {
  wanted_ = false;
  emit(Out::error, 0, code, 1, 0, why);
  drop();
}

void Lite::connected(Bytes credential, uint64_t) {
  if (session_ != Session::opening) return;
  session_ = Session::hello;
  send(wire::Kind::hello, [&](wire::Message& out) {
    wire::write(wire::Hello{wire::kProtocol, replica_, credential, {}, client_}, out);
  });
}

void Lite::disconnected(uint64_t now_ms) {
  if (session_ == Session::idle) return;
  session_ = Session::idle;
  due_ = wanted_ ? now_ms + backoff_.pause_ms(attempt_) : kNever;
}

// Does what is due, and what calls have put off: connects, asks, sends, tells how things stand.
void Lite::tick(uint64_t now_ms) {
  if (now_ms >= due_) {
    due_ = now_ms + kConnectTimeoutMs;
    if (session_ == Session::idle) {
      session_ = Session::opening;
      tell(Out::connect, 0);
    } else if (session_ == Session::open && now_ms - heard_at_ <= uint64_t{heartbeat_ms_} * 2) {
      due_ = now_ms + heartbeat_ms_;
      send(wire::Kind::ping, [](wire::Message&) {});
    } else {
      drop();
    }
  }
  timer_ = due_;
  DocStatus overall = status_of_session();
  if (overall == DocStatus::syncing) overall = DocStatus::synced;
  for (Doc* doc = docs_; doc; doc = doc->next) {
    if (session_ == Session::open) {
      if (doc->sync == Doc::Sync::live && doc->announced > doc->position + 1) doc->ask(0);
      if (now_ms >= doc->due) {
        if (doc->awaits()) return drop();  // JavaScript calls again
        request_sync(*doc, now_ms);
      }
      pump(*doc);
      if (doc->due < timer_) timer_ = doc->due;
    }
    DocStatus status = status_of(*doc);
    if (status == DocStatus::syncing) overall = status;
    if (status == doc->status) continue;
    doc->status = status;
    tell(Out::status, doc->handle(), static_cast<uint32_t>(status));
  }
  if (overall == overall_) return;
  overall_ = overall;
  tell(Out::status, 0, static_cast<uint32_t>(overall));
}

Status Lite::receive(Bytes bytes, uint64_t now_ms) {
  if (session_ < Session::hello) return {};
  if (!kHandsOver && out_.len > kMaxOutputBytes) {
    return Status::limit("kMaxOutputBytes: take output first");
  }
  heard_at_ = now_ms;
  commit_all(now_ms);  // what is written later has to beat what comes now
  wire::Frame frame;
  Status status = wire::decode(bytes, frame);
  if (status.ok() && !dispatch(frame.kind, frame.body, now_ms)) {
    status = Status::malformed(SK_TEXT("the host sends what is not well formed"));
  }
  if (!status.ok()) {
    tell_error(status);
    drop();
    attempt_ = Backoff::kSlowAttempt;  // a host that breaks the protocol will do so again
  }
  return status;
}

bool Lite::dispatch(wire::Kind kind, Bytes body, uint64_t now_ms) {
  using wire::Kind;
  wire::Fields in(body);
  uint64_t count = 0;  // of transactions
  while (in.next()) count += in.is(kind == Kind::notification ? 3 : 4);
  if (!in.ok()) return false;
  if (kind == Kind::welcome) return on_welcome(in, now_ms);
  Doc* doc = find_id(in.bytes(1));
  if (kind == Kind::error || kind == Kind::denied) {
    return on_refusal(doc, kind == Kind::denied, in, now_ms), true;
  }
  if (!doc || session_ != Session::open) return true;
  switch (kind) {
    case Kind::sync_response: return on_response(*doc, in, body, count, now_ms);
    case Kind::notification: return on_notification(*doc, in, body, count);
    case Kind::ack: return on_ack(*doc, in), true;
    default: return true;  // Pong, presence, and what later versions may add
  }
}

bool Lite::on_welcome(const wire::Fields& in, uint64_t now_ms) {
  wire::Fields limits(in.bytes(4));
  if (!limits.all().ok()) return false;
  session_ = Session::open;
  attempt_ = 0;
  offset_ms_ = static_cast<int64_t>(in.varint(3) - now_ms);
  if (limits.u32(2) > kOverhead) max_transaction_bytes_ = limits.u32(2);
  if (limits.u32(6)) heartbeat_ms_ = limits.u32(6);
  due_ = now_ms + heartbeat_ms_;
  for (Doc* doc = docs_; doc; doc = doc->next) {
    if (!doc->is_open) continue;
    doc->ask(0);
    doc->announced = doc->permission = 0;
  }
  return true;
}

// What the host denies is refused for good; an error may go by.
void Lite::on_refusal(Doc* doc, bool denied, const wire::Fields& in, uint64_t now_ms) {
  uint32_t code = in.u32(3);
  if (doc && in.varint(2)) return refused(*doc, denied, in, now_ms);
  bool fatal = !denied && in.varint(5);
  // Trying again at once cannot help: another protocol, or another connection of this replica.
  if (fatal && (code == SK_UNSUPPORTED || code == SK_CONFLICT)) return give_up(code, in.bytes(4));
  tell(Out::error, 0, code, in.bytes(4));
  if (fatal) return drop();
  if (!doc) return;
  if (denied) {
    doc->ask(kNever);
    doc->sync = Doc::Sync::denied;
    doc->permission = 1;  // not to write, either
    tell(Out::permission, doc->handle(), in.u32(5));
  } else if (doc->awaits()) {
    retry_later(*doc, now_ms);
  }
}

// ---- syncing ------------------------------------------------------------------------------------

// One request at a time per document, so that answers need no correlation. The host answers with
// what follows the position in its log, or, when it has no such position, with the whole state. To
// subscribe again has no effect.
void Lite::request_sync(Doc& doc, uint64_t now_ms) {
  send_id(wire::Kind::subscribe, doc);
  send(wire::Kind::sync_request, [&](wire::Message& out) {
    wire::write(wire::SyncRequest{doc.id, {}, doc.position, doc.epoch}, out);
  });
  doc.sync = Doc::Sync::asked;
  doc.due = now_ms + kAnswerTimeoutMs;
}

void Lite::retry_later(Doc& doc, uint64_t now_ms) {
  doc.ask(now_ms + backoff_.pause_ms(attempt_));
}

// Sends the queue, as far as the window allows.
void Lite::pump(Doc& doc) {
  if (doc.sync != Doc::Sync::live) return;
  while (doc.unsent != doc.open && doc.unsent - doc.first < kWindowBytes) {
    const Pending& pending = doc.at(doc.unsent);
    send(wire::Kind::update, [&](wire::Message& out) {
      wire::write(wire::DocumentId{doc.id}, out);
      size_t start = out.open(2);
      wire::encode(wire::TransactionHead{replica_, pending.seq, pending.count, pending.hlc},
                   frame_);
      Writer(frame_).raw(pending.changes());
      out.close(start);
    });
    doc.unsent += pending.size();
    if (pending.last_seq() <= doc.told) continue;
    doc.told = pending.last_seq();
    tell_progress(doc, Stage::sent, doc.told);
  }
}

// A change or a state; what the type refuses has no effect, here as everywhere.
bool Lite::merge(Doc& doc, Bytes part) {
  wire::Fields in(part);
  if (!in.all().ok()) return false;
  if (!in.bytes(1).empty() || !(in.bytes(2) == map_type_name())) return true;
  Bytes delta = in.bytes(4);
  patch_.clear();
  void* map = doc.fresh ? doc.fresh : doc.map;
  Buffer* patch = doc.fresh ? nullptr : &patch_;
  Status status = of_type(map_type().merge(map, delta.data, delta.len, patch, nullptr));
  if (!status.ok()) tell_error(status);
  if (!patch_.empty()) tell(Out::patch, doc.handle(), 1, patch_);
  return true;
}

// What a snapshot or a transaction holds: changes or states have that number, its clock that one.
bool Lite::merge_all(Doc& doc, wire::Fields& in, uint32_t number, uint32_t clock) {
  while (in.next()) {
    if (in.is(number) && !merge(doc, in.item())) return false;
    if (!in.is(1)) continue;
    wire::Fields dot(in.item());  // of a snapshot's version
    if (!dot.all().ok()) return false;
    if (dot.fixed(1) == replica_) acknowledge(doc, dot.varint(2));
  }
  raise(doc.hlc, in.fixed(clock));
  return in.ok();
}

// The transaction at the next position of the host's log.
bool Lite::confirm(Doc& doc, Bytes transaction) {
  wire::Fields in(transaction);
  if (!merge_all(doc, in, 5, 4)) return false;
  ++doc.position;
  if (in.fixed(1) == replica_) acknowledge(doc, in.varint(2) + in.u32(3) - 1);
  return true;
}

// The transactions of a message, the first of which is at `position`: those that come next.
bool Lite::confirm_all(Doc& doc, Bytes body, uint32_t number, uint64_t position) {
  wire::Fields in(body);
  while (in.next()) {
    if (!in.is(number) || position++ != doc.position + 1) continue;
    if (!confirm(doc, in.item())) return false;
  }
  return true;
}

bool Lite::on_response(Doc& doc, const wire::Fields& in, Bytes body, uint64_t count,
                       uint64_t now_ms) {
  if (!doc.awaits()) return true;
  uint64_t epoch = in.fixed(2), position = in.varint(6), base = position - count;
  uint32_t permission = in.u32(7);
  doc.due = now_ms + kAnswerTimeoutMs;
  if (permission != doc.permission) {
    doc.permission = permission;
    tell(Out::permission, doc.handle(), permission);
  }
  // Not what follows our position: the whole state.
  if (doc.sync == Doc::Sync::asked && (doc.epoch != epoch || base < doc.position)) {
    doc.lose_log();
    doc.fresh = make_map();
    doc.epoch = epoch;
    doc.own_there = 0;
    if (doc.restamp) doc.hlc = 0;
  }
  doc.sync = Doc::Sync::placing;
  if (in.has_bytes(3) && base > doc.position && base <= position) {
    wire::Fields snapshot(in.bytes(3));
    if (!merge_all(doc, snapshot, 3, 2)) return false;
    doc.position = base;
  }
  if (base > doc.position) return false;  // what is in between is left out
  if (!confirm_all(doc, body, 4, base + 1)) return false;
  if (in.varint(8)) return true;  // there is more
  if (doc.fresh) {
    if (doc.own_there < doc.acked) {
      emit(Out::history_lost, doc.handle(), 0, doc.acked, doc.own_there, {});
      give_up(SK_UNSUPPORTED, "the host has lost changes");
      return true;
    }
    finish_rebuild(doc, now_ms);
  }
  doc.sync = Doc::Sync::live;
  doc.due = kNever;
  doc.unsent = doc.first;  // what was sent may have gone into another log, or come to nothing
  return true;
}

// Swaps in what the host's state and the queue make.
void Lite::finish_rebuild(Doc& doc, uint64_t now_ms) {
  for (; doc.first != doc.queue.len; doc.first += doc.at(doc.first).size()) {
    Pending& pending = doc.at(doc.first);
    if (doc.restamp) pending.hlc = next_hlc(doc, now_ms);
    Stamp stamp{replica_, pending.seq, pending.hlc};
    size_t start = frame_.len;
    add(frame_, {reinterpret_cast<const uint8_t*>(&pending), sizeof pending});
    wire::Fields in(pending.seq == doc.refused_seq ? Bytes{} : pending.changes());
    while (in.next()) {
      wire::Fields change(in.item());
      (void)change.all();
      Bytes delta = change.bytes(4);
      delta_.clear();
      (void)map_type().restamp(doc.fresh, &stamp, delta.data, delta.len, &delta_, nullptr);
      (void)map_type().merge(doc.fresh, delta_.data, delta_.len, nullptr, nullptr);
      write_change(frame_, change.u32(3));
    }
    reinterpret_cast<Pending*>(frame_.data + start)->len =
        static_cast<uint32_t>(frame_.len - start - sizeof pending);
  }
  doc.queue.swap(frame_);
  frame_.clear();
  doc.first = 0;
  doc.open = doc.queue.len;
  std::swap(doc.map, doc.fresh);
  doc.drop_fresh();
  doc.restamp = false;
  tell(Out::reset, doc.handle());
}

bool Lite::on_notification(Doc& doc, const wire::Fields& in, Bytes body, uint64_t count) {
  uint64_t first = in.varint(2);
  raise(doc.announced, first + count);
  return doc.sync < Doc::Sync::placing || confirm_all(doc, body, 3, first);
}

void Lite::on_ack(Doc& doc, const wire::Fields& in) {
  wire::Ack ack;
  wire::read(in, ack);
  raise(doc.announced, ack.position + 1);
  if (doc.sync != Doc::Sync::live) return;  // the log will show it
  if (ack.position == doc.position + 1) ++doc.position;
  acknowledge(doc, ack.seq);
}

// The transaction that begins at a seq was not taken. When not live: most likely one that followed
// a refused one; what is not acknowledged is sent again.
void Lite::refused(Doc& doc, bool denied, const wire::Fields& in, uint64_t now_ms) {
  if (doc.sync != Doc::Sync::live) return;
  uint64_t seq = in.varint(2);
  size_t at = doc.first;
  while (at != doc.unsent && doc.at(at).seq < seq) at += doc.at(at).size();
  if (at == doc.unsent || doc.at(at).seq != seq) return;
  const Pending& pending = doc.at(at);
  retry_later(doc, now_ms);
  if (denied) {
    if (!pending.len) return;  // it has nothing left to give up
    emit(Out::rejected, doc.handle(), in.u32(3), seq, pending.count, in.bytes(4));
    doc.refused_seq = seq;
    doc.due = 0;
  } else {
    if (in.u32(3) != SK_LIMIT) return;
    doc.restamp = true;  // it is about the clock
  }
  doc.lose_log();
}

}  // namespace synckit
