// diamond-types (WASM for Node): text only. An update is the patch since the version before the
// edit. It keeps the whole history, deleted text included, and cannot leave it out.
import { createRequire } from 'node:module';

const { Doc: DtDoc } = createRequire(import.meta.url)('diamond-types-node');

class Doc {
  constructor(doc) {
    this.doc = doc;
    this.before = doc.getLocalVersion();
  }
  splice(position, remove, insert) {
    if (this.stale) this.before = this.doc.getLocalVersion(); // what was merged is no own edit
    this.stale = false;
    if (remove) this.doc.del(position, remove);
    if (insert) this.doc.ins(position, insert);
  }
  text() { return this.doc.get(); }
  update() {
    const update = this.doc.getPatchSince(this.before);
    this.before = this.doc.getLocalVersion();
    return update;
  }
  apply(update) {
    this.doc.mergeBytes(update);
    this.stale = true;
  }
  save() { return this.doc.toBytes(); }
  sizes() { return [{ variant: 'with history', bytes: this.doc.toBytes() }]; }
}

export default {
  only: 'text',
  create: async ({ replica }) => new Doc(new DtDoc(`replica-${replica}`)),
  load: (bytes) => new Doc(DtDoc.fromBytes(bytes, 'reader')),
};
