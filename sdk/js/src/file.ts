// A file store for Node: one append-only journal in one directory, no native module.
//
// Format. `journal`: the 8 bytes "SKJRNL1\n", then frames: u32 length, u32 CRC-32 of the payload
// (both little endian), payload = one batch. A batch is a sequence of operations:
//   byte 1 put, 2 put unless stale   key, value
//   byte 3 delete                    key
//   byte 4 delete a range            first key, last key
//   byte 5 register a replica        name; an empty one forgets all of them
// each of them bytes after a varint length.
//
// Durability. `write` resolves after fsync. A batch that was cut by a crash fails its length or
// CRC, and the journal ends before it: such a batch was never reported. As damage could also hide
// reported ones, whatever was cut off ends the replicas that are known: nobody goes on writing
// under an identity whose last changes may be lost (their queues are still sent). When more than
// half of a large journal is dead, it is rewritten into a new file that replaces it by rename.
//
// One process at a time: `lock` (a file with the owner's process id) guards the directory, so
// replicas need no locks of their own. A lock whose process is gone is taken over.

import * as fs from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { Reader, Writer, decoder, utf8 } from './codec.js';
import { SyncKitError, wrap } from './errors.js';
import { MemoryStorage, type Row, type StorageAdapter, type StoreOp } from './storage.js';

const magic = utf8('SKJRNL1\n');
const opNames = ['put', 'put-newer', 'delete', 'delete-range'] as const;
const registerOp = 5;
/** A journal is rewritten when it is larger than this and more than half of it is dead. */
const minRewriteBytes = 1 << 20;
/** Larger frames are refused, so that a damaged length cannot ask for all memory. */
const maxFrameBytes = 1 << 30;

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});
const crc32 = (bytes: Uint8Array): number => {
  let crc = -1;
  for (const b of bytes) crc = crcTable[(crc ^ b) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
};

const encodeOp = (out: Writer, op: StoreOp): void => {
  out.byte(opNames.indexOf(op.op) + 1).lengthBytes(op.key);
  if ('value' in op) out.lengthBytes(op.value);
  if ('last' in op) out.lengthBytes(op.last);
};

const decodeInto = (table: MemoryStorage, payload: Uint8Array): void => {
  for (const r = new Reader(payload); r.left; ) {
    const code = r.byte();
    const key = r.raw();
    if (code == registerOp) {
      if (key.length) table.replicas_.add(decoder.decode(key));
      else table.replicas_.clear();
      continue;
    }
    const op = opNames[code - 1];
    if (op == 'put' || op == 'put-newer') table.apply_({ op, key, value: r.raw() });
    else if (op == 'delete') table.apply_({ op, key });
    else if (op) table.apply_({ op, key, last: r.raw() });
    else throw new SyncKitError('unsupported', `journal operation ${code} is not known`);
  }
};

const frame = (payload: Uint8Array): Uint8Array => {
  const out = new Uint8Array(8 + payload.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, payload.length, true);
  view.setUint32(4, crc32(payload), true);
  out.set(payload, 8);
  return out;
};

/** When a process started (Linux), so that a reused process id is not taken for the owner. */
const startOf = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
};

const isAlive = (owner: string): boolean => {
  const [pid, start] = owner.split(' ');
  const id = Number(pid);
  if (!(id > 0)) return false;
  try {
    process.kill(id, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code == 'EPERM';
  }
  return !start || startOf(id) == start;
};

/** Keeps a kit's data in a directory. */
export class FileStorage implements StorageAdapter {
  private readonly table_ = new MemoryStorage();
  private readonly locked_ = new Set<string>();
  private dir_ = '';
  private file_: fs.FileHandle | undefined;
  private size_ = 0;
  private rewriteAt_ = 0;
  private failed_: SyncKitError | undefined;
  private tail_: Promise<void> = Promise.resolve();

  /** `directory` is created when it is absent; each kit name gets a folder in it. */
  constructor(private readonly directory_: string) {}

  async open(name: string): Promise<void> {
    this.dir_ = path.join(this.directory_, encodeURIComponent(name));
    await fs.mkdir(this.dir_, { recursive: true });
    await this.own_();
    try {
      await this.read_();
    } catch (error) {
      await this.close();
      throw wrap(`${this.dir_} cannot be read`, error);
    }
  }

  private async own_(): Promise<void> {
    const file = path.join(this.dir_, 'lock');
    const me = `${process.pid} ${startOf(process.pid)}`;
    for (let attempt = 0; attempt < 10; attempt++) {
      try {
        // Linked, not written in place: a lock file is never seen without its owner in it.
        const draft = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
        await fs.writeFile(draft, me);
        await fs.link(draft, file).finally(() => fs.unlink(draft));
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code != 'EEXIST') {
          throw wrap(`${file} cannot be created`, error);
        }
      }
      const owner = await fs.readFile(file, 'latin1').catch(() => '');
      if (isAlive(owner)) {
        const text = `${this.dir_} is in use by process ${owner.split(' ')[0]}`;
        throw new SyncKitError('unavailable', text);
      }
      await this.evict_(file, owner);
    }
    throw new SyncKitError('unavailable', `${file} cannot be taken over`);
  }

  /** Moves a dead owner's lock away; puts it back when a live one had just replaced it. */
  private async evict_(file: string, owner: string): Promise<void> {
    const aside = `${file}.stale.${process.pid}`;
    try {
      await fs.rename(file, aside);
      if ((await fs.readFile(aside, 'latin1')) != owner) await fs.link(aside, file);
      await fs.unlink(aside);
    } catch {
      // Somebody else was quicker; the caller looks again.
    }
  }

  private async read_(): Promise<void> {
    this.file_ = await fs.open(path.join(this.dir_, 'journal'), 'a+');
    const bytes = new Uint8Array(await this.file_.readFile());
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length >= magic.length && !magic.every((b, i) => bytes[i] == b)) {
      throw new SyncKitError('unsupported', 'the journal is not one of this version');
    }
    let at = bytes.length < magic.length ? 0 : magic.length;
    while (at && at + 8 <= bytes.length) {
      const end = at + 8 + view.getUint32(at, true);
      if (end > bytes.length || end - at > maxFrameBytes) break;
      const payload = bytes.subarray(at + 8, end);
      if (crc32(payload) != view.getUint32(at + 4, true)) break;
      decodeInto(this.table_, payload);
      at = end;
    }
    await this.file_.truncate(at);
    if (!at) {
      await this.file_.appendFile(magic);
      await this.file_.sync();
      await this.syncDirectory_();
      at = magic.length;
    }
    this.size_ = at;
    this.plan_();
    if (at < bytes.length) await this.register('');
  }

  /** Decides at which size the journal is worth a rewrite: when half of it is dead by then. */
  private plan_(): void {
    let bytes = 0;
    for (const [key, value] of this.table_.rows_.values()) bytes += key.length + value.length + 8;
    this.rewriteAt_ = Math.max(minRewriteBytes, 2 * bytes);
  }

  private async syncDirectory_(): Promise<void> {
    if (process.platform == 'win32') return;
    const dir = await fs.open(this.dir_, 'r');
    await dir.sync().finally(() => dir.close());
  }

  private append_(payload: Uint8Array): Promise<void> {
    if (this.failed_) return Promise.reject(this.failed_);
    const bytes = frame(payload);
    if (bytes.length > maxFrameBytes) {
      return Promise.reject(new SyncKitError('limit', 'the batch is larger than 1 GiB'));
    }
    const done = this.tail_.then(() => this.commit_(bytes));
    this.tail_ = done.catch(() => undefined);
    return done;
  }

  private async commit_(bytes: Uint8Array): Promise<void> {
    if (this.failed_) throw this.failed_;
    if (!this.file_) throw new SyncKitError('closed', 'the store is closed');
    try {
      await this.file_.appendFile(bytes);
      await this.file_.datasync();
    } catch (error) {
      const full = (error as NodeJS.ErrnoException).code == 'ENOSPC';
      const why = wrap(this.dir_, error, full ? 'limit' : undefined);
      // Cut what may be half written. When even that fails, the end of the file is unknown, and
      // appending behind it could hide later batches from the next start.
      await this.file_.truncate(this.size_).catch(() => (this.failed_ = why));
      throw why;
    }
    this.size_ += bytes.length;
    decodeInto(this.table_, bytes.subarray(8));
    if (this.size_ > this.rewriteAt_) {
      await this.rewrite_().catch(() => this.plan_()); // whichever file has the name is whole
    }
  }

  private async rewrite_(): Promise<void> {
    const out = new Writer();
    const parts: Uint8Array[] = [magic];
    for (const replica of this.table_.replicas_) out.byte(registerOp).lengthText(replica);
    parts.push(frame(out.bytes()));
    for (const [key, value] of this.table_.rows_.values()) {
      encodeOp(out.clear(), { op: 'put', key, value });
      parts.push(frame(out.bytes()));
    }
    const draft = path.join(this.dir_, 'journal.new');
    await fs.rm(draft, { force: true });
    const next = await fs.open(draft, 'a');
    const bytes = Buffer.concat(parts);
    try {
      await next.appendFile(bytes);
      await next.sync();
      await fs.rename(draft, path.join(this.dir_, 'journal'));
    } catch (error) {
      await next.close();
      throw error;
    }
    // The name now means the new file, so that is where the next batch goes, whatever follows.
    const old = this.file_;
    this.file_ = next;
    this.size_ = bytes.length;
    this.plan_();
    await old?.close();
    await this.syncDirectory_();
  }

  async load(first: Uint8Array, last: Uint8Array): Promise<Row[]> {
    await this.tail_;
    return this.table_.load(first, last);
  }
  async keys(): Promise<Uint8Array[]> {
    await this.tail_;
    return this.table_.keys();
  }
  write(batch: readonly StoreOp[]): Promise<void> {
    const out = new Writer();
    for (const op of batch) encodeOp(out, op);
    return this.append_(out.bytes());
  }
  async replicas(): Promise<string[]> {
    return [...this.table_.replicas_];
  }
  register(replica: string): Promise<void> {
    return this.append_(new Writer().byte(registerOp).lengthText(replica).bytes());
  }
  async lock(replica: string): Promise<(() => void) | undefined> {
    if (this.locked_.has(replica)) return undefined;
    this.locked_.add(replica);
    return () => void this.locked_.delete(replica);
  }
  async close(): Promise<void> {
    await this.tail_;
    if (!this.dir_) return;
    await this.file_?.close();
    this.file_ = undefined;
    const lock = path.join(this.dir_, 'lock');
    const owner = await fs.readFile(lock, 'latin1').catch(() => '');
    if (owner == `${process.pid} ${startOf(process.pid)}`) await fs.unlink(lock).catch(() => {});
    this.dir_ = '';
  }
}
