// The `lww` plugin: reading, changing, writing. What and why: lww.hpp; bytes: FORMAT.md; the view:
// lww_view.cpp.
#include "lww.hpp"

namespace synckit {

Lww::Lww() {
  nodes_.resize(1);
  obtain(0, "\xff");  // the root; no segment has that name
  nodes_[0] = {};
}

Lww::~Lww() {
  for (Node& node : nodes_) std::free(node.entry);
}

// ---- reading ---------------------------------------------------------------------------------

// Goes over a path of `count` segments; without a count over one that all of `in` is.
Status Lww::read_path(Reader& in, uint64_t count) {
  uint64_t taken = 0;
  do {
    Bytes name = in.sized();
    if (!in.ok() || !utf8_valid(name)) {
      return Status::malformed(SK_TEXT("malformed path: empty, cut short or not UTF-8"));
    }
    if (name.len > kMaxKeyBytes) {
      return Status::limit(SK_TEXT("a path segment is longer than kMaxKeyBytes (1024)"));
    }
    if (++taken > kMaxPathSegments) {
      return Status::limit(SK_TEXT("the path has more than kMaxPathSegments (64) segments"));
    }
  } while (count ? taken != count : !in.done());
  return {};
}

Status Lww::check_value(const Entry& edit) {
  if (edit.value.len > kMaxValueBytes) {
    return Status::limit(SK_TEXT("the value is larger than kMaxValueBytes (1 MiB)"));
  }
  return edit.is_set() ? json_check(edit.value) : Status{};
}

// Reads a delta row by row and checks all of it.
class Lww::RowsIn {
 public:
  RowsIn(Reader& in, const Dots& authors) : in_(in), rows_(in, authors) {}

  Entry edit;

  Bytes path() const { return rows_.bytes(); }

  Status next() {
    if (!rows_.next(false)) return malformed_delta();
    uint64_t ms = ms_.read(in_), logical = in_.varint();
    edit = {ms << 16 | logical, rows_.dot, rows_.flag ? Bytes{} : in_.sized()};
    if (!in_.ok() || (ms >> 48 | logical >> 16)) return malformed_delta();
    Reader names(path());
    SK_TRY(read_path(names, 0));
    return rows_.flag == edit.is_set() ? malformed_delta() : check_value(edit);
  }

 private:
  Reader& in_;
  RowReader rows_;
  Difference ms_;
};

// Checks a delta and sums it up; with a map, writes its rows into it, also those before a row that
// turns out to be malformed.
Status Lww::scan(Bytes delta, Summary& summary, Lww* map, Writer* patch) {
  Reader in(delta);
  Dots authors;
  SK_TRY(read_head(in, kOpDelta, authors));
  RowsIn rows(in, authors);
  for (; !in.done(); ++summary.ops) {
    SK_TRY(rows.next());
    if (rows.edit.hlc > summary.max_hlc) summary.max_hlc = rows.edit.hlc;
    if (rows.edit.dot.seq - 1 < summary.seq_lo - 1) summary.seq_lo = rows.edit.dot.seq;
    if (map) map->write(rows.path(), rows.edit, *patch);
  }
  summarize(summary, authors);
  return {};
}

// ---- changing --------------------------------------------------------------------------------

// All entries that one call replaces; put back unless committed.
struct Lww::Change {
  explicit Change(Lww& changed) : map(changed) {}
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() { map.settle(commit); }

  Lww& map;
  bool commit = false;
};

// Does the entry win over the edit, or is it the same write?
bool Lww::beats(const Entry& entry, const Entry& edit) {
  if (entry.hlc != edit.hlc) return entry.hlc > edit.hlc;
  if (entry.dot.replica != edit.dot.replica) return entry.dot.replica > edit.dot.replica;
  return entry.dot.seq >= edit.dot.seq;
}

// The node of a name, made when there is none.
uint32_t Lww::obtain(uint32_t parent, Bytes name) {
  make_room(nodes_);
  size_t known = names_.size();
  uint32_t id = names_.add(parent, name);
  if (names_.size() == known) return id;
  if (nodes_.size() == id) nodes_.resize(id + 1);
  Node& node = nodes_[id];
  node = {};
  uint32_t& first = nodes_[parent].child;
  nodes_[first].previous = id;
  node.next = first;
  first = id;
  return id;
}

// Removes the node, and its ancestors, as far as they hold nothing any more.
void Lww::prune(uint32_t id) {
  while (id != kRoot && !nodes_[id].entry && !nodes_[id].child) {
    Node& node = nodes_[id];
    uint32_t parent = names_.scope(id);
    nodes_[node.next].previous = node.previous;
    (node.previous ? nodes_[node.previous].next : nodes_[parent].child) = node.next;
    names_.remove(id);
    id = parent;
  }
}

// Sets the node's entry and keeps the counts.
void Lww::replace(uint32_t id, Entry* entry) {
  Entry* old = nodes_[id].entry;
  nodes_[id].entry = entry;
  entries_ += size_t{entry != nullptr} - size_t{old != nullptr};
  uint32_t step = uint32_t{entry && entry->is_set()} - uint32_t{old && old->is_set()};
  for (; step && id; id = names_.scope(id)) nodes_[id].live += step;
}

// Gives the node a copy of the entry, or none; the journal keeps the one that it had.
void Lww::put(uint32_t node, const Entry* edit) {
  journal_.push_back({node, nodes_[node].entry});
  Entry* entry = nullptr;
  if (edit) {
    entry = static_cast<Entry*>(std::malloc(sizeof(Entry) + edit->value.len));
    if (!entry) out_of_memory();
    *entry = *edit;
    entry->value.data = reinterpret_cast<uint8_t*>(entry + 1);
    if (edit->is_set()) std::memcpy(entry + 1, edit->value.data, edit->value.len);
  }
  replace(node, entry);
}

// Ends a call: lets the replaced entries go, or puts them back, newest first.
void Lww::settle(bool commit) {
  for (size_t i = journal_.size(); i-- > 0;) {
    const Undo& undo = journal_[i];
    Entry* drop = undo.entry;
    if (!commit) {
      drop = nodes_[undo.node].entry;
      if (drop == undo.entry) continue;  // the call ended before it could replace it
      replace(undo.node, undo.entry);
    }
    std::free(drop);
  }
  for (const Undo& undo : journal_) prune(undo.node);
  journal_.clear();
}

// Removes what the edit hides below `parent`, also where somebody gave one dot to two paths: the
// upper one counts, whichever came first. Recursion is as deep as a path.
void Lww::drop_older(uint32_t parent, const Entry& edit) {
  for (uint32_t id = nodes_[parent].child; id; id = nodes_[id].next) {
    const Entry* entry = nodes_[id].entry;
    if (entry && beats(edit, *entry)) put(id, nullptr);
    drop_older(id, edit);
  }
}

// Applies one edit, unless something at its path or above beats it, and tells the patch: at the
// shallowest path whose value changed its kind or came or went with it. The parent of that path is
// an object before and after.
void Lww::write(const Bytes& path, const Entry& edit, Writer& patch) {
  uint32_t node = kRoot;
  uint64_t count = 0;
  for (Reader names(path); !names.done(); ++count) {
    node = names_.find(node, names.sized());
    const Entry* entry = nodes_[node].entry;
    if (entry && beats(*entry, edit)) return;
  }
  uint64_t depth = count;
  bool tells = patch.wanted();
  if (tells && !(edit.is_set() && count == 1)) {
    bool seen = is_visible(descend(path, depth)) && depth == count;
    tells = seen || edit.is_set();  // a delete of nothing changes nothing that is to be seen
  }
  if (!node) {
    node = kRoot;
    for (Reader names(path); !names.done();) node = obtain(node, names.sized());
  }
  put(node, &edit);
  drop_older(node, edit);
  if (tells) tell(path, depth, patch);
}

Status Lww::merge(Bytes delta, Writer& patch) {
  Summary ignored{};
  Change change(*this);
  Status status = scan(delta, ignored, this, &patch);
  change.commit = status.ok() && patch.ok();
  return refused_delta(status);
}

class Lww::RowsOut {
 public:
  RowsOut(Writer& out, const Dots& authors) : out_(out), rows_(out, authors) {}

  void row(const Bytes& path, const Entry& entry) {
    rows_.row(!entry.is_set(), false, entry.dot, path);
    ms_.write(out_, entry.hlc >> 16);
    out_.varint(entry.hlc & 0xffff);
    if (entry.is_set()) out_.sized(entry.value);
  }

 private:
  Writer& out_;
  RowWriter rows_;
  Difference ms_;
};

uint32_t Lww::find(const Bytes& path) const {
  uint32_t node = kRoot;
  for (Reader names(path); !names.done();) node = names_.find(node, names.sized());
  return node;
}

// Writes the delta of one edit, and does what its merge would.
void Lww::publish(const Bytes& path, const Entry& edit, Writer& delta, Writer& patch) {
  author_.clear();
  author_.push_back(edit.dot);
  write_head(delta, kOpDelta, author_);
  RowsOut(delta, author_).row(path, edit);
  if (delta.ok()) write(path, edit, patch);
}

Status Lww::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                   uint32_t& seqs) {
  SK_TRY(check_stamp(stamp));
  Reader in(intent);
  uint8_t op = in.byte();
  uint64_t count = in.varint();
  Bytes path = in.rest();
  in = Reader(path);
  if (count == 0) in.fail();
  SK_TRY(read_path(in, count));
  path.len = in.offset();
  Entry edit{stamp.hlc, {stamp.replica, stamp.seq}, in.rest()};
  if (op != (edit.is_set() ? kSet : kDelete)) return malformed_intent();
  SK_TRY(check_value(edit));
  if (op == kDelete) {
    uint64_t depth = count;
    Place place = descend(path, depth);
    if (depth < count || !is_visible(place)) return {};
  }
  if (entries_ >= kMaxEntries && !nodes_[find(path)].entry) {
    return Status::limit(SK_TEXT("the map already has kMaxEntries (1048576) entries"));
  }
  seqs = 1;
  Change change(*this);
  publish(path, edit, delta, patch);
  change.commit = delta.ok() && patch.ok();
  return {};
}

// The write of the same dot, where it still stands, is taken back: right also when somebody else's
// write, merged since, had beaten it.
Status Lww::restamp(const Stamp& stamp, Bytes delta, Writer& out) {
  Reader in(delta);
  Dots authors;
  SK_TRY(read_head(in, kOpDelta, authors));
  RowsIn rows(in, authors);
  SK_TRY(rows.next());
  if (!in.done() || rows.edit.dot.replica != stamp.replica) {
    return Status::malformed(SK_TEXT("only one write of this replica can be re-stamped"));
  }
  rows.edit.hlc = stamp.hlc;
  uint32_t node = find(rows.path());
  const Entry* known = nodes_[node].entry;
  Change change(*this);
  if (known && known->dot == rows.edit.dot) put(node, nullptr);
  Writer silent(nullptr);
  publish(rows.path(), rows.edit, out, silent);
  change.commit = out.ok();
  return {};
}

// ---- writing ---------------------------------------------------------------------------------

void Lww::sorted_children(uint32_t node, Vec<uint32_t>& ids) const {
  for (uint32_t id = nodes_[node].child; id; id = nodes_[id].next) ids.push_back(id);
#if !defined(SYNCKIT_LITE)  // whose views are read by JavaScript alone
  names_.sort(ids);
#endif
}

// In the order of their paths: a path before those below it.
void Lww::write_rows(uint32_t parent, const Version& since, Buffer& path, RowsOut& rows) const {
  Vec<uint32_t> ids;
  sorted_children(parent, ids);
  for (uint32_t id : ids) {
    size_t above = path.len;
    Writer(path).sized(names_.bytes(id));
    const Entry* entry = nodes_[id].entry;
    if (entry && !since.has(entry->dot)) rows.row(path, *entry);
    write_rows(id, since, path, rows);
    path.len = above;
  }
}

Status Lww::encode(const Version& since, Writer& delta) const {
  Dots authors;
  for (const Node& node : nodes_) {
    if (node.entry && !since.has(node.entry->dot)) authors.raise(node.entry->dot);
  }
  write_head(delta, kOpDelta, authors);
  RowsOut rows(delta, authors);
  Buffer path;
  write_rows(kRoot, since, path, rows);
  return {};
}

}  // namespace synckit

SYNCKIT_CRDT_PLUGIN(synckit::Lww, "synckit.lww", "1.0.0")
