// ywasm (Yrs in WASM): as Yjs, through its own JavaScript API.
import * as Y from 'ywasm';

class Doc {
  constructor(replica, updates) {
    this.doc = new Y.YDoc({ clientID: replica });
    this.me = String(replica);
    this.mine = 0;
    this.text_ = this.doc.getText('t');
    this.map_ = this.doc.getMap('m');
    this.set_ = this.doc.getMap('s');
    this.counter_ = this.doc.getMap('c');
    this.pending = [];
    this.remote = false;
    if (updates === 'each') {
      this.observer = this.doc.onUpdate((update) => {
        if (!this.remote) this.pending.push(update);
      });
    }
  }
  splice(position, remove, insert) {
    if (remove && insert) {
      const txn = this.doc.beginTransaction();
      this.text_.delete(position, remove, txn);
      this.text_.insert(position, insert, undefined, txn);
      txn.commit();
      txn.free();
    } else if (remove) {
      this.text_.delete(position, remove);
    } else {
      this.text_.insert(position, insert);
    }
  }
  text() { return this.text_.toString(); }
  write(key, value) { this.map_.set(key, value); }
  map() {
    const json = this.map_.toJson();
    return json instanceof Map ? Object.fromEntries(json) : json;
  }
  add(element) { this.set_.set(element, true); }
  remove(element) { this.set_.delete(element); }
  elements() {
    const json = this.set_.toJson();
    return json instanceof Map ? [...json.keys()] : Object.keys(json);
  }
  increment() { this.counter_.set(this.me, ++this.mine); }
  count() {
    const json = this.counter_.toJson();
    const values = json instanceof Map ? [...json.values()] : Object.values(json);
    return values.reduce((a, b) => a + Number(b), 0);
  }
  update() {
    const pending = this.pending;
    this.pending = [];
    if (pending.length !== 1) throw new Error(`${pending.length} updates for one edit`);
    return pending[0];
  }
  all() { return Y.encodeStateAsUpdate(this.doc); }
  apply(update) {
    this.remote = true;
    Y.applyUpdate(this.doc, update, 'remote');
    this.remote = false;
  }
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
