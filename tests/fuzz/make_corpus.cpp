// Writes the seed corpus: make_corpus tests/fuzz/corpus. Deterministic. The types themselves make
// the intents (synckit.crdt.samples/1), so that the fuzzers start where real documents are.
#include <filesystem>
#include <fstream>

#include "fuzz.hpp"
#ifdef SYNCKIT_FUZZ_HOST
#include <sign.hpp>
#include <storage/stored.hpp>
#endif

#include <map>
#include <stdexcept>

using namespace synckit;

namespace {

std::filesystem::path root;

void write_seed(const std::string& target, const std::string& name, const std::string& bytes) {
  std::filesystem::create_directories(root / target);
  std::ofstream out(root / target / name, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + target + "/" + name);
}

struct Type {
  const char* name;
  const sk_plugin* (*entry)(void);
};
const Type kTypes[] = {{"lww", synckit_plugin_v1_lww},
                       {"text", synckit_plugin_v1_text},
                       {"set", synckit_plugin_v1_set},
                       {"counter", synckit_plugin_v1_counter}};

uint64_t next_random(uint64_t& state) {  // splitmix64
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

// Two replicas of one document that hear each other at once.
struct Pair {
  Document docs[2] = {Document(fuzz::types()), Document(fuzz::types())};
  uint64_t hlc = 100;
  const char* field = "f";

  // One sampled edit; its transaction, or "" without effect.
  std::string edit(int who, const Type& type, const std::string& intent, std::string* delta_out) {
    Buffer delta;
    uint32_t count = 0;
    uint64_t replica = who ? 0xb00000000000000b : 0xa;
    Stamp stamp{replica, docs[who].version()[replica] + 1, ++hlc};
    Status status = docs[who].mutate(field, type.name, stamp, Bytes(intent), delta, count, nullptr);
    if (!status.ok()) throw std::runtime_error(std::string(type.name) + ": " + status.text());
    if (count == 0) return "";
    docs[who].commit_local(replica, stamp.seq + count - 1, hlc);
    wire::Transaction made;
    made.replica = replica, made.seq = stamp.seq, made.count = count, made.hlc = hlc;
    made.changes.push_back({field, type.name, count, delta.bytes()});
    Buffer bytes;
    wire::encode(made, bytes);
    if (!wire::decode(bytes, made).ok()) throw std::runtime_error("not a transaction");
    Merged outcome = Merged::parked;
    if (!docs[1 - who].merge(made, outcome, nullptr).ok() || outcome != Merged::applied) {
      throw std::runtime_error(std::string(type.name) + ": the other replica refuses an edit");
    }
    *delta_out = delta.str();
    return bytes.str();
  }
};

// An intent for the present state: the type samples an instance that holds it.
std::string sample(const Type& type, const Document& doc, uint64_t random) {
  auto get = type.entry()->get_interface;
  auto* crdt = static_cast<const sk_crdt_v1*>(get(SK_IFACE_CRDT, 0));
  auto* samples = static_cast<const sk_crdt_samples_v1*>(get(SK_IFACE_SAMPLES, 0));
  if (!samples) throw std::runtime_error(std::string(type.name) + " has no samples");
  struct Find {
    const Type* type;
    std::string state;
  } find{&type, ""};
  Status status = doc.each_field_state(
      [](void* context, const wire::FieldState& field) -> Status {
        auto* find = static_cast<Find*>(context);
        if (field.type == Bytes(find->type->name)) find->state = field.delta.str();
        return {};
      },
      &find);
  void* instance = nullptr;
  if (!status.ok() || crdt->create(&instance, nullptr) != SK_OK) throw std::bad_alloc();
  auto* bytes = reinterpret_cast<const uint8_t*>(find.state.data());
  if (!find.state.empty()) crdt->merge(instance, bytes, find.state.size(), nullptr, nullptr);
  Buffer intent;
  sk_status code = samples->sample(instance, random, &intent, nullptr);
  crdt->destroy(instance);
  if (code != SK_OK) throw std::runtime_error(std::string(type.name) + " gives no sample");
  return intent.str();
}

void host_seeds(const Document& doc, const std::string& transaction, const std::string& name) {
#ifdef SYNCKIT_FUZZ_HOST
  std::string entry;
  Bytes inside;
  stored::write_entry(Bytes(transaction), "ada", entry, inside);
  write_seed("stored", name + "_record", std::string(1, '\0') + entry);
  auto snapshot = stored::write_snapshot(doc, 7);
  if (!snapshot) throw std::runtime_error("no stored snapshot: " + snapshot.failure().text);
  write_seed("stored", name + "_snapshot", "\1" + *snapshot);
#else
  (void)doc, (void)transaction, (void)name;
#endif
}

// Characters of two UTF-16 units, anchors between them, and all of it undone.
void abilities_seed() {
  std::string out;
  for (char i = 0; i < 6; ++i) {
    out += '\1';
    fuzz::put_chunk(out, std::string("\1", 1) + i + '\0' + "\xf0\x9f\x8e\x88");
    out += static_cast<char>(65 | (i & 1 ? 12 : 0) | 48);
    fuzz::put_chunk(out, std::string(1, i));
  }
  for (int i = 0; i < 4; ++i) fuzz::put_chunk(out += '\xc1', "");
  write_seed("abilities", "wide", out);
}

template <class Message>
void put_frame(std::string& out, const Message& message) {
  Buffer frame;
  wire::frame(message, frame);
  fuzz::put_chunk(out += '\0', frame.str());
}

// A whole session of a client that writes: all that a host may say, in an order in which it can.
void frames_seeds() {
  Pair pair;
  pair.field = "";
  std::string edits[3], delta;
  for (std::string& edit : edits) {
    edit = pair.edit(1, kTypes[0], std::string("\1\1\1k", 4) + std::to_string(&edit - edits),
                     &delta);
  }
  std::string session;
  wire::Welcome welcome;
  welcome.protocol = wire::kProtocol;
  welcome.host_time_ms = 1'700'000'000'000;
  welcome.limits.heartbeat_ms = 30'000;
  put_frame(session, welcome);
  wire::SyncResponse page;
  page.document = "d";
  page.epoch = 7;
  page.permission = 2;
  page.more = true;
  page.has_snapshot = true;
  std::string snapshot = fuzz::snapshot_of(pair.docs[0]);
  page.snapshot = snapshot;
  page.position = 3;
  put_frame(session, page);
  page.more = false;
  page.has_snapshot = false;
  page.snapshot = {};
  put_frame(session, page);
  wire::Notification news;
  news.document = "d";
  news.position = 4;
  news.transactions.push_back(edits[0]);
  news.transactions.push_back(edits[1]);
  put_frame(session, news);
  for (uint64_t seq = 1; seq < 4; ++seq) {
    fuzz::put_chunk(session += '\xa0', std::string("\1\1\1k", 4) + std::to_string(seq));
    session += '\xc8';
    if (seq == 1) put_frame(session, wire::Ack{"d", 0xa, seq, 6});
    if (seq == 2) put_frame(session, wire::Denied{"d", seq, SK_DENIED, "no", 2});
  }
  page.transactions.push_back(edits[2]);
  page.position = 7;
  put_frame(session, page);
  wire::Error error;
  error.code = SK_LIMIT;
  error.document = "d";
  error.seq = 3;
  put_frame(session, error);
  session += "\xf0\x20";
  put_frame(session, page);
  error.fatal = true;
  put_frame(session, error);
  session += "\xf0\x20";
  put_frame(session, welcome);
  write_seed("frames", "engine", std::string(1, '\0') + session);
  write_seed("frames", "lite", "\1" + session);
}

void token_seeds() {
#ifdef SYNCKIT_FUZZ_HOST
  const char* claims =
      R"({"sub":"ada","exp":1767229200,)"
      R"("permissions":{"d":"write","notes/*":"read-only","*":"none"}})";
  jwt::Key key;
  std::string token;
  if (!key.from_secret("a secret of the fuzzer, and of nobody else.").ok() ||
      !jwt::sign_compact(R"({"alg":"HS256","typ":"JWT"})", claims, key, token).ok()) {
    throw std::runtime_error("no token is signed");
  }
  write_seed("token", "token", std::string(1, '\0') + token);
  write_seed("token", "claims", std::string("\1") + claims);
#endif
}

void run() {
  Pair together;
  std::string all_transactions, all_intents;
  for (size_t t = 0; t < 4; ++t) {
    const Type& type = kTypes[t];
    Pair pair;
    uint64_t random = t + 1;
    std::string transactions, deltas, intents, abilities, last;
    for (int i = 0; i < 12; ++i) {
      int who = static_cast<int>(next_random(random) & 1);
      std::string intent = sample(type, pair.docs[who], next_random(random)), delta;
      std::string made = pair.edit(who, type, intent, &delta);
      intents += static_cast<char>(t | (who ? 8 : 0) | 48);  // both hear before each edit
      fuzz::put_chunk(intents, intent);
      abilities += static_cast<char>(t | (who ? 8 : 0) | (i < 6 ? 0 : 48));  // edits
      fuzz::put_chunk(abilities, intent);
      abilities += static_cast<char>(1 | (who ? 8 : 0) | 64);  // an anchor in the text
      fuzz::put_chunk(abilities, std::string(1, static_cast<char>(i / 2)));
      for (int undo = 0; undo < i % 4; ++undo) {
        abilities += static_cast<char>(t | (who ? 8 : 0) | 192);
        fuzz::put_chunk(abilities, "");
      }
      if (made.empty()) continue;
      fuzz::put_chunk(transactions, last = made);
      fuzz::put_chunk(deltas, delta);
      intent = sample(type, together.docs[who], next_random(random));
      made = together.edit(who, type, intent, &delta);
      if (!made.empty()) fuzz::put_chunk(all_transactions, made);
    }
    std::string snapshot = fuzz::snapshot_of(pair.docs[0]), state;
    fuzz::put_chunk(state, snapshot);
    write_seed("transaction", type.name, transactions);
    write_seed("intents", type.name, intents);
    write_seed("abilities", type.name, abilities);
    write_seed("snapshot", type.name, state);
    write_seed(std::string("delta_") + type.name, "edits", deltas);
    wire::Snapshot parsed;
    if (!wire::decode(Bytes(snapshot), parsed).ok()) throw std::runtime_error("not a snapshot");
    std::string chunk;
    fuzz::put_chunk(chunk, parsed.fields[0].delta.str());
    write_seed(std::string("delta_") + type.name, "state", chunk);
    if (type.name == std::string("text")) {
      fuzz::put_chunk(deltas, {'@', 0, 2, 'o', 'n', 'e'});  // edits: see twins.cpp
      fuzz::put_chunk(deltas, {'@', 4, 0, 't', 'w', 'o'});
      write_seed("twins", "edits", std::string(1, '\0') + deltas);
      write_seed("twins", "state", "\1" + chunk);
    }
    host_seeds(pair.docs[0], last, type.name);
  }
  std::string state;
  fuzz::put_chunk(state, fuzz::snapshot_of(together.docs[1]));
  write_seed("transaction", "all", all_transactions);
  write_seed("snapshot", "all", state);
  abilities_seed();
  frames_seeds();
  token_seeds();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus DIRECTORY (tests/fuzz/corpus)\n");
    return 64;
  }
  root = argv[1];
  try {
    run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make_corpus: %s\n", e.what());
    return 1;
  }
}
