// json-joy: text is a `str`, map and set are `obj`s, a counter is one `obj` entry per writer (it
// has neither sets nor counters). The schema makes the same root in every replica. An edit is
// flushed into a patch at once, unless all edits are wanted as one patch (`updates: 'end'`).
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { Model } = require('json-joy/lib/json-crdt');
const { Patch, s } = require('json-joy/lib/json-crdt-patch');

class Doc {
  constructor(model, replica, updates) {
    this.model = model;
    this.api = model.api;
    this.text_ = this.api.str(['t']);
    this.map_ = this.api.obj(['m']);
    this.set_ = this.api.obj(['s']);
    this.counter_ = this.api.obj(['c']);
    this.me = String(replica);
    this.mine = 0;
    this.flushes = updates === undefined;
  }
  done() {
    if (this.flushes) this.api.flush();
  }
  splice(position, remove, insert) {
    if (remove) this.text_.del(position, remove);
    if (insert) this.text_.ins(position, insert);
    this.done();
  }
  text() { return this.text_.view(); }
  write(key, value) {
    this.map_.set({ [key]: value });
    this.done();
  }
  map() { return this.map_.view(); }
  add(element) {
    this.set_.set({ [element]: true });
    this.done();
  }
  remove(element) {
    this.set_.del([element]);
    this.done();
  }
  elements() { return Object.keys(this.set_.view()); }
  increment() {
    this.counter_.set({ [this.me]: ++this.mine });
    this.done();
  }
  count() { return Object.values(this.counter_.view()).reduce((a, b) => a + b, 0); }
  update() { return this.api.flush().toBinary(); }
  all() { return this.update(); }
  apply(update) { this.model.applyPatch(Patch.fromBinary(update)); }
  save() { return this.model.toBinary(); }
  sizes() { return [{ variant: 'model', bytes: this.model.toBinary() }]; }
}

const schema = () => s.obj({ t: s.str(''), m: s.obj({}), s: s.obj({}), c: s.obj({}) });
// Session ids below 65,536 are reserved.
const session = (replica) => 65_536 + replica;

export default {
  create: async ({ replica, updates }) => {
    const model = Model.create(schema(), session(replica));
    model.api.flush(); // the schema's own patch: every replica makes the same, nobody sends it
    return new Doc(model, session(replica), updates);
  },
  load: (bytes) => new Doc(Model.load(bytes, session(99)), session(99), undefined),
};
