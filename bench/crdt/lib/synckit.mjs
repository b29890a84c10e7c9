// SyncKit through its TypeScript API: `synckit/replica`, documents without a session, on
// replica.wasm. The only file of the benchmark that knows this API.
//
// SYNCKIT_DIST: another folder with the built package.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = process.env.SYNCKIT_DIST
  ? pathToFileURL(path.resolve(process.env.SYNCKIT_DIST) + '/')
  : new URL('../../../sdk/js/dist/', import.meta.url);
const entry = new URL('replica-node.js', dist);
if (!existsSync(entry)) throw new Error('not built: run ./dev wasm first');
const { Replica } = await import(entry);

class Doc {
  constructor(doc) {
    this.doc = doc;
    this.text_ = doc.text('t');
    this.set_ = doc.setOf('s');
    this.counter_ = doc.counter('c');
  }
  splice(position, remove, insert) { this.text_.splice(position, remove, insert); }
  text() { return this.text_.toString(); }
  write(key, value) { this.doc.set(key, value); }
  map() { return this.doc.get(); }
  add(element) { this.set_.add(element); }
  remove(element) { this.set_.delete(element); }
  elements() { return [...this.set_.values()]; }
  increment() { this.counter_.increment(); }
  count() { return this.counter_.value; }
  update() { return this.doc.commit(); }
  all() { return this.doc.commit(); }
  apply(update) { this.doc.apply(update); }
  save() { return this.doc.snapshot(); }
  sizes() { return [{ variant: 'snapshot', bytes: this.doc.snapshot() }]; }
}

export default {
  create: async ({ replica }) => new Doc(await Replica.create({ replica: BigInt(replica) })),
  load: (bytes, fresh) => {
    fresh.doc.apply(bytes);
    return fresh;
  },
};
