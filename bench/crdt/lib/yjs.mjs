// Yjs: text is a Y.Text; sets are the keys of a Y.Map, counters one Y.Map entry per writer (Yjs
// has neither type). Updates are in format v1 and deleted text is collected (gc): its defaults.
import * as Y from 'yjs';

class Doc {
  constructor(replica, updates) {
    this.doc = new Y.Doc();
    this.doc.clientID = replica;
    this.me = String(replica);
    this.mine = 0;
    this.text_ = this.doc.getText('t');
    this.map_ = this.doc.getMap('m');
    this.set_ = this.doc.getMap('s');
    this.counter_ = this.doc.getMap('c');
    this.pending = [];
    if (updates === 'each') {
      this.doc.on('update', (update, origin) => {
        if (origin !== 'remote') this.pending.push(update);
      });
    }
  }
  splice(position, remove, insert) {
    if (remove && insert) {
      this.doc.transact(() => {
        this.text_.delete(position, remove);
        this.text_.insert(position, insert);
      });
    } else if (remove) {
      this.text_.delete(position, remove);
    } else {
      this.text_.insert(position, insert);
    }
  }
  text() { return this.text_.toString(); }
  write(key, value) { this.map_.set(key, value); }
  map() { return this.map_.toJSON(); }
  add(element) { this.set_.set(element, true); }
  remove(element) { this.set_.delete(element); }
  elements() { return [...this.set_.keys()]; }
  increment() { this.counter_.set(this.me, ++this.mine); }
  count() {
    let sum = 0;
    for (const value of this.counter_.values()) sum += value;
    return sum;
  }
  update() {
    const pending = this.pending;
    this.pending = [];
    return pending.length === 1 ? pending[0] : Y.mergeUpdates(pending);
  }
  all() { return Y.encodeStateAsUpdate(this.doc); }
  apply(update) { Y.applyUpdate(this.doc, update, 'remote'); }
  save() { return Y.encodeStateAsUpdate(this.doc); }
  sizes() {
    return [
      { variant: 'v1', bytes: Y.encodeStateAsUpdate(this.doc) },
      { variant: 'v2', bytes: Y.encodeStateAsUpdateV2(this.doc) },
    ];
  }
}

export default {
  create: async ({ replica, updates }) => new Doc(replica, updates),
  load: (bytes, fresh) => {
    fresh.apply(bytes);
    return fresh;
  },
};
