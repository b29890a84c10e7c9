#include "hub.hpp"

#include "document_actor.hpp"

namespace synckit {

bool SessionTable::enter(uint64_t replica, const SessionPtr& session,
                         const std::string& principal, SessionPtr& replaced) {
  std::lock_guard lock(mutex_);
  auto [at, fresh] = entries_.try_emplace(replica, Entry{session, session.get(), principal});
  if (fresh) return true;
  replaced = at->second.session.lock();
  if (replaced && replaced != session && at->second.principal != principal) {
    replaced = nullptr;
    return false;
  }
  if (replaced == session) replaced = nullptr;
  at->second = {session, session.get(), principal};
  return true;
}

void SessionTable::leave(uint64_t replica, const Session* session) {
  std::lock_guard lock(mutex_);
  auto at = entries_.find(replica);
  if (at != entries_.end() && at->second.raw == session) entries_.erase(at);
}

void Hub::route(Request&& request) {
  size_t index = shard_of(request.document);
  Shard& shard = *shards[index];
  if (shard.executor->here()) return handle(shard, index, std::move(request));
  shard.executor->post([this, &shard, index, request = std::move(request)]() mutable {
    handle(shard, index, std::move(request));
  });
}

void Hub::handle(Shard& shard, size_t index, Request&& request) {
  auto at = shard.documents.find(request.document);
  if (at == shard.documents.end()) {
    if (request.kind == wire::Kind::unsubscribe) return;
    if (shard.documents.size() >= config.limits.documents / shards.size() + 1) {
      wire::Error error;
      error.code = SK_LIMIT;
      error.message = "the host has limits.max_documents documents open; try again later";
      error.document = request.document;
      request.session->deliver(FrameBuilder::one(error), request.counted ? 1 : 0);
      return;
    }
    auto actor = std::make_shared<DocumentActor>(*this, index, request.document);
    at = shard.documents.emplace(request.document, std::move(actor)).first;
  }
  at->second->handle(std::move(request));
}

void Hub::leave(const SessionPtr& session, const std::string& document) {
  Shard& shard = *shards[shard_of(document)];
  shard.executor->post([&shard, session, document] {
    auto at = shard.documents.find(document);
    if (at != shard.documents.end()) at->second->leave(*session);
  });
}

void Hub::tick(size_t index, int64_t now_ms) {
  auto& documents = shards[index]->documents;
  for (auto at = documents.begin(); at != documents.end();) {
    at = at->second->tick(now_ms) ? std::next(at) : documents.erase(at);
  }
}

}  // namespace synckit
