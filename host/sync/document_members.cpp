// Subscribers and presence of one document.
#include "base/log.hpp"
#include "document_actor.hpp"

namespace synckit {
namespace {

FramePtr presence_frame(const std::string& document, uint64_t replica, std::string_view data,
                        std::string_view principal) {
  wire::Presence message;
  message.document = Bytes(document);
  message.replica = replica;
  message.data = Bytes(data);
  message.principal = Bytes(principal);
  return FrameBuilder::one(message);
}

}  // namespace

void DocumentActor::subscribe(Request& request) {
  if (level(request) < SK_LEVEL_READ) {
    return denied(request, 0, SK_DENIED, "no permission to read this document");
  }
  const Session* session = request.session.get();
  if (members_.count(session)) return;
  members_[session] = {request.session, request.principal, hub_.authority.epoch(), level(request)};
  audience_.add(request.session);
  FrameBuilder present;
  for (const auto& [replica, entry] : presence_) {
    wire::Presence message;
    message.document = Bytes(id_);
    message.replica = replica;
    message.data = Bytes(entry.data);
    message.principal = Bytes(entry.principal);
    present.add(message);
  }
  if (!present.empty()) request.session->deliver(present.take());
}

void DocumentActor::unsubscribe(const Session& session) {
  auto at = members_.find(&session);
  if (at == members_.end()) return;
  audience_.remove(session);
  members_.erase(at);
  auto entry = presence_.find(session.replica());
  if (entry != presence_.end() && entry->second.session == &session) {
    drop_presence(session.replica());
  }
}

void DocumentActor::presence(Request& request) {
  const Session* session = request.session.get();
  if (!members_.count(session)) {
    return error(request, SK_CONFLICT, "subscribe to the document before sending presence");
  }
  if (level(request) < SK_LEVEL_READ) {
    return denied(request, 0, SK_DENIED, "no permission to read this document");
  }
  hub_.metrics.presence.add();
  uint64_t replica = session->replica();
  if (request.body.empty()) {
    if (presence_.count(replica)) drop_presence(replica);
    return;
  }
  auto at = presence_.find(replica);
  if (at == presence_.end() && presence_.size() >= hub_.config.limits.presence_entries) {
    return error(request, SK_LIMIT, "limits.max_presence_entries reached on this document");
  }
  relay(presence_frame(id_, replica, request.body, request.principal->id), session);
  presence_[replica] = {session, std::move(request.body), request.principal->id};
}

void DocumentActor::drop_presence(uint64_t replica) {
  auto at = presence_.find(replica);
  relay(presence_frame(id_, replica, {}, at->second.principal), at->second.session);
  presence_.erase(at);
}

void DocumentActor::relay(const FramePtr& frame, const Session* except) {
  Delivery delivery(hub_.shards.size());
  if (auto at = members_.find(except); at != members_.end()) {
    delivery.to_one({at->second.session, {}, 0});
  }
  delivery.to_all(frame);
  delivery.send(hub_, audience_);
}

// The plugin's answers may have changed: who may no longer read is told so and hears no more.
void DocumentActor::recheck_members() {
  std::vector<Request> gone;
  for (auto& [session, member] : members_) {
    member.auth_epoch = auth_epoch_;
    member.level = hub_.authority.level(*member.principal, id_);
    if (member.level >= SK_LEVEL_READ) continue;
    Request request;
    request.session = member.session;
    request.principal = member.principal;
    gone.push_back(std::move(request));
  }
  for (const Request& request : gone) {
    denied(request, 0, SK_DENIED, "the permission to read this document was withdrawn");
    unsubscribe(*request.session);
  }
}

}  // namespace synckit
