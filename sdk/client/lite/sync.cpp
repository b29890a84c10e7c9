// The connection, and what the host says about documents.
//
//   idle (until due: off, or a backoff) -> opening (the caller's transport) -> hello -> open
//                                              any of these -> dropping -> idle
#include "state.hpp"

namespace synckit {
namespace {

constexpr uint64_t kOpenTimeoutMs = 20'000, kHelloTimeoutMs = 10'000, kAnswerTimeoutMs = 30'000;
constexpr uint32_t kRefusals = 3;  // of one transaction, until they count as final
// Refusals that mean: not now.
constexpr uint32_t kTransient =
    1u << SK_UNAVAILABLE | 1u << SK_CONFLICT | 1u << SK_INTERNAL | 1u << SK_NOMEM;

Status leaves_out() {
  return Status::malformed(SK_TEXT("a sync response leaves out positions"));
}

}  // namespace

template <class Message>
void Lite::send(wire::Kind kind, const Message& message) {
  {
    wire::Envelope out(kind, frame_);
    wire::write(message, out);
  }
  tell(Out::frame, 0, 0, frame_);
  frame_.clear();
}

void Lite::send_id(wire::Kind kind, Bytes id) { send(kind, wire::DocumentId{id}); }

// ---- the connection -----------------------------------------------------------------------------

void Lite::online(bool wanted, uint64_t now_ms) {
  wanted_ = wanted;
  if (session_ != Session::idle) {
    if (!wanted) drop();
  } else if (!wanted) {
    due_ = kNever;
  } else if (due_ == kNever) {
    attempt_ = 0;
    due_ = now_ms;
    tick(now_ms);
  }
}

void Lite::drop() {
  if (session_ <= Session::dropping) return;
  session_ = Session::dropping;
  leave_all();
  tell(Out::drop, 0);
}

void Lite::give_up(uint32_t code, Bytes why) {
  wanted_ = false;
  emit(Out::error, 0, code, 1, 0, why);
  drop();
}

void Lite::connected(Bytes credential, uint64_t now_ms) {
  if (session_ != Session::opening) return;
  session_ = Session::hello;
  due_ = now_ms + kHelloTimeoutMs;
  wire::Hello hello;
  hello.protocol = wire::kProtocol;
  hello.replica = replica_;
  hello.credential = credential;
  hello.client = client_;
  send(wire::Kind::hello, hello);
}

void Lite::disconnected(uint64_t now_ms) {
  if (session_ == Session::idle) return;
  leave_all();
  session_ = Session::idle;
  if (wanted_) due_ = now_ms + backoff_.pause_ms(attempt_);
}

void Lite::leave_all() {
  ping_at_ = due_ = kNever;
  for (Doc* doc = docs_; doc; doc = doc->next) {
    doc->forget();
    doc->announced = doc->permission = 0;
  }
}

void Lite::tick(uint64_t now_ms) {
  if (now_ms >= due_) {
    if (session_ != Session::idle) return drop();  // the host has not answered in time
    session_ = Session::opening;
    due_ = now_ms + kOpenTimeoutMs;
    tell(Out::connect, 0);
  }
  if (now_ms >= ping_at_) {
    send(wire::Kind::ping, wire::Ping{now_ms});
    ping_at_ = now_ms + heartbeat_ms_;
  }
  for (Doc* doc = docs_; doc; doc = doc->next) {
    if (now_ms < doc->due) continue;
    if (doc->awaits()) return drop();
    request_sync(*doc, now_ms);
  }
}

uint64_t Lite::next_timer_ms() const {
  uint64_t at = due_ < ping_at_ ? due_ : ping_at_;
  for (const Doc* doc = docs_; doc; doc = doc->next) {
    if (doc->due < at) at = doc->due;
  }
  return at;
}

Status Lite::receive(Bytes bytes, uint64_t now_ms) {
  if (session_ < Session::hello) return {};
  if (!kHandsOver && out_.len > kMaxOutputBytes) {
    return Status::limit("kMaxOutputBytes: take output first");
  }
  if (session_ == Session::open) due_ = now_ms + uint64_t{heartbeat_ms_} * 5 / 2;
  wire::Frame frame;
  Status status = wire::decode(bytes, frame);
  if (status.ok()) status = dispatch(frame, now_ms);
  if (!status.ok()) {
    tell_status(0, status);
    drop();
    attempt_ = Backoff::kSlowAttempt;  // a host that breaks the protocol will do so again
  }
  return status;
}

Status Lite::dispatch(const wire::Frame& frame, uint64_t now_ms) {
  using wire::Kind;
  wire::Fields in(frame.body);
  SK_TRY(in.all(frame.kind == Kind::notification ? 3 : 4, transactions_));
  if (frame.kind == Kind::welcome) return on_welcome(in, now_ms);
  if (frame.kind == Kind::error) return on_error(in, now_ms), Status{};
  Doc* doc = find_id(in.bytes(1));
  if (!doc || session_ != Session::open) return {};
  switch (frame.kind) {
    case Kind::sync_response: return on_response(*doc, in, now_ms);
    case Kind::notification: return on_notification(*doc, in, now_ms);
    case Kind::ack: return on_ack(*doc, in, now_ms), Status{};
    case Kind::denied: return on_denied(*doc, in, now_ms), Status{};
    default: return {};  // Pong, presence, and what later versions may add
  }
}

Status Lite::on_welcome(const wire::Fields& in, uint64_t now_ms) {
  wire::Welcome welcome;
  wire::read(in, welcome);
  SK_TRY(wire::decode(in.bytes(4), welcome.limits));
  if (welcome.protocol != wire::kProtocol) {
    give_up(SK_UNSUPPORTED, "the host speaks another protocol version");
    return {};
  }
  session_ = Session::open;
  attempt_ = 0;
  offset_ms_ = welcome.host_time_ms - static_cast<int64_t>(now_ms);
  const wire::Limits& host = welcome.limits;
  if (host.heartbeat_ms) heartbeat_ms_ = host.heartbeat_ms;
  max_transaction_bytes_ = kMaxTransactionBytes;
  for (size_t limit : {host.max_transaction_bytes, host.max_frame_bytes}) {
    if (limit > 2 * kOverhead && limit - kOverhead < max_transaction_bytes_) {
      max_transaction_bytes_ = limit - kOverhead;
    }
  }
  ping_at_ = now_ms + heartbeat_ms_;
  due_ = now_ms + uint64_t{heartbeat_ms_} * 5 / 2;
  for (Doc* doc = docs_; doc; doc = doc->next) subscribe(*doc, now_ms);
  return {};
}

void Lite::on_error(const wire::Fields& in, uint64_t now_ms) {
  wire::Error error;
  wire::read(in, error);
  if (error.fatal) {
    // Trying again at once cannot help: another protocol, or another connection of this replica.
    if (error.code == SK_UNSUPPORTED || error.code == SK_CONFLICT) {
      return give_up(error.code, error.message);
    }
    tell(Out::error, 0, error.code, error.message);
    return drop();
  }
  Doc* doc = find_id(error.document);
  if (doc && error.seq) return refused(*doc, error.seq, error.code, error.message, now_ms);
  tell(Out::error, doc ? doc->handle() : 0, error.code, error.message);
  if (doc && doc->awaits()) retry_later(*doc, now_ms);
}

// ---- syncing ------------------------------------------------------------------------------------

void Lite::subscribe(Doc& doc, uint64_t now_ms) {
  if (session_ != Session::open) return;
  send_id(wire::Kind::subscribe, doc.name());
  request_sync(doc, now_ms);
}

// One request at a time per document, so that answers need no correlation. The host answers with
// what follows the position in its log, or, when it has no such position, with the whole state.
void Lite::request_sync(Doc& doc, uint64_t now_ms) {
  if (session_ != Session::open || doc.awaits()) return;
  uint64_t position = doc.rebuild ? 0 : doc.position, epoch = doc.rebuild ? 0 : doc.epoch;
  send(wire::Kind::sync_request, wire::SyncRequest{doc.name(), {}, position, epoch});
  doc.whole = doc.rebuild;
  doc.sync = Doc::Sync::asked;
  doc.due = now_ms + kAnswerTimeoutMs;
}

void Lite::retry_later(Doc& doc, uint64_t now_ms) {
  doc.forget();
  doc.due = now_ms + backoff_.pause_ms(doc.attempt);
}

// Sends the queue, as far as the window allows.
void Lite::pump(Doc& doc) {
  if (doc.sync != Doc::Sync::live || doc.rebuild) return;
  while (Pending* pending = doc.unsent) {
    if (doc.sent_bytes && doc.sent_bytes + pending->cost() > kWindowBytes) break;
    // Who may only read would have a void one refused again and again: it waits for the right.
    if (doc.permission == 1 && pending->is_void) break;
    send(wire::Kind::update, wire::Update{doc.name(), pending->bytes()});
    doc.unsent = pending->next;
    doc.sent_bytes += pending->cost();
    if (pending->last_seq() <= doc.told) continue;
    doc.told = pending->last_seq();
    emit(Out::progress, doc.handle(), static_cast<uint32_t>(Stage::sent), doc.told, 0, {});
  }
}

// After any progress of a live document.
void Lite::settle(Doc& doc, uint64_t now_ms) {
  if (doc.sync != Doc::Sync::live) return;
  if (doc.rebuild || doc.announced > doc.position) {
    request_sync(doc, now_ms);
  } else {
    pump(doc);
  }
}

// A change or a state; what the type refuses has no effect, here as everywhere. With `restamp`, an
// own change, which gets that stamp, here and in what is added to changes_.
Status Lite::merge(Doc& doc, Bytes part, Stamp* restamp) {
  wire::Fields in(part);
  SK_TRY(in.all());
  if (!in.bytes(1).empty() || !(in.bytes(2) == map_type_name())) return {};
  Bytes delta = in.bytes(4);
  if (restamp) {
    delta_.clear();
    (void)map_type().restamp(doc.fresh, restamp, delta.data, delta.len, &delta_, nullptr);
    wire::encode(wire::Change{{}, map_type_name(), in.u32(3), delta_}, changes_);
    restamp->seq += in.u32(3);
    return {};
  }
  patch_.clear();
  void* map = doc.fresh ? doc.fresh : doc.map;
  Buffer* patch = doc.fresh ? nullptr : &patch_;
  Status status = of_type(map_type().merge(map, delta.data, delta.len, patch, nullptr));
  if (!status.ok()) tell_status(doc.handle(), status);
  if (!patch_.empty()) tell(Out::patch, doc.handle(), 1, patch_);
  return {};
}

Status Lite::merge_snapshot(Doc& doc, Bytes snapshot) {
  wire::Fields in(snapshot);
  while (in.next()) {
    if (in.is(3)) SK_TRY(merge(doc, in.item()));
    if (!in.is(1)) continue;
    wire::Fields dot(in.item());  // of the version
    SK_TRY(dot.all());
    if (dot.fixed(1) == replica_) acknowledge(doc, dot.varint(2));
  }
  raise(doc.seen_hlc, in.fixed(2));
  return in.status();
}

// The transaction at the next position of the host's log.
Status Lite::confirm(Doc& doc, Bytes encoded) {
  wire::Fields in(encoded);
  while (in.next()) {
    if (in.is(5)) SK_TRY(merge(doc, in.item()));
  }
  SK_TRY(in.status());
  raise(doc.seen_hlc, in.fixed(4));
  ++doc.position;
  if (in.fixed(1) == replica_) acknowledge(doc, in.varint(2) + in.u32(3) - 1);
  return {};
}

// The transactions of a message, the first of which is at `position`: those that come next.
Status Lite::confirm_all(Doc& doc, uint64_t position) {
  for (Bytes transaction : transactions_) {
    if (position++ == doc.position + 1) SK_TRY(confirm(doc, transaction));
  }
  return {};
}

Status Lite::on_response(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  if (!doc.awaits()) return {};
  wire::SyncResponse page;
  wire::read(in, page);
  doc.due = now_ms + kAnswerTimeoutMs;
  if (page.permission != doc.permission) {
    doc.permission = page.permission;
    tell(Out::permission, doc.handle(), page.permission);
  }
  uint64_t base = page.position - transactions_.size();
  if (base > page.position) return leaves_out();
  if (doc.sync == Doc::Sync::asked) {
    doc.sync = Doc::Sync::placing;
    if (doc.epoch != page.epoch || base < doc.position) doc.whole = true;
    if (doc.whole) doc.position = doc.own_there = 0;
    // What a map that had no log yet shows is at most the queue, and that stays.
    doc.rebuild = doc.whole && doc.epoch;
    if (doc.rebuild) doc.fresh = make_map();
    doc.epoch = page.epoch;
  }
  if (page.has_snapshot && base > doc.position) {
    SK_TRY(merge_snapshot(doc, page.snapshot));
    doc.position = base;
  }
  if (base > doc.position) return leaves_out();
  SK_TRY(confirm_all(doc, base + 1));
  if (page.more) return {};
  doc.due = kNever;
  doc.sync = Doc::Sync::live;
  if (doc.whole && doc.own_there < doc.acked) {
    emit(Out::history_lost, doc.handle(), 0, doc.acked, doc.own_there, {});
    give_up(SK_UNSUPPORTED, "the host has lost changes");
    return {};
  }
  if (doc.fresh) finish_rebuild(doc, now_ms);
  settle(doc, now_ms);
  return {};
}

// Swaps in what the host's state and the queue make.
void Lite::finish_rebuild(Doc& doc, uint64_t now_ms) {
  commit_open(doc);
  if (doc.restamp) doc.own_hlc = 0;
  for (Pending** at = &doc.first; *at; at = &(*at)->next) {
    Stamp stamp{replica_, (*at)->seq, next_hlc(doc, now_ms)};
    changes_.clear();
    wire::Fields in((*at)->bytes());
    while (in.next()) {
      if (in.is(5)) (void)merge(doc, in.item(), doc.restamp ? &stamp : nullptr);
    }
    if (!doc.restamp) continue;
    doc.own_hlc = stamp.hlc;
    doc.replace(at, make((*at)->seq, (*at)->count, stamp.hlc, changes_));
  }
  std::swap(doc.map, doc.fresh);
  doc.drop_fresh();
  doc.resend();  // what was sent may have gone into another log
  doc.rebuild = doc.restamp = false;
  tell(Out::reset, doc.handle());
}

Status Lite::on_notification(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  uint64_t first = in.varint(2);
  if (transactions_.empty()) return {};
  raise(doc.announced, first + transactions_.size() - 1);
  if (doc.sync < Doc::Sync::placing) return {};
  SK_TRY(confirm_all(doc, first));
  settle(doc, now_ms);
  return {};
}

void Lite::on_ack(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  wire::Ack ack;
  wire::read(in, ack);
  if (ack.replica != replica_ || ack.seq <= doc.acked) return;
  raise(doc.announced, ack.position);
  if (doc.sync != Doc::Sync::live) return;  // the log will show it
  if (ack.position == doc.position + 1) ++doc.position;
  acknowledge(doc, ack.seq);
  settle(doc, now_ms);
}

void Lite::on_denied(Doc& doc, const wire::Fields& in, uint64_t now_ms) {
  wire::Denied denied;
  wire::read(in, denied);
  if (denied.seq) return refused(doc, denied.seq, denied.code, denied.message, now_ms);
  doc.forget();
  doc.sync = Doc::Sync::denied;
  tell(Out::error, doc.handle(), SK_DENIED, denied.message);
  tell(Out::permission, doc.handle(), denied.permission);
}

void Lite::refused(Doc& doc, uint64_t seq, uint32_t code, Bytes message, uint64_t now_ms) {
  // While an answer is awaited: most likely about what followed a refused one. It is sent again.
  if (doc.sync != Doc::Sync::live) return doc.resend();
  Pending** at = &doc.first;
  while (*at != doc.unsent && (*at)->last_seq() < seq) at = &(*at)->next;
  Pending* pending = *at;
  if (pending == doc.unsent || seq < pending->seq) return;
  if (doc.refused_seq != seq) doc.refusals = 0;
  doc.refused_seq = seq;
  ++doc.refusals;
  // A void one has nothing left to give up.
  bool transient = code < 32 && (kTransient >> code & 1);
  bool soon = (code == SK_LIMIT || code == SK_MISSING_DEPS) && doc.refusals < kRefusals;
  if (transient || soon || pending->is_void) {
    if (code == SK_LIMIT) doc.rebuild = doc.restamp = true;  // it may be about the clock
    return retry_later(doc, now_ms);
  }
  commit_open(doc);
  emit(Out::rejected, doc.handle(), code, pending->seq, pending->count, message);
  doc.replace(at, make(pending->seq, pending->count, pending->hlc, {}));
  doc.rebuild = true;
  doc.resend();
  settle(doc, now_ms);
}

}  // namespace synckit
