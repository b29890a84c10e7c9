// The `lww` plugin: reading, changing, writing. What and why: lww.hpp; bytes: FORMAT.md; the view:
// lww_view.cpp.
#include "lww.hpp"

namespace synckit {

namespace {

constexpr uint32_t kRoot = 0;
constexpr unsigned kSharedShift = 3;  // of a row's head byte, below which its flags are:
constexpr uint8_t kRowDelete = 1, kRowSameAuthor = 2, kRowSibling = 4;

constexpr Problem kManySegments{SK_LIMIT,
                                "the path has more than kMaxPathSegments (64) segments"};
constexpr Problem kLongName{SK_LIMIT, "a path segment is longer than kMaxKeyBytes (1024)"};
constexpr Problem kLongValue{SK_LIMIT, "the value is larger than kMaxValueBytes (1 MiB)"};
constexpr Problem kFull{SK_LIMIT, "the map already has kMaxEntries (1048576) entries"};
constexpr Problem kMalformedPath{SK_MALFORMED, "malformed path: empty, cut short or not UTF-8"};
constexpr Problem kNotOwn{SK_MALFORMED, "only an op delta of this replica can be re-stamped"};

}  // namespace

Lww::Lww() { make_node(kNoId, {}); }

Lww::~Lww() {
  for (Node& node : nodes_) node.entry.value.release();
  spare_.release();
}

// ---- reading ---------------------------------------------------------------------------------

Verdict Lww::read_path(Reader& reader, Path& path) {
  Bytes all = reader.rest();  // offsets count from here
  reader = Reader(all);
  path.base = all.data;
  uint64_t count = reader.varint();
  if (count == 0) return &kMalformedPath;
  if (count > kMaxPathSegments) return &kManySegments;
  path.count = static_cast<unsigned>(count);
  for (unsigned i = 0; i < path.count; ++i) {
    Bytes name = reader.sized();
    if (!reader.ok() || !utf8_valid(name)) return &kMalformedPath;
    if (name.len > kMaxKeyBytes) return &kLongName;
    path.at[i] = static_cast<uint32_t>(name.data - path.base);
    path.len[i] = static_cast<uint32_t>(name.len);
  }
  return nullptr;
}

Verdict Lww::read_edit(Reader& reader, Path& path, Edit& edit) {
  edit.kind = reader.byte();
  if (Verdict wrong = read_path(reader, path)) return wrong;
  edit.value = reader.rest();
  edit.sorted = false;
  if (edit.kind == kDelete) return edit.value.empty() ? nullptr : &kMalformedIntent;
  if (edit.kind != kSet) return &kMalformedIntent;
  if (edit.value.len > kMaxValueBytes) return &kLongValue;
  return check_json(edit.value, &edit.sorted);
}

Verdict Lww::read_op(Bytes delta, Path& path, Edit& edit) {
  Reader reader(delta);
  reader.byte();
  edit.replica = reader.fixed64();
  edit.seq = reader.varint();
  edit.hlc = reader.fixed64();
  bool good = edit.replica != 0 && edit.seq != 0 && !read_edit(reader, path, edit);
  return good ? nullptr : &kMalformedDelta;
}

// Reads the rows of a state delta, checking all but the JSON of the values.
class Lww::Rows {
 public:
  explicit Rows(Bytes delta) : reader_(delta) {
    reader_.byte();
    uint64_t previous = 0;
    for (uint64_t left = reader_.varint(); left && reader_.ok(); --left) {
      uint64_t replica = reader_.fixed64();
      if (replica <= previous) reader_.fail();
      previous = replica;
      authors.push_back(replica);
    }
    used_.resize(authors.size());
    left_ = reader_.varint();
    path.count = 1;
    path.at[0] = path.len[0] = 0;
  }

  Vec<uint64_t> authors;
  Path path;

  bool next(Edit& edit) {
    if (left_ == 0 || !reader_.ok()) return false;
    --left_;
    uint8_t head = reader_.byte();
    if (!read_path_change(head)) return reader_.fail(), false;
    if (!(head & kRowSameAuthor)) author_ = reader_.varint();
    edit.seq = seq_.read(reader_);
    uint64_t ms = ms_.read(reader_), logical = reader_.varint();
    edit.kind = head & kRowDelete ? kDelete : kSet;
    edit.value = edit.kind == kSet ? reader_.sized() : Bytes{};
    edit.sorted = false;
    if (author_ >= authors.size() || edit.seq == 0 || ms >> 48 || logical >> 16 ||
        edit.value.len > kMaxValueBytes) {
      reader_.fail();
    }
    if (!reader_.ok()) return false;
    edit.hlc = ms << 16 | logical;
    edit.replica = authors[static_cast<size_t>(author_)];
    uint8_t& used = used_[static_cast<size_t>(author_)];
    used_count_ += used == 0;
    used = 1;
    return true;
  }

  bool good_end() const { return reader_.good_end() && used_count_ == authors.size(); }

 private:
  // Makes the previous row's path this row's.
  bool read_path_change(uint8_t head) {
    uint64_t kept = path.count - 1, fresh = 1;
    if (!(head & kRowSibling)) {
      kept = reader_.varint();
      fresh = reader_.varint();
    }
    size_t shared = head >> kSharedShift;
    if (!reader_.ok() || kept > path.count || fresh == 0 || fresh > kMaxPathSegments - kept) {
      return false;
    }
    unsigned i = static_cast<unsigned>(kept);
    if (shared > (i < path.count ? path.len[i] : 0)) return false;
    text_.truncate(i < path.count ? path.at[i] + shared : text_.size());
    path.count = i + static_cast<unsigned>(fresh);
    for (; i < path.count; ++i, shared = 0) {
      Bytes rest = reader_.sized();
      if (!reader_.ok() || shared + rest.len > kMaxKeyBytes) return false;
      path.at[i] = static_cast<uint32_t>(text_.size() - shared);
      path.len[i] = static_cast<uint32_t>(shared + rest.len);
      text_.append(rest.data, rest.len);
      path.base = text_.data();
      if (!utf8_valid(path[i])) return false;
    }
    return true;
  }

  Reader reader_;
  uint64_t left_ = 0, author_ = 0;
  Difference seq_, ms_;
  Vec<uint8_t> text_, used_;
  size_t used_count_ = 0;
};

Verdict Lww::examine(Bytes delta, Summary& summary) {
  if (Verdict wrong = check_delta_kind(delta)) return wrong;
  DotRange range;
  Edit edit;
  uint64_t author;
  if (delta.data[0] == kOpDelta) {
    Path path;
    if (Verdict wrong = read_op(delta, path, edit)) return wrong;
    summary.authors = 1;
    summary.ops = 1;
    summary.max_hlc = edit.hlc;
    range.add(edit.seq);
    author = edit.replica;
  } else {
    Rows rows(delta);
    for (; rows.next(edit); ++summary.ops) {
      if (edit.kind == kSet && check_json(edit.value)) return &kMalformedJson;
      if (edit.hlc > summary.max_hlc) summary.max_hlc = edit.hlc;
      range.add(edit.seq);
    }
    if (!rows.good_end()) return &kMalformedDelta;
    summary.authors = static_cast<uint32_t>(rows.authors.size());
    if (summary.authors != 1) return nullptr;
    author = rows.authors[0];
  }
  range.report(summary, author);
  return nullptr;
}

// ---- changing --------------------------------------------------------------------------------

// All entries that one call replaces; put back unless committed.
class Lww::Change {
 public:
  explicit Change(Lww& map) : map_(map) {}
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() { map_.settle(false); }

  // Not when the patch could not grow.
  void commit(const Writer& patch) {
    if (patch.ok()) map_.settle(true);
  }

 private:
  Lww& map_;
};

// Does the entry win over the edit, or is it the same write?
bool Lww::beats(const Entry& entry, const Edit& edit) {
  if (entry.hlc != edit.hlc) return entry.hlc > edit.hlc;
  if (entry.replica != edit.replica) return entry.replica > edit.replica;
  return entry.seq >= edit.seq;
}

uint32_t Lww::make_node(uint32_t parent, Bytes name) {
  make_room(nodes_);
  uint32_t id = names_.add(parent, name);
  if (nodes_.size() <= id) nodes_.push_back({});
  Node& node = nodes_[id];
  node = {{}, kNoId, kNoId, kNoId, 0};
  if (parent == kNoId) return id;
  node.next = nodes_[parent].child;
  if (node.next != kNoId) nodes_[node.next].previous = id;
  nodes_[parent].child = id;
  return id;
}

// Removes the node, and its ancestors, as far as they hold nothing any more.
void Lww::prune(uint32_t id) {
  while (id != kRoot && nodes_[id].entry.kind == kNone && nodes_[id].child == kNoId) {
    Node& node = nodes_[id];
    uint32_t parent = names_.scope(id);
    if (node.next != kNoId) nodes_[node.next].previous = node.previous;
    (node.previous != kNoId ? nodes_[node.previous].next : nodes_[parent].child) = node.next;
    node.entry.kind = kDead;
    names_.remove(id);
    id = parent;
  }
}

// Counts an entry in (step 1) or out (step -1).
void Lww::count(uint32_t node, uint8_t kind, uint32_t step) {
  if (kind == kNone) return;
  entries_ += step == 1 ? size_t{1} : SIZE_MAX;
  if (kind != kSet) return;
  for (; node != kNoId; node = names_.scope(node)) nodes_[node].live += step;
}

// Replaces the node's entry (kind kNone: removes it). Fields are set in place: copying an entry
// that was just put together costs more than all the rest.
void Lww::put(uint32_t node, const Edit& edit) {
  Entry& entry = nodes_[node].entry;
  journal_.push_back({});
  journal_.back().node = node;
  journal_.back().entry = entry;
  entry.value.len = entry.value.cap = 0;  // the journal has it now
  if (edit.value.len > Blob::kInside && edit.value.len <= spare_.cap) {
    entry.value = spare_;
    spare_ = {};
  }
  entry.value.assign(edit.value);
  if (entry.kind != edit.kind) {
    count(node, entry.kind, UINT32_MAX);
    count(node, edit.kind, 1);
  }
  entry.hlc = edit.hlc;
  entry.replica = edit.replica;
  entry.seq = edit.seq;
  entry.kind = edit.kind;
  entry.sorted = edit.sorted;
}

void Lww::retire(Blob& value) {
  if (value.cap > spare_.cap) {
    Blob larger = value;
    value = spare_;
    spare_ = larger;
  }
  value.release();
}

// Ends a call: lets the replaced entries go, or puts them back, newest first.
void Lww::settle(bool commit) {
  for (size_t i = journal_.size(); i-- > 0;) {
    Undo& undo = journal_[i];
    if (commit) {
      retire(undo.entry.value);
      continue;
    }
    Entry& entry = nodes_[undo.node].entry;
    count(undo.node, entry.kind, UINT32_MAX);
    retire(entry.value);
    entry = undo.entry;
    count(undo.node, entry.kind, 1);
  }
  for (const Undo& undo : journal_) prune(undo.node);
  journal_.clear();
}

// Removes what the edit hides below `parent`. Recursion is as deep as a path.
void Lww::drop_older(uint32_t parent, const Edit& edit) {
  for (uint32_t id = nodes_[parent].child; id != kNoId; id = nodes_[id].next) {
    const Entry& entry = nodes_[id].entry;
    if (entry.kind != kNone && !beats(entry, edit)) put(id, Edit{0, 0, 0, {}, kNone, false});
    drop_older(id, edit);
  }
}

// Applies one edit, unless something at its path or above beats it, and tells the patch.
void Lww::write(const Path& path, const Edit& edit, Writer& patch) {
  uint32_t node = kRoot;
  unsigned known = 0;
  for (; known < path.count; ++known) {
    uint32_t next = names_.find(node, path[known]);
    if (next == kNoId) break;
    node = next;
    const Entry& entry = nodes_[node].entry;
    if (entry.kind != kNone && beats(entry, edit)) return;
  }

  bool tell = patch.wanted(), is_set = edit.kind == kSet;
  unsigned objects = 0;
  if (tell && (path.count > 1 || !is_set)) {
    Place last;
    objects = objects_on(path, last);
    if (!is_set && nothing_at(path)) tell = false;  // then nothing to be seen changes
  }
  for (; known < path.count; ++known) node = make_node(node, path[known]);
  put(node, edit);
  drop_older(node, edit);
  if (tell) write_patch(path, node, objects, patch);
}

Verdict Lww::edit(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                  uint32_t& seqs) {
  if (Verdict wrong = check_stamp(stamp)) return wrong;
  Path path;
  Edit edit;
  Reader reader(intent);
  if (Verdict wrong = read_edit(reader, path, edit)) return wrong;
  edit.hlc = stamp.hlc;
  edit.replica = stamp.replica;
  edit.seq = stamp.seq;
  if (edit.kind == kDelete && nothing_at(path)) return nullptr;
  if (entries_ >= kMaxEntries) {
    uint32_t node = find(path);
    if (node == kNoId || nodes_[node].entry.kind == kNone) return &kFull;
  }
  delta.byte(kOpDelta);
  delta.fixed64(edit.replica);
  delta.varint(edit.seq);
  delta.fixed64(edit.hlc);
  delta.raw(intent);
  seqs = 1;
  if (!delta.ok()) return nullptr;
  Change change(*this);
  write(path, edit, patch);
  change.commit(patch);
  return nullptr;
}

Verdict Lww::take(Bytes delta, Writer& patch) {
  if (Verdict wrong = check_delta_kind(delta)) return wrong;
  Edit edit;
  if (delta.data[0] == kOpDelta) {
    Path path;
    if (Verdict wrong = read_op(delta, path, edit)) return wrong;
    Change change(*this);
    write(path, edit, patch);
    change.commit(patch);
    return nullptr;
  }
  Summary ignored;
  if (Verdict wrong = examine(delta, ignored)) return wrong;
  Change change(*this);
  for (Rows rows(delta); rows.next(edit);) {
    if (edit.kind == kSet) (void)check_json(edit.value, &edit.sorted);
    write(rows.path, edit, patch);
  }
  change.commit(patch);
  return nullptr;
}

// Takes the old write back, where it still stands, and writes again with the new clock: right
// also when somebody else's write, merged since, had beaten the old one.
Verdict Lww::rewrite(const Stamp& stamp, Bytes delta, Writer& out) {
  Path path;
  Edit edit;
  if (Verdict wrong = check_delta_kind(delta)) return wrong;
  if (delta.data[0] != kOpDelta) return &kNotOwn;
  if (Verdict wrong = read_op(delta, path, edit)) return wrong;
  if (edit.replica != stamp.replica) return &kNotOwn;
  Reader reader(delta);
  reader.byte(), reader.fixed64(), reader.varint();
  size_t clock_at = reader.offset();  // everything else stays as it is
  out.raw(delta.data, clock_at);
  out.fixed64(stamp.hlc);
  out.raw(delta.data + clock_at + 8, delta.len - clock_at - 8);

  Change change(*this);
  uint32_t node = find(path);
  if (node != kNoId) {
    const Entry& entry = nodes_[node].entry;
    if (entry.kind != kNone && entry.replica == edit.replica && entry.seq == edit.seq) {
      put(node, Edit{0, 0, 0, {}, kNone, false});
    }
  }
  edit.hlc = stamp.hlc;
  Writer silent(nullptr);
  write(path, edit, silent);
  change.commit(out);
  return nullptr;
}

uint32_t Lww::find(const Path& path) const {
  uint32_t node = kRoot;
  for (unsigned i = 0; i < path.count && node != kNoId; ++i) node = names_.find(node, path[i]);
  return node;
}

// ---- writing ---------------------------------------------------------------------------------

void Lww::sorted_children(uint32_t node, Vec<uint32_t>& ids) const {
  for (uint32_t id = nodes_[node].child; id != kNoId; id = nodes_[id].next) ids.push_back(id);
  sort_ids(ids, [this](uint32_t a, uint32_t b) { return names_.bytes(a) < names_.bytes(b); });
}

// Writes entries in the order of their paths, each path as the difference to the one before.
class Lww::RowWriter {
 public:
  RowWriter(const Lww& map, const Version& since, Writer& out)
      : map_(map), since_(since), out_(out) {
    for (const Node& node : map.nodes_) {
      if (!sends(node.entry)) continue;
      authors_.at(node.entry.replica);
      ++count_;
    }
    path_[0] = kNoId;  // the first row is a sibling of the empty name
  }

  void run() {
    out_.byte(kStateDelta);
    out_.varint(authors_.items().size());
    for (const Dot& author : authors_.items()) out_.fixed64(author.replica);
    out_.varint(count_);
    walk(kRoot, 0);
  }

 private:
  bool sends(const Entry& entry) const {
    return (entry.kind == kSet || entry.kind == kDelete) &&
           !since_.has({entry.replica, entry.seq});
  }

  void walk(uint32_t parent, unsigned depth) {
    Vec<uint32_t> ids;
    map_.sorted_children(parent, ids);
    for (uint32_t id : ids) {
      trail_[depth] = id;
      if (sends(map_.nodes_[id].entry)) row(map_.nodes_[id].entry, depth + 1);
      if (map_.nodes_[id].child != kNoId) walk(id, depth + 1);
    }
  }

  Bytes name(uint32_t id) const { return id == kNoId ? Bytes{} : map_.names_.bytes(id); }

  void row(const Entry& entry, unsigned count) {
    unsigned kept = 0;
    while (kept < path_count_ && kept < count && path_[kept] == trail_[kept]) ++kept;
    bool sibling = kept + 1 == path_count_ && kept + 1 == count;
    size_t author = authors_.position(entry.replica);
    size_t shared = shared_prefix(kept < path_count_ ? name(path_[kept]) : Bytes{},
                                  name(trail_[kept]));
    out_.byte(static_cast<uint8_t>(shared << kSharedShift |
                                   (entry.kind == kDelete ? kRowDelete : 0) |
                                   (author == author_ ? kRowSameAuthor : 0) |
                                   (sibling ? kRowSibling : 0)));
    if (!sibling) {
      out_.varint(kept);
      out_.varint(count - kept);
    }
    for (unsigned i = kept; i < count; ++i, shared = 0) {
      Bytes whole = name(trail_[i]);
      out_.sized({whole.data + shared, whole.len - shared});
      path_[i] = trail_[i];
    }
    path_count_ = count;
    if (author != author_) out_.varint(author);
    author_ = author;
    seq_.write(out_, entry.seq);
    ms_.write(out_, entry.hlc >> 16);
    out_.varint(entry.hlc & 0xffff);
    if (entry.kind == kSet) out_.sized(entry.value.bytes());
  }

  const Lww& map_;
  const Version& since_;
  Writer& out_;
  ReplicaMap<Dot> authors_;
  uint64_t count_ = 0;
  size_t author_ = 0;
  Difference seq_, ms_;
  uint32_t trail_[kMaxPathSegments], path_[kMaxPathSegments];  // here, and of the last row
  unsigned path_count_ = 1;
};

Status Lww::encode(const Version& since, Writer& delta) const {
  RowWriter(*this, since, delta).run();
  return {};
}

}  // namespace synckit

SYNCKIT_CRDT_PLUGIN(synckit::Lww, "synckit.lww", "1.0.0")
