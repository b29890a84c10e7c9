// Automerge (WASM): text, map and counter of its own; a set is the keys of a map. One edit is one
// change. Its cost per change is high, so most cases run on fewer operations (`caps`); a result
// says how many it ran, and what is extrapolated from that (run.mjs) is marked as an estimate.
import * as A from '@automerge/automerge';

const actor = (replica) => replica.toString(16).padStart(32, '0');

// The same first change in every replica, so that all share one root.
function begin(replica) {
  const root = A.change(A.init({ actor: actor(0) }), { time: 0 }, (d) => {
    d.t = '';
    d.m = {};
    d.s = {};
    d.c = new A.Counter(0);
  });
  return A.clone(root, { actor: actor(replica) });
}

class Doc {
  constructor(doc) { this.doc = doc; }
  change(edit) { this.doc = A.change(this.doc, { time: 0 }, edit); }
  splice(position, remove, insert) {
    this.change((d) => A.splice(d, ['t'], position, remove, insert));
  }
  text() { return this.doc.t; }
  write(key, value) { this.change((d) => { d.m[key] = value; }); }
  map() { return A.toJS(this.doc).m; }
  add(element) { this.change((d) => { d.s[element] = true; }); }
  remove(element) { this.change((d) => { delete d.s[element]; }); }
  elements() { return Object.keys(this.doc.s); }
  increment() { this.change((d) => d.c.increment(1)); }
  count() { return this.doc.c.value; }
  update() { return A.getLastLocalChange(this.doc); }
  all() { return A.save(this.doc); }
  apply(update) { [this.doc] = A.applyChanges(this.doc, [update]); }
  applyAll(bytes) { this.doc = A.loadIncremental(this.doc, bytes); }
  save() { return A.save(this.doc); }
  sizes() { return [{ variant: 'with history', bytes: A.save(this.doc) }]; }
}

export default {
  caps: {
    'text-updates': 20_000,
    'text-apply': 5_000,
    'text-session': 4_000,
    'map-writes': 10_000,
    'map-updates': 10_000,
    'map-apply': 4_000,
    'set-edits': 10_000,
    counter: 5_000,
    'map-merge': 5_000,
  },
  create: async ({ replica }) => new Doc(begin(replica)),
  load: (bytes) => new Doc(A.load(bytes)),
};
