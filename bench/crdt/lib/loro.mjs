// Loro (WASM): its own text, map and counter; a set is the keys of a map. An update is what it
// hands to `subscribeLocalUpdates` when an edit is committed.
import { createRequire } from 'node:module';

const { LoroDoc } = createRequire(import.meta.url)('loro-crdt');

class Doc {
  constructor(replica, updates) {
    this.doc = new LoroDoc();
    this.doc.setPeerId(BigInt(replica));
    this.text_ = this.doc.getText('t');
    this.map_ = this.doc.getMap('m');
    this.set_ = this.doc.getMap('s');
    this.counter_ = this.doc.getCounter('c');
    this.pending = [];
    if (updates === 'each') this.doc.subscribeLocalUpdates((bytes) => this.pending.push(bytes));
  }
  splice(position, remove, insert) {
    if (remove) this.text_.delete(position, remove);
    if (insert) this.text_.insert(position, insert);
  }
  text() { return this.text_.toString(); }
  write(key, value) { this.map_.set(key, value); }
  map() { return this.map_.toJSON(); }
  add(element) { this.set_.set(element, true); }
  remove(element) { this.set_.delete(element); }
  elements() { return this.set_.keys(); }
  increment() { this.counter_.increment(1); }
  count() { return this.counter_.value; }
  update() {
    this.doc.commit();
    const pending = this.pending;
    this.pending = [];
    if (pending.length !== 1) throw new Error(`${pending.length} updates for one edit`);
    return pending[0];
  }
  all() {
    this.doc.commit();
    return this.doc.export({ mode: 'update' });
  }
  apply(update) { this.doc.import(update); }
  save() {
    this.doc.commit();
    return this.doc.export({ mode: 'snapshot' });
  }
  sizes() {
    this.doc.commit();
    const frontiers = this.doc.oplogFrontiers();
    return [
      { variant: 'with history', bytes: this.doc.export({ mode: 'snapshot' }) },
      { variant: 'shallow', bytes: this.doc.export({ mode: 'shallow-snapshot', frontiers }) },
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
