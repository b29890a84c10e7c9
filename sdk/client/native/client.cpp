#include "client.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "store.hpp"
#include "transport.hpp"

namespace synckit {
namespace {

// Unix milliseconds that never run backwards while the process lives.
uint64_t now_ms() {
  using namespace std::chrono;
  static const auto base = duration_cast<milliseconds>(system_clock::now().time_since_epoch()) -
                           duration_cast<milliseconds>(steady_clock::now().time_since_epoch());
  return static_cast<uint64_t>(
      (base + duration_cast<milliseconds>(steady_clock::now().time_since_epoch())).count());
}

constexpr uint64_t kStoreRetryMs = 1000;

uint64_t random64() {
  std::random_device random;
  uint64_t out = 0;
  while (out == 0) out = static_cast<uint64_t>(random()) << 32 | random();
  return out;
}

std::string prefix_of(const std::string& id) {
  std::string out{static_cast<char>(id.size() >> 8), static_cast<char>(id.size())};
  return out + id;
}

}  // namespace

// `mutex` guards the engine and what the callers wait for. The loop's thread takes the output under
// it, and carries it out without it.
struct Client::Core {
  Core(const Registry& registry, const ClientConfig& c, ClientListener l)
      : config(c),
        listener(std::move(l)),
        store(c.path.empty() ? nullptr : std::make_unique<ClientStore>(c.path)),
        replica(store ? store->replica() : random64()),
        engine(registry, engine_config()),
        transport({[this] { opened(); }, [this](Bytes m) { message(m); },
                   [this](const std::string&) { closed(); }}) {}

  EngineConfig engine_config() const {
    EngineConfig out;
    out.replica = replica;
    out.seed = random64();
    out.persistent = store != nullptr;
    out.client = Bytes(config.name);
    out.limits = config.limits;
    return out;
  }

  // Asks the loop to carry the output out; one request at a time is enough.
  void wake() {
    if (posted) return;
    posted = true;
    transport.post([this] { pump(); });
  }

  void opened() {
    {
      std::lock_guard lock(mutex);
      engine.connected(Bytes(config.token), now_ms());
    }
    pump();
  }

  void message(Bytes bytes) {
    for (;;) {
      Status status;
      {
        std::lock_guard lock(mutex);
        status = engine.receive(bytes, now_ms());
      }
      pump();
      if (status.code() != SK_LIMIT) return;
    }
  }

  void closed() {
    {
      std::lock_guard lock(mutex);
      engine.disconnected(now_ms());
    }
    wake_locked();
  }

  void wake_locked() {
    std::lock_guard lock(mutex);
    wake();
  }

  // On the loop's thread: output until there is none, then the timer.
  void pump() {
    for (;;) {
      {
        std::lock_guard lock(mutex);
        posted = false;
        Bytes bytes = engine.take_output(now_ms());
        output.clear();
        Writer(output).raw(bytes);
      }
      if (output.empty()) break;
      carry_out(output);
      changed.notify_all();
    }
    changed.notify_all();
    schedule();
  }

  void schedule() {
    uint64_t due, now = now_ms();
    {
      std::lock_guard lock(mutex);
      due = engine.next_timer_ms();
    }
    if (retry_ms < due) due = retry_ms;
    if (due == Engine::kNever) return;
    transport.at(due > now ? due - now : 0, [this] {
      if (now_ms() >= retry_ms) store_batches();
      {
        std::lock_guard lock(mutex);
        engine.tick(now_ms());
      }
      pump();
    });
  }

  // Batches that follow each other in one output become one SQLite transaction: their frames are
  // only made after `stored`, so nothing overtakes.
  void carry_out(Bytes bytes) {
    OutputReader reader(bytes);
    OutputRecord record;
    while (reader.next(record)) {
      if (record.kind == Out::batch) unstored.emplace_back(record.number, record.payload.str());
    }
    store_batches();
    OutputReader again(bytes);
    while (again.next(record)) event(record);
  }

  // What could not be stored is kept and tried again: the engine sends nothing of it before.
  void store_batches() {
    if (unstored.empty()) return;
    uint32_t last = 0;
    try {
      store->begin();
      for (const auto& [id, operations] : unstored) {
        last = id;
        store->apply(Bytes(operations));
      }
      store->commit();
    } catch (const std::exception& error) {
      store->rollback();
      retry_ms = now_ms() + kStoreRetryMs;
      if (listener.error) listener.error(0, SK_UNAVAILABLE, error.what());
      return;
    }
    unstored.clear();
    retry_ms = Engine::kNever;
    std::lock_guard lock(mutex);
    engine.stored(last, now_ms());
  }

  void event(const OutputRecord& r) {
    switch (r.kind) {
      case Out::frame: transport.send(r.payload); break;
      case Out::connect: transport.connect(config.url); break;
      case Out::drop: transport.close(); break;
      case Out::status:
        if (listener.status) listener.status(r.doc, static_cast<DocStatus>(r.number));
        break;
      case Out::patch: {
        std::pair<std::string, std::string> name;
        {
          std::lock_guard lock(mutex);
          name = names[key(r.doc, r.number)];
        }
        if (listener.patch) listener.patch(r.doc, Bytes(name.first), Bytes(name.second), r.payload);
        break;
      }
      case Out::field: {
        std::lock_guard lock(mutex);
        names[key(r.doc, r.number)] = {r.first(r.a).str(), r.after(r.a).str()};
        break;
      }
      case Out::reset:
        if (listener.reset) listener.reset(r.doc);
        break;
      case Out::progress: {
        Stage stage = static_cast<Stage>(r.number);
        if (stage == Stage::saved) {
          std::lock_guard lock(mutex);
          saved_seq[r.doc] = r.a;
        }
        if (listener.progress) listener.progress(r.doc, stage, r.a);
        break;
      }
      case Out::rejected: {
        sk_status code = static_cast<sk_status>(r.number);
        if (listener.rejected) listener.rejected(r.doc, r.a, code, r.payload.str());
        break;
      }
      case Out::presence:
        if (listener.presence) listener.presence(r.doc, r.number | r.a << 32, r.after(r.b));
        break;
      case Out::error: {
        sk_status code = static_cast<sk_status>(r.number);
        if (listener.error) listener.error(r.doc, code, r.payload.str());
        break;
      }
      default: break;
    }
  }

  static uint64_t key(DocHandle doc, FieldHandle field) { return uint64_t{doc} << 32 | field; }

  Status field(DocHandle doc, const std::string& name, const std::string& type, FieldHandle& out) {
    SK_TRY(engine.field(doc, Bytes(name), Bytes(type), out));
    names.try_emplace(key(doc, out), name, type);
    return {};
  }

  template <class Done>
  bool wait(uint64_t timeout_ms, Done done) {
    std::unique_lock lock(mutex);
    engine.commit_all(now_ms());
    wake();
    return changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), done);
  }

  const ClientConfig config;
  const ClientListener listener;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::unique_ptr<ClientStore> store;
  const uint64_t replica;
  Engine engine;
  std::unordered_map<uint64_t, std::pair<std::string, std::string>> names;
  std::unordered_map<DocHandle, uint64_t> saved_seq;
  std::vector<DocHandle> documents;    // open ones
  // Batches that the store has not taken yet: id, operations.
  std::vector<std::pair<uint32_t, std::string>> unstored;
  uint64_t retry_ms = Engine::kNever;  // when to offer them again
  Buffer output;
  bool posted = false;
  Transport transport;  // last: its thread uses everything above
};

Client::Client(const Registry& registry, const ClientConfig& config, ClientListener listener)
    : core_(std::make_unique<Core>(registry, config, std::move(listener))) {
  if (!config.url.empty()) online(true);
}

Client::~Client() {
  saved(10'000);
  core_->transport.stop();
}

uint64_t Client::replica() const { return core_->replica; }

Status Client::open_document(const std::string& id, DocHandle& out) {
  Core& core = *core_;
  std::unique_lock lock(core.mutex);
  SK_TRY(core.engine.open(Bytes(id), out));
  auto known = std::find(core.documents.begin(), core.documents.end(), out);
  if (known != core.documents.end()) return {};
  Status status;
  if (core.store) {
    std::string prefix = prefix_of(id);
    std::condition_variable done;
    bool finished = false;
    lock.unlock();
    core.transport.post([&] {  // the store belongs to the loop's thread
      std::vector<std::pair<std::string, std::string>> records;
      try {
        core.store->each(Bytes(prefix), [&](Bytes key, Bytes value) {
          records.emplace_back(key.str(), value.str());
        });
      } catch (const std::exception&) {
        status = {SK_UNAVAILABLE, "the client store could not be read"};
      }
      std::lock_guard inner(core.mutex);
      for (const auto& [key, value] : records) {
        if (status.ok()) status = core.engine.load(out, Bytes(key), Bytes(value), now_ms());
      }
      finished = true;
      done.notify_all();
    });
    lock.lock();
    done.wait(lock, [&] { return finished; });
  }
  if (status.ok()) status = core.engine.loaded(out, now_ms());
  if (status.ok()) core.documents.push_back(out);
  core.wake();
  return status;
}

Status Client::edit(DocHandle doc, const std::string& field, const std::string& type, Bytes intent,
                    Buffer* patch) {
  std::lock_guard lock(core_->mutex);
  FieldHandle handle = 0;
  SK_TRY(core_->field(doc, field, type, handle));
  Edit made;
  SK_TRY(core_->engine.mutate(doc, handle, intent, now_ms(), made));
  if (patch) patch->clear(), Writer(*patch).raw(made.patch);
  core_->engine.commit_all(now_ms());  // does not end an explicit transaction
  core_->wake();
  return {};
}

Status Client::transact(DocHandle doc, const std::function<void()>& edits) {
  {
    std::lock_guard lock(core_->mutex);
    SK_TRY(core_->engine.begin(doc));
  }
  edits();
  std::lock_guard lock(core_->mutex);
  Status status = core_->engine.commit(doc, now_ms());
  core_->wake();
  return status;
}

Status Client::view(DocHandle doc, const std::string& field, const std::string& type,
                    Buffer& json) const {
  std::lock_guard lock(core_->mutex);
  FieldHandle handle = 0;
  SK_TRY(core_->field(doc, field, type, handle));
  return core_->engine.view(doc, handle, json);
}

Status Client::view_all(DocHandle doc, Buffer& json) const {
  std::lock_guard lock(core_->mutex);
  return core_->engine.view_all(doc, json);
}

uint64_t Client::digest(DocHandle doc) const {
  std::lock_guard lock(core_->mutex);
  uint64_t out = 0;
  (void)core_->engine.digest(doc, out);
  return out;
}

DocStatus Client::status(DocHandle doc) const {
  std::lock_guard lock(core_->mutex);
  return core_->engine.status(doc);
}

uint32_t Client::pending(DocHandle doc) const {
  std::lock_guard lock(core_->mutex);
  return core_->engine.pending(doc);
}

uint64_t Client::last_seq(DocHandle doc) const {
  std::lock_guard lock(core_->mutex);
  return core_->engine.last_seq(doc);
}

Status Client::presence(DocHandle doc, const std::string& json) {
  std::lock_guard lock(core_->mutex);
  Status status = core_->engine.presence(doc, Bytes(json));
  core_->wake();
  return status;
}

void Client::online(bool wanted) {
  std::lock_guard lock(core_->mutex);
  core_->engine.online(wanted, now_ms());
  core_->wake();
}

bool Client::flush(uint64_t timeout_ms) {
  return core_->wait(timeout_ms, [this] {
    for (DocHandle doc : core_->documents) {
      if (core_->engine.pending(doc)) return false;
    }
    return true;
  });
}

bool Client::saved(uint64_t timeout_ms) {
  if (!core_->store) return true;
  return core_->wait(timeout_ms, [this] {
    for (DocHandle doc : core_->documents) {
      if (core_->saved_seq[doc] < core_->engine.last_seq(doc)) return false;
    }
    return true;
  });
}

}  // namespace synckit
