#include "model.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

extern "C" {
const sk_plugin* synckit_plugin_v1_lww(void);
#if defined(SYNCKIT_WITH_TEXT)
const sk_plugin* synckit_plugin_v1_text(void);
#endif
const sk_plugin* synckit_plugin_v1_set(void);
const sk_plugin* synckit_plugin_v1_counter(void);
}

namespace synckit::model {
namespace {

void must(Status status) {
  if (!status.ok()) throw std::runtime_error(std::string("model: ") + status.text());
}

wire::Transaction decoded(const std::string& bytes) {
  wire::Transaction transaction;
  must(wire::decode(Bytes(bytes), transaction));
  return transaction;
}

}  // namespace

const Registry& registry() {
  static const Registry& made = *[] {
    auto* types = new Registry;
    for (auto* plugin : {
             synckit_plugin_v1_lww,
#if defined(SYNCKIT_WITH_TEXT)
             synckit_plugin_v1_text,
#endif
             synckit_plugin_v1_set,
             synckit_plugin_v1_counter,
         }) {
      must(types->add(static_cast<const sk_crdt_v1*>(plugin()->get_interface(SK_IFACE_CRDT, 0))));
    }
    return types;
  }();
  return made;
}

// ---- the host -----------------------------------------------------------------------------------

DocLog& HostModel::log(const std::string& document) {
  DocLog& log = disk[document];
  if (log.epoch == 0) log.epoch = random_.next() | 1;
  return log;
}

void HostModel::error(Session& session, const std::string& document, uint64_t seq, sk_status code,
                      const char* text) {
  wire::Error message;
  message.code = static_cast<uint32_t>(code);
  message.message = text;
  message.document = document;
  message.seq = seq;
  send(session, message);
}

void HostModel::deny(Session& session, const std::string& document, uint64_t seq, sk_status code) {
  wire::Denied message;
  message.document = document;
  message.seq = seq;
  message.code = static_cast<uint32_t>(code);
  message.message = "refused by the test";
  message.permission = 1;
  send(session, message);
}

bool HostModel::take(SessionId id, std::string& frame) {
  auto at = sessions_.find(id);
  if (at == sessions_.end() || at->second.out.empty()) return false;
  frame = std::move(at->second.out.front());
  at->second.out.pop_front();
  return true;
}

void HostModel::receive(SessionId id, const std::string& frame) {
  auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  Session& session = found->second;
  wire::Frame envelope;
  must(wire::decode(Bytes(frame), envelope));
  if (envelope.kind == wire::Kind::hello) {
    wire::Hello hello;
    must(wire::decode(envelope.body, hello));
    session.replica = hello.replica;
    wire::Welcome welcome;
    welcome.protocol = hello.protocol;
    welcome.session = "s";
    welcome.host_time_ms = static_cast<int64_t>(now_ms);
    welcome.limits = {1u << 20, 1u << 18, 100, 4096, skew_ms, heartbeat_ms};
    send(session, welcome);
    return;
  }
  if (session.replica == 0) throw std::runtime_error("model: the client did not say Hello first");
  switch (envelope.kind) {
    case wire::Kind::subscribe: {
      wire::Subscribe message;
      must(wire::decode(envelope.body, message));
      for (Bytes document : message.documents) session.documents.insert(document.str());
      break;
    }
    case wire::Kind::unsubscribe: {
      wire::Unsubscribe message;
      must(wire::decode(envelope.body, message));
      for (Bytes document : message.documents) session.documents.erase(document.str());
      break;
    }
    case wire::Kind::sync_request: {
      wire::SyncRequest message;
      must(wire::decode(envelope.body, message));
      std::string document = message.document.str();
      if (unreadable.count(document)) {
        deny(session, document, 0, SK_DENIED);
      } else {
        requests_.push_back({id, document, message.position, message.epoch});
      }
      break;
    }
    case wire::Kind::update: update(id, session, envelope.body); break;
    case wire::Kind::presence: {
      wire::Presence message;
      must(wire::decode(envelope.body, message));
      message.replica = session.replica;
      message.principal = "someone";
      for (auto& [other, to] : sessions_) {
        if (other != id && to.documents.count(message.document.str())) send(to, message);
      }
      break;
    }
    case wire::Kind::ping: {
      wire::Ping ping;
      must(wire::decode(envelope.body, ping));
      Buffer out;
      wire::frame_pong(ping, out);
      session.out.push_back(out.str());
      break;
    }
    default: throw std::runtime_error("model: the client sent a frame that only a host may send");
  }
}

void HostModel::update(SessionId id, Session& session, Bytes body) {
  wire::Update message;
  wire::Transaction transaction;
  must(wire::decode(body, message));
  must(wire::decode(message.transaction, transaction));
  std::string document = message.document.str();
  DocLog& doc = log(document);
  uint64_t seq = transaction.seq;
  if (transaction.replica != session.replica) throw std::runtime_error("model: not its replica");
  if (read_only.count(session.replica)) return deny(session, document, seq, SK_DENIED);
  if (refuse) {
    if (sk_status code = refuse(transaction); code != SK_OK) {
      if (code == SK_UNAVAILABLE) return error(session, document, seq, code, "away");
      return deny(session, document, seq, code);
    }
  }
  if (transaction.last_seq() <= doc.version[transaction.replica]) {
    wire::Ack ack{message.document, transaction.replica, transaction.last_seq(), 0};
    auto at = doc.placed.find({transaction.replica, transaction.last_seq()});
    if (at != doc.placed.end() && random_.chance(50)) ack.position = at->second;
    send(session, ack);
    return;
  }
  VersionVector version = doc.version, deps;
  for (const Accepted& accepted : accepted_) {
    if (accepted.document == document) version.raise(accepted.replica, accepted.last_seq);
  }
  if (transaction.last_seq() <= version[transaction.replica]) return;  // on its way to the disk
  if (seq != version[transaction.replica] + 1) {
    return error(session, document, seq, SK_CONFLICT, "not the next seq");
  }
  if (Hlc::ms(transaction.hlc) > now_ms + skew_ms) {
    return error(session, document, seq, SK_LIMIT, "the clock is too far ahead");
  }
  Status status = Document::inspect(registry(), transaction, false, &deps, nullptr);
  if (!status.ok()) return deny(session, document, seq, status.code());
  if (!version.covers(deps)) {
    return error(session, document, seq, SK_MISSING_DEPS, "it needs what is not here");
  }
  accepted_.push_back({id, document, message.transaction.str(), transaction.replica,
                       transaction.last_seq()});
  ++updates_accepted;
}

bool HostModel::flush() {
  if (accepted_.empty()) return false;
  std::vector<Accepted> batch;
  batch.swap(accepted_);
  for (const Accepted& accepted : batch) {
    DocLog& doc = log(accepted.document);
    // Another host of this disk may have been first.
    uint64_t have = doc.version[accepted.replica];
    uint64_t seq = decoded(accepted.bytes).seq;
    auto writer = sessions_.find(accepted.session);
    if (accepted.last_seq <= have) {
      if (writer == sessions_.end()) continue;
      send(writer->second, wire::Ack{accepted.document, accepted.replica, accepted.last_seq,
                                     doc.placed[{accepted.replica, accepted.last_seq}]});
    } else if (seq != have + 1) {
      if (writer == sessions_.end()) continue;
      error(writer->second, accepted.document, seq, SK_CONFLICT, "not the next seq");
    } else {
      doc.log.push_back(accepted.bytes);
      doc.version.raise(accepted.replica, accepted.last_seq);
      doc.placed[{accepted.replica, accepted.last_seq}] = doc.position();
      fan_out(accepted, doc.position());
    }
  }
  return true;
}

void HostModel::fan_out(const Accepted& accepted, uint64_t position) {
  notify(accepted, position, accepted.session);
  for (HostModel* other : bus) {
    if (!random_.chance(lose_notifications)) other->notify(accepted, position, 0);
  }
}

void HostModel::notify(const Accepted& accepted, uint64_t position, SessionId author) {
  for (auto& [id, session] : sessions_) {
    if (id == author) {
      send(session, wire::Ack{accepted.document, accepted.replica, accepted.last_seq, position});
      continue;
    }
    if (!session.documents.count(accepted.document) || random_.chance(lose_notifications)) continue;
    wire::Notification message;
    message.document = accepted.document;
    message.position = position;
    message.transactions.push_back(accepted.bytes);
    send(session, message);
    if (random_.chance(repeat_notifications)) send(session, message);
  }
}

// One page of the oldest request, from the disk as it is now.
bool HostModel::answer() {
  if (requests_.empty()) return false;
  Request& request = requests_.front();
  auto found = sessions_.find(request.session);
  if (found == sessions_.end()) return requests_.pop_front(), true;
  DocLog& doc = log(request.document);
  wire::SyncResponse page;
  page.document = request.document;
  page.epoch = doc.epoch;
  page.permission = read_only.count(found->second.replica) ? 1 : 2;
  if (!request.begun) {
    bool usable = request.epoch == doc.epoch && request.position <= doc.position() &&
                  request.position >= doc.trimmed;
    if (!usable) {
      request.position = doc.trimmed;
      page.has_snapshot = !doc.snapshot.empty();
      page.snapshot = doc.snapshot;
    }
    request.begun = true;
  }
  uint64_t at = request.position;
  while (at < doc.position() && at - request.position < page_transactions) {
    page.transactions.push_back(doc.log[at - doc.trimmed]);
    ++at;
  }
  request.position = page.position = at;
  page.more = at < doc.position();
  if (!page.more) page.version = doc.version;
  send(found->second, page);
  if (!page.more) requests_.pop_front();
  return true;
}

void HostModel::crash() {
  sessions_.clear();
  accepted_.clear();
  requests_.clear();
}

void HostModel::compact(const std::string& name) {
  for (const Request& request : requests_) {
    if (request.document == name) return;  // it is being read
  }
  DocLog& doc = log(name);
  if (doc.log.empty()) return;
  Document document(registry());
  if (!doc.snapshot.empty()) {
    wire::Snapshot snapshot;
    must(wire::decode(Bytes(doc.snapshot), snapshot));
    must(document.merge_snapshot(snapshot, nullptr));
  }
  size_t count = 1 + random_.below(doc.log.size());
  Merged outcome;
  for (size_t i = 0; i < count; ++i) {
    must(document.merge(decoded(doc.log[i]), outcome, nullptr));
    if (outcome != Merged::applied) throw std::runtime_error("model: the log is not causal");
  }
  Buffer out;
  must(document.encode_snapshot(out));
  doc.snapshot = out.str();
  doc.trimmed += count;
  doc.log.erase(doc.log.begin(), doc.log.begin() + static_cast<std::ptrdiff_t>(count));
}

void HostModel::restore(const Disk& backup) {
  crash();
  disk = backup;
  for (auto& [name, doc] : disk) doc.epoch = random_.next() | 1;
}

// ---- the client's disk --------------------------------------------------------------------------

void ClientDisk::apply(Bytes batch) {
  OutputReader in(batch);
  StoreOperation op;
  while (in.next(op)) {
    std::string key = op.key.str();
    switch (op.op) {
      case StoreOp::put: map_[key] = op.value.str(); break;
      case StoreOp::erase: map_.erase(key); break;
      case StoreOp::erase_range:
        map_.erase(map_.lower_bound(key), map_.upper_bound(op.last_key()));
        break;
      case StoreOp::put_snapshot: {
        auto at = map_.find(key);
        if (at == map_.end() || !snapshot_is_stale(Bytes(at->second), op.value)) {
          map_[key] = op.value.str();
        }
        break;
      }
    }
  }
  if (!in.ok()) throw std::runtime_error("model: a malformed batch");
}

std::vector<std::pair<std::string, std::string>> ClientDisk::of(const std::string& document) const {
  std::string prefix;
  prefix += static_cast<char>(document.size() >> 8);
  prefix += static_cast<char>(document.size() & 0xff);
  prefix += document;
  std::vector<std::pair<std::string, std::string>> out;
  for (auto at = map_.lower_bound(prefix);
       at != map_.end() && at->first.compare(0, prefix.size(), prefix) == 0; ++at) {
    out.push_back(*at);
  }
  return out;
}

// ---- the client ---------------------------------------------------------------------------------

namespace {
EngineConfig config_of(uint64_t replica, uint64_t seed, EngineLimits limits, bool persistent) {
  EngineConfig config;
  config.replica = replica;
  config.seed = seed;
  config.persistent = persistent;
  config.client = "model/1";
  config.limits = limits;
  return config;
}
}  // namespace

ClientModel::ClientModel(uint64_t id, uint64_t seed, ClientDisk& store, EngineLimits limits,
                         bool persistent)
    : engine(registry(), config_of(id, seed, limits, persistent)), replica(id), disk(store) {}

DocHandle ClientModel::open(const std::string& document, uint64_t now_ms) {
  DocHandle doc = 0;
  must(engine.open(document, doc));
  for (const auto& [key, value] : disk.of(document)) {
    must(engine.load(doc, Bytes(key), Bytes(value), now_ms));
  }
  must(engine.loaded(doc, now_ms));
  drain(now_ms);
  return doc;
}

void ClientModel::drain(uint64_t now_ms) {
  Bytes bytes = engine.take_output(now_ms);
  OutputReader in(bytes);
  for (OutputRecord r; in.next(r);) {
    switch (r.kind) {
      case Out::frame: frames.push_back(r.payload.str()); continue;
      case Out::batch: batches.emplace_back(r.number, r.payload.str()); continue;
      case Out::connect: wants_connect = true; continue;
      case Out::drop: wants_drop = true; continue;
      case Out::welcome: ++welcomes; continue;
      default: break;
    }
    Told& doc = told[r.doc];
    switch (r.kind) {
      case Out::status: doc.status = static_cast<DocStatus>(r.number); break;
      case Out::patch: doc.patches.push_back(r.payload.str()); break;
      case Out::reset: ++doc.resets; break;
      case Out::progress: {
        auto stage = static_cast<Stage>(r.number);
        (stage == Stage::saved ? doc.saved : stage == Stage::sent ? doc.sent : doc.durable) = r.a;
        break;
      }
      case Out::rejected: {
        Rejection rejection;
        rejection.seq = r.a;
        rejection.count = static_cast<uint32_t>(r.b);
        rejection.code = r.number;
        rejection.message = r.payload.str();
        doc.rejected.push_back(rejection);
        break;
      }
      case Out::presence: {
        uint64_t id = r.number | r.a << 32;
        std::string data = r.after(r.b).str();
        if (id == 0) {
          doc.presence.clear();
        } else if (data.empty()) {
          doc.presence.erase(id);
        } else {
          doc.presence[id] = data;
        }
        break;
      }
      case Out::history_lost: ++doc.history_lost, doc.lost_at = r.b; break;
      case Out::error: {
        fatal = fatal || r.a != 0;
        errors.push_back(r.payload.str());
        break;
      }
      default: break;
    }
  }
  if (!in.ok()) throw std::runtime_error("model: a malformed output record");
}

bool ClientModel::store_one(uint64_t now_ms) {
  if (batches.empty()) return false;
  disk.apply(Bytes(batches.front().second));
  uint32_t id = batches.front().first;
  batches.pop_front();
  engine.stored(id, now_ms);
  drain(now_ms);
  return true;
}

void ClientModel::store_all(uint64_t now_ms) {
  while (store_one(now_ms)) {
  }
}

uint64_t ClientModel::digest(DocHandle doc) const {
  uint64_t out = 0;
  must(engine.digest(doc, out));
  return out;
}

std::string ClientModel::view(DocHandle doc) const {
  Buffer json;
  must(engine.view_all(doc, json));
  return json.str();
}

// ---- a link -------------------------------------------------------------------------------------

void Link::connect() {
  client_.engine.online(true, host_.now_ms);
  client_.engine.tick(host_.now_ms);
  client_.drain(host_.now_ms);
}

void Link::disconnect() {
  if (session_) host_.close(session_);
  session_ = 0;
  client_.frames.clear();
  client_.engine.disconnected(host_.now_ms);
  client_.drain(host_.now_ms);
}

bool Link::step() {
  uint64_t now = host_.now_ms;
  client_.drain(now);
  if (client_.store_one(now)) return true;
  if (client_.wants_drop) {
    client_.wants_drop = false;
    disconnect();
    return true;
  }
  if (client_.wants_connect) {
    client_.wants_connect = false;
    session_ = host_.open();
    client_.engine.connected("token", now);
    return true;
  }
  if (!client_.frames.empty() && session_) {
    host_.receive(session_, client_.frames.front());
    client_.frames.pop_front();
    return true;
  }
  std::string frame;
  if (session_ && host_.take(session_, frame)) {
    (void)client_.engine.receive(Bytes(frame), now);
    return true;
  }
  return host_.answer() || host_.flush();
}

void Link::settle() {
  for (int i = 0; i < 100'000; ++i) {
    if (!step()) return;
  }
  ADD_FAILURE() << "client and host never come to rest";
}

}  // namespace synckit::model
