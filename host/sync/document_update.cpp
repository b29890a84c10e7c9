// The way of an Update, and what a commit sets off. See document_actor.hpp for the rules.
#include <algorithm>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "document_actor.hpp"
#include "storage/stored.hpp"

namespace synckit {

// ---- refusals and answers -----------------------------------------------------------------------

void DocumentActor::denied(const Request& request, uint64_t seq, sk_status code,
                           std::string_view text) {
  wire::Denied message;
  message.document = Bytes(id_);
  message.seq = seq;
  message.code = static_cast<uint32_t>(code);
  message.message = Bytes(text);
  message.permission = static_cast<uint32_t>(std::max(0, level(request)));
  hub_.metrics.denied.add();
  log::info("denied", {{"session", request.session->id()}, {"document", id_}, {"seq", seq},
                       {"code", code_name(code)}, {"reason", text}});
  request.session->deliver(FrameBuilder::one(message), request.counted ? 1 : 0);
}

void DocumentActor::ack(const Request& request, uint64_t seq, uint64_t position) {
  wire::Ack message;
  message.document = Bytes(id_);
  message.replica = request.session->replica();
  message.seq = seq;
  message.position = position;
  hub_.metrics.acks.add();
  request.session->deliver(FrameBuilder::one(message), 1);
}

// ---- checks -------------------------------------------------------------------------------------

// Write permission on every field that the transaction touches. A void transaction touches none: it
// only uses up its author's dots, and is what a client sends in place of a refused one, so whoever
// may read may send it.
Result<> DocumentActor::check_fields(const Request& request, const wire::Transaction& transaction) {
  if (transaction.changes.empty() && level(request) < SK_LEVEL_READ) {
    return Failure{SK_DENIED, "no permission to read this document"};
  }
  Bytes last;
  bool first = true;
  for (const wire::Change& change : transaction.changes) {
    if (!first && change.field == last) continue;
    first = false;
    last = change.field;
    if (hub_.authority.level(*request.principal, id_, change.field.text()) < SK_LEVEL_WRITE) {
      std::string what = "this document";
      if (!change.field.empty()) what = "field \"" + change.field.str() + "\"";
      return Failure{SK_DENIED, "no permission to write " + what};
    }
  }
  return Done{};
}

// True when the transaction is the author's next one. Otherwise it was answered.
bool DocumentActor::in_order(const Request& request, const wire::Transaction& transaction) {
  uint64_t expected = speculative_[transaction.replica] + 1;
  if (transaction.seq != expected) {
    error(request, SK_CONFLICT,
          "seq " + std::to_string(transaction.seq) + " is out of order, expected " +
              std::to_string(expected),
          transaction.seq);
    return false;
  }
  if (expected == 1 && speculative_.size() >= hub_.config.limits.replicas) {
    denied(request, transaction.seq, SK_LIMIT, "the document has limits.max_replicas writers");
    return false;
  }
  return true;
}

void DocumentActor::update(Request& request) {
  wire::Transaction tx;
  if (Status status = wire::decode(Bytes(request.body), tx); !status.ok()) {
    return error(request, SK_MALFORMED, std::string("malformed Transaction: ") + status.text());
  }
  if (tx.replica != request.session->replica()) {
    return denied(request, tx.seq, SK_DENIED, "a session may write only as its own replica");
  }
  if (quarantined_) {
    return error(request, SK_INTERNAL, "the document is quarantined: one of its types failed on it",
                 tx.seq);
  }
  // Known already, and permitted then: said again, whatever is permitted now.
  if (tx.last_seq() <= version_[tx.replica]) {
    hub_.metrics.duplicates.add();
    return ack(request, tx.last_seq(), 0);
  }
  if (recovering_) {
    return error(request, SK_UNAVAILABLE, "storage failed a moment ago, try again later", tx.seq);
  }
  if (request.body.size() > hub_.config.limits.transaction_bytes) {
    return denied(request, tx.seq, SK_LIMIT,
                  "the transaction is larger than limits.max_transaction_bytes");
  }
  if (Result<> allowed = check_fields(request, tx); !allowed) {
    return denied(request, tx.seq, allowed.failure().code, allowed.failure().text);
  }
  // A repetition of what is in flight goes to storage once more, which answers when it is durable.
  bool repeated = tx.last_seq() <= speculative_[tx.replica];
  if (!repeated && !in_order(request, tx)) return;

  VersionVector deps;
  uint64_t ops = 0;
  Status inspected = Document::inspect(hub_.registry, tx, false, &deps, &ops);
  if (inspected.code() == SK_INTERNAL || inspected.code() == SK_NOMEM) {
    quarantine(inspected.text());
    return error(request, SK_INTERNAL, inspected.text(), tx.seq);
  }
  if (!inspected.ok()) {
    std::string text = inspected.text();
    for (const wire::Change& change : tx.changes) {
      if (hub_.registry.find(change.type)) continue;
      text = "the type \"" + change.type.str() + "\" is not loaded at this host (see `crdts`)";
      break;
    }
    return denied(request, tx.seq, inspected.code(), text);
  }
  if (ops > hub_.config.limits.transaction_ops) {
    return denied(request, tx.seq, SK_LIMIT, "the transaction exceeds limits.max_transaction_ops");
  }
  uint64_t newest = static_cast<uint64_t>(wall_ms()) + hub_.config.limits.clock_skew_ms;
  if (Hlc::ms(tx.hlc) > newest) {
    return error(request, SK_LIMIT,
                 "clock: the change is stamped " +
                     std::to_string(Hlc::ms(tx.hlc) - newest + hub_.config.limits.clock_skew_ms) +
                     " ms ahead of the host, limits.max_clock_skew_ms allows " +
                     std::to_string(hub_.config.limits.clock_skew_ms),
                 tx.seq);
  }
  if (!version_.covers(deps)) {
    return error(request, SK_MISSING_DEPS, "the change builds on changes that are not stored here",
                 tx.seq);
  }
  enqueue(request, tx);
}

void DocumentActor::enqueue(const Request& request, const wire::Transaction& tx) {
  auto commit = std::make_unique<Commit>();
  commit->sink = shared_from_this();
  commit->writer = request.session;
  commit->replica = tx.replica;
  commit->seq_lo = tx.seq;
  commit->seq_hi = tx.last_seq();
  stored::write_entry(Bytes(request.body), request.principal->id, commit->payload,
                      commit->transaction);
  if (!hub_.committer.enqueue(commit)) {
    return error(request, SK_UNAVAILABLE, "limits.max_commit_queue reached, try again later",
                 tx.seq);
  }
  speculative_.raise(tx.replica, tx.last_seq());
  ++inflight_;
}

// ---- after a commit -----------------------------------------------------------------------------

namespace {

// Consecutive stored transactions of one writer, as one Notification.
struct Run {
  const Session* writer;
  size_t first, count;  // indices into the results
  FramePtr frame;
};

class Answers {
 public:
  Answers(const std::string& document, const Commits& results, size_t max_frame_bytes)
      : document_(document), results_(results), max_frame_bytes_(max_frame_bytes) {
    size_t bytes = 0;
    for (size_t i = 0; i < results.size(); ++i) {
      const Commit& c = *results[i];
      if (!stored(c)) continue;
      bool joins = !runs_.empty() && runs_.back().writer == c.writer.get() &&
                   runs_.back().first + runs_.back().count == i && next_ == c.position &&
                   bytes + c.transaction.len <= max_frame_bytes_;
      if (!joins) {
        runs_.push_back({c.writer.get(), i, 0, nullptr});
        bytes = 0;
      }
      bytes += c.transaction.len;
      next_ = c.position + 1;
      ++runs_.back().count;
    }
  }

  static bool stored(const Commit& c) { return c.status == SK_OK && !c.duplicate; }

  // For those who wrote nothing in this batch.
  std::vector<FramePtr> for_readers() {
    std::vector<FramePtr> out;
    for (size_t i = 0; i < runs_.size();) {
      size_t end = i + 1, bytes = run_bytes(runs_[i]);
      while (end < runs_.size() && position(runs_[end]) == behind(runs_[end - 1]) &&
             bytes + run_bytes(runs_[end]) <= max_frame_bytes_) {
        bytes += run_bytes(runs_[end++]);
      }
      out.push_back(end == i + 1 ? frame_of(runs_[i]) : notification(i, end));
      i = end;
    }
    return out;
  }

  // For one writer: its own as Ack or Error, in place among the others' Notifications.
  Delivery::ToOne for_writer(const SessionPtr& writer, bool subscribed, const std::string& failure,
                             Metrics& metrics) {
    Delivery::ToOne out{writer, {}, 0};
    FrameBuilder own;
    size_t run = 0;
    for (size_t i = 0; i < results_.size(); ++i) {
      const Commit& c = *results_[i];
      if (c.writer == writer) {
        answer(c, failure, own, metrics);
        ++out.answered;
      }
      while (run < runs_.size() && runs_[run].first < i) ++run;
      bool others = run < runs_.size() && runs_[run].first == i && c.writer != writer;
      if (!subscribed || !others) continue;
      if (!own.empty()) out.frames.push_back(own.take());
      out.frames.push_back(frame_of(runs_[run]));
    }
    if (!own.empty()) out.frames.push_back(own.take());
    return out;
  }

 private:
  uint64_t position(const Run& run) const { return results_[run.first]->position; }
  uint64_t behind(const Run& run) const { return position(run) + run.count; }
  size_t run_bytes(const Run& run) const {
    size_t bytes = 0;
    for (size_t i = 0; i < run.count; ++i) bytes += results_[run.first + i]->transaction.len;
    return bytes;
  }
  FramePtr frame_of(Run& run) {
    if (!run.frame) {
      size_t at = static_cast<size_t>(&run - runs_.data());
      run.frame = notification(at, at + 1);
    }
    return run.frame;
  }
  FramePtr notification(size_t first_run, size_t end_run) {
    wire::Notification message;
    message.document = Bytes(document_);
    message.position = position(runs_[first_run]);
    for (size_t r = first_run; r < end_run; ++r) {
      for (size_t i = 0; i < runs_[r].count; ++i) {
        message.transactions.push_back(results_[runs_[r].first + i]->transaction);
      }
    }
    return FrameBuilder::one(message);
  }
  void answer(const Commit& c, const std::string& failure, FrameBuilder& out, Metrics& metrics) {
    if (c.status == SK_OK) {
      metrics.acks.add();
      if (c.duplicate) metrics.duplicates.add();
      wire::Ack ack;
      ack.document = Bytes(document_);
      ack.replica = c.replica;
      ack.seq = c.seq_hi;
      ack.position = c.position;
      out.add(ack);
      return;
    }
    metrics.errors[static_cast<size_t>(c.status) % 10].add();
    std::string text = c.status == SK_CONFLICT ? "storage holds another sequence of this replica"
                                               : "storage failed, nothing was stored: " + failure;
    wire::Error error;
    error.code = static_cast<uint32_t>(c.status);
    error.message = Bytes(text);
    error.document = Bytes(document_);
    error.seq = c.seq_lo;
    out.add(error);
  }

  const std::string& document_;
  const Commits& results_;
  const size_t max_frame_bytes_;
  std::vector<Run> runs_;
  uint64_t next_ = 0;
};

}  // namespace

void DocumentActor::committed(Commits results, const std::string& failure) {
  last_used_ms_ = steady_ms();
  std::vector<SessionPtr> writers;
  for (const auto& c : results) {
    --inflight_;
    if (c->status != SK_OK) recovering_ = true;
    if (c->status == SK_OK) {
      version_.raise(c->replica, c->seq_hi);
      speculative_.raise(c->replica, c->seq_hi);
    }
    if (Answers::stored(*c)) position_ = std::max(position_, c->position);
    if (std::find(writers.begin(), writers.end(), c->writer) == writers.end()) {
      writers.push_back(c->writer);
    }
  }
  if (epoch_ == 0 && position_ > 0) learn_epoch();

  Answers answers(id_, results, hub_.config.limits.frame_bytes);
  Delivery delivery(hub_.shards.size());
  size_t readers = audience_.size();
  for (const SessionPtr& writer : writers) {
    bool subscribed = members_.count(writer.get()) != 0;
    readers -= subscribed ? 1 : 0;
    delivery.to_one(answers.for_writer(writer, subscribed, failure, hub_.metrics));
  }
  if (readers > 0) {
    for (FramePtr& frame : answers.for_readers()) delivery.to_all(std::move(frame));
  }
  delivery.send(hub_, audience_);
  recover();
  maybe_snapshot();
}

}  // namespace synckit
