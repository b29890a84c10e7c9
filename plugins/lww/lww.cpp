// The `lww` plugin: reading, changing, writing. What and why: lww.hpp; bytes: FORMAT.md; the view:
// lww_view.cpp.
#include "lww.hpp"

namespace synckit {

// ---- reading ---------------------------------------------------------------------------------

// Reads a path of `count` segments; without a count one that all of `in` is.
Status Lww::read_path(Reader& in, uint64_t count, Path& path) {
  const uint8_t* from = in.at();
  path.count = 0;
  do {
    Bytes name = in.sized();
    if (!in.ok() || !utf8_valid(name)) {
      return Status::malformed(SK_TEXT("malformed path: empty, cut short or not UTF-8"));
    }
    if (name.len > kMaxKeyBytes) {
      return Status::limit(SK_TEXT("a path segment is longer than kMaxKeyBytes (1024)"));
    }
    if (path.count++ == kMaxPathSegments) {
      return Status::limit(SK_TEXT("the path has more than kMaxPathSegments (64) segments"));
    }
  } while (count ? path.count != count : !in.done());
  path.bytes = {from, static_cast<size_t>(in.at() - from)};
  return {};
}

#if !defined(SYNCKIT_SMALL)
// Whether it is a short whole number: the values that are written most often need no scanner.
static bool is_whole(Bytes value) {
  bool whole = value.len == 1 || (value.len - 1 < 20 && *value.data != '0');
  for (size_t i = 0; whole && i < value.len; ++i) whole = value.data[i] - unsigned{'0'} < 10;
  return whole;
}
#endif

Status Lww::check(Bytes value) {
#if !defined(SYNCKIT_SMALL)
  if (is_whole(value)) return {};
#endif
  return check_value(value);
}

// Reads a delta row by row and checks all of it.
class Lww::RowsIn {
 public:
  explicit RowsIn(Bytes delta) : rows_(delta) {}

  Path path;
  Entry edit;

  Status head() { return rows_.head(kOpDelta); }
  bool done() const { return rows_.in.done(); }
  const Dots& authors() const { return rows_.dots; }

  SK_ONCE Status next() {
    Reader& in = rows_.in;
    if (!rows_.next(false)) return malformed_delta();
    uint64_t ms = ms_.read(in), logical = in.varint();
    edit.hlc = ms << 16 | logical;
    edit.dot = rows_.dot;
    edit.value = rows_.flag ? Bytes{} : in.sized();
    if (!in.ok()) return malformed_delta();
    if (!kVouchedFor && ((ms >> 48 | logical >> 16) || rows_.flag == edit.is_set())) {
      return malformed_delta();
    }
    Reader names(rows_.bytes());
    SK_TRY(read_path(names, 0, path));
    return edit.is_set() && !kVouchedFor ? check(edit.value) : Status{};
  }

 private:
  RowReader rows_;
  Difference ms_;
};

Status Lww::inspect(Bytes delta, Summary& summary, Deps&) {
  RowsIn rows(delta);
  SK_TRY(rows.head());
  for (; !rows.done(); ++summary.ops) {
    SK_TRY(refused_delta(rows.next()));
    if (rows.edit.hlc > summary.max_hlc) summary.max_hlc = rows.edit.hlc;
    if (rows.edit.dot.seq - 1 < summary.seq_lo - 1) summary.seq_lo = rows.edit.dot.seq;
  }
  summarize(summary, rows.authors());
  return {};
}

// ---- changing --------------------------------------------------------------------------------

// All entries that one call replaces; put back unless committed.
struct Lww::Change {
  explicit Change(Lww& changed) : map(changed) {}
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() {
    if (!map.journaling()) return;
    map.settle(commit);
    map.journaling_ = false;
  }

  // From here on entries are kept that are replaced, if something can still fail behind them.
  void keep(bool can_fail) {
    if (kJournal && can_fail) map.journaling_ = true;
  }

  Lww& map;
  bool commit = false;
};

// Does the entry win over the edit, or is it the same write?
bool Lww::beats(const Entry& entry, const Entry& edit) {
  if (entry.hlc != edit.hlc) return entry.hlc > edit.hlc;
  if (entry.dot.replica != edit.dot.replica) return entry.dot.replica > edit.dot.replica;
  return entry.dot.seq >= edit.dot.seq;
}

// Sets the node's entry and keeps the counts.
void Lww::replace(Node* node, Entry* entry) {
  Entry* old = node->entry;
  node->entry = entry;
  entries_ += size_t{entry != nullptr} - size_t{old != nullptr};
  uint32_t step = uint32_t{entry && entry->is_set()} - uint32_t{old && old->is_set()};
  if (!step) return;
  while ((node = tree_.parent(node))) node->below += step;
}

// Gives the node a copy of the entry, or none; the journal keeps the one that it had before.
void Lww::put(Node* node, const Entry* edit) {
  if (journaling() && !node->journaled) journal_.push_back({node, node->entry});
  Entry* entry = nullptr;
  if (edit) {
    entry = static_cast<Entry*>(allocate(sizeof(Entry) + edit->value.len));
    *entry = *edit;
    entry->value.data = reinterpret_cast<uint8_t*>(entry + 1);
    if (edit->is_set()) std::memcpy(entry + 1, edit->value.data, edit->value.len);
  }
  Entry* old = node->entry;
  replace(node, entry);
  if (!journaling() || node->journaled) std::free(old);
  if (kJournal) node->journaled = journaling();
}

// Ends a call: lets the replaced entries go, or puts them back; then removes the nodes that hold
// nothing any more. A node that the journal still names goes with its own turn.
void Lww::settle(bool commit) {
  for (const Undo& undo : journal_) {
    Entry* drop = undo.entry;
    if (!commit) {
      drop = undo.node->entry;
      if (drop == undo.entry) continue;  // the call ended before it could replace it
      replace(undo.node, undo.entry);
    }
    std::free(drop);
  }
  for (const Undo& undo : journal_) {
    Node* node = undo.node;
    node->journaled = false;
    while (node->parent && is_empty(node) && !node->journaled) {
      Node* parent = tree_.parent(node);
      tree_.remove(node);
      node = parent;
    }
  }
  journal_.clear();
}

// Removes what the edit hides below `parent`, also where somebody gave one dot to two paths: the
// upper one counts, whichever came first. Recursion is as deep as a path.
void Lww::drop_older(const Node* parent, const Entry& edit) {
  for (Node *node = tree_.child(parent), *next; node; node = next) {
    next = tree_.next(node);
    if (node->entry && beats(edit, *node->entry)) put(node, nullptr);
    drop_older(node, edit);
    if (!journaling() && is_empty(node)) tree_.remove(node);
  }
}

// Applies one edit, unless something at its path or above beats it, and tells the patch. (What
// beats it is met before a node is made: that has nothing below.)
void Lww::write(const Path& path, const Entry& edit, Writer& patch) {
  Node* node = tree_.root();
  for (Reader names(path.bytes); !names.done();) {
    node = tree_.obtain(node, names.sized());
    if (node->entry && beats(*node->entry, edit)) return;
  }
  put(node, &edit);
  if (tree_.child(node)) drop_older(node, edit);
  if (patch.wanted()) tell(path, patch);
}

// Tells what a write has changed: what is now written at its path, and below. With a delete objects
// may go that were there for the sake of what it hides, and a value that they lay over comes back.
// So it is told at the deepest place whose parent is an object all the same, and which has an
// entry, or no value above that might say what it is; for a set, that is its path.
void Lww::tell(const Path& path, Writer& patch) const {
  const Node *node = tree_.root(), *from = node;
  size_t depth = 0, from_depth = 0;
  bool has_value = false;  // something above
  Bytes place = path.bytes;
  for (Reader names(place); !names.done();) {
    bool is_object = !depth || node->below;
    if (const Entry* entry = node->entry) {
      has_value = entry->is_set();
      if (has_value && *entry->value.data == '{') is_object = true;
    }
    node = tree_.find(node, names.sized());
    ++depth;
    if (!is_object || (has_value && !node->entry)) continue;
    from = node;
    from_depth = depth;
    place.len = static_cast<size_t>(names.at() - place.data);
  }
  Buffer above;
  Writer(above).raw(place);
  if (!from->entry) return tell_entry(from_depth, above, {}, patch);  // nothing is visible below
  tell_all(from, from_depth, above, patch);
}

void Lww::tell_entry(size_t depth, Bytes path, Bytes value, Writer& patch) {
  patch.varint(1 + path.len + value.len);
  patch.byte(static_cast<uint8_t>(depth));  // as a varint: it is below 128
  patch.raw(path);
  patch.raw(value);
}

// The entries at a node and below it, the upper ones first. Recursion is as deep as a path.
void Lww::tell_all(const Node* node, size_t depth, Buffer& path, Writer& patch) const {
  if (node->entry) tell_entry(depth, path, node->entry->value, patch);
  for (const Node* each = tree_.child(node); each; each = tree_.next(each)) {
    size_t above = path.len;
    Writer(path).sized(tree_.name(each));
    tell_all(each, depth + 1, path, patch);
    path.len = above;
  }
}

Status Lww::contents(Writer& parts) const {
  Buffer path;
  tell_all(tree_.root(), 0, path, parts);
  return {};
}

Status Lww::merge(Bytes delta, Writer& patch) {
  RowsIn rows(delta);
  SK_TRY(rows.head());
  Change change(*this);
  while (!rows.done()) {
    SK_TRY(refused_delta(rows.next()));
    change.keep(!rows.done() || patch.wanted());
    write(rows.path, rows.edit, patch);
  }
  change.commit = patch.ok();
  return {};
}

const Lww::Node* Lww::find(const Path& path) const {
  const Node* node = tree_.root();
  for (Reader names(path.bytes); !names.done();) node = tree_.find(node, names.sized());
  return node;
}

// Writes the delta of one edit.
void Lww::write_op(const Path& path, const Entry& edit, Writer& delta) {
  write_op_head(delta, edit.dot);
  delta.byte(kRowSameAuthor | (edit.is_set() ? 0 : kRowFlag));
  delta.byte(0);  // the author's last seq
  delta.sized(path.bytes);
  delta.zigzag(static_cast<int64_t>(edit.hlc >> 16));
  delta.varint(edit.hlc & 0xffff);
  if (edit.is_set()) delta.sized(edit.value);
}

Status Lww::read_intent(const Stamp& stamp, Bytes intent, Path& path, Entry& edit) {
  SK_TRY(check_stamp(stamp));
  Reader in(intent);
  uint8_t op = in.byte();
  uint64_t count = in.varint();
  if (count == 0) in.fail();
  SK_TRY(read_path(in, count, path));
  edit = {stamp.hlc, {stamp.replica, stamp.seq}, in.rest()};
  if (!kVouchedFor && op != (edit.is_set() ? kSet : kDelete)) return malformed_intent();
  return edit.is_set() ? check(edit.value) : Status{};
}

Status Lww::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                   uint32_t& seqs) {
  Path path;
  Entry edit;
  SK_TRY(read_intent(stamp, intent, path, edit));
#if !defined(SYNCKIT_CLIENT_ONLY)  // there sdk/js looks, which has the view
  if (!edit.is_set() && !is_there(path)) return {};
#endif
  if (entries_ >= kMaxEntries && !find(path)->entry) {
    return Status::limit(SK_TEXT("the map already has kMaxEntries (1048576) entries"));
  }
  seqs = 1;
  Change change(*this);
  change.keep(patch.wanted());  // the delta is written before anything changes
  write_op(path, edit, delta);
  if (delta.ok()) write(path, edit, patch);
  change.commit = delta.ok() && patch.ok();
  return {};
}

// The write of the same dot, where it still stands, is taken back: right also when somebody else's
// write, merged since, had beaten it. Browsers' engines make the document anew of what they have
// re-stamped, so there only bytes are asked for.
Status Lww::restamp(const Stamp& stamp, Bytes delta, Writer& out) {
  RowsIn rows(delta);
  SK_TRY(rows.head());
  SK_TRY(rows.next());
  if (!kVouchedFor && (!rows.done() || rows.edit.dot.replica != stamp.replica)) {
    return Status::malformed(SK_TEXT("only one write of this replica can be re-stamped"));
  }
  rows.edit.hlc = stamp.hlc;
  write_op(rows.path, rows.edit, out);
#if !defined(SYNCKIT_CLIENT_ONLY)
  if (!out.ok()) return {};
  Change change(*this);
  change.keep(true);
  change.commit = true;
  auto* node = const_cast<Node*>(find(rows.path));
  if (node->entry && node->entry->dot == rows.edit.dot) put(node, nullptr);
  Writer silent(nullptr);
  write(rows.path, rows.edit, silent);
#endif
  return {};
}

// ---- writing ---------------------------------------------------------------------------------

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

// In the order of their paths: a path before those below it.
void Lww::write_rows(const Node* parent, const Version& since, Buffer& path,
                     RowsOut& rows) const {
  tree_.sort(parent);
  for (const Node* node = tree_.child(parent); node; node = tree_.next(node)) {
    size_t above = path.len;
    Writer(path).sized(tree_.name(node));
    if (node->entry && !since.has(node->entry->dot)) rows.row(path, *node->entry);
    write_rows(node, since, path, rows);
    path.len = above;
  }
}

void Lww::count_authors(const Node* parent, const Version& since, Dots& authors) const {
  for (const Node* node = tree_.child(parent); node; node = tree_.next(node)) {
    if (node->entry && !since.has(node->entry->dot)) authors.raise(node->entry->dot);
    count_authors(node, since, authors);
  }
}

Status Lww::encode(const Version& since, Writer& delta) const {
  Dots authors;
  count_authors(tree_.root(), since, authors);
  write_head(delta, kOpDelta, authors);
  RowsOut rows(delta, authors);
  Buffer path;
  write_rows(tree_.root(), since, path, rows);
  return {};
}

}  // namespace synckit

SYNCKIT_CRDT_PLUGIN(synckit::Lww, "synckit.lww", "1.0.0")
