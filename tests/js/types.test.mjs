// The types as an application sees them: a strict program over the built package compiles, and
// wrong uses of it do not.

import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import test from 'node:test';
import { need, scratch, sdk } from './support.mjs';

const program = `
import { MemoryStorage, SyncKit, SyncKitError, moveCaret, type Document, type TextOp, type KitOptions } from 'synckit';
import { fullWasm, makeAnchor, resolveAnchor, undoManager, type UndoManager } from 'synckit/full';
import { SyncKit as Lite } from 'synckit/lite';
import { SyncKit as Node, FileStorage } from 'synckit/node';
import { useValue, useStatus } from 'synckit/react';
import { useValue as useVue } from 'synckit/vue';
import { valueStore } from 'synckit/svelte';

interface Note { title: string; count?: number }
const options: KitOptions = { url: '/sync', token: async () => 'x', storage: new MemoryStorage(), name: 'n' };
export const kit = await SyncKit.open(options);
const doc: Document<Note> = kit.document<Note>('d');
await doc.ready;
doc.set('title', 'x');
doc.set(['deep', 'path'], { any: [1, null] });
doc.update({ title: 'y' });
export const title: string | undefined = doc.get('title');
export const whole: Note = doc.get();
const text = doc.text('t');
text.subscribe((ops: readonly TextOp[], { local }) => void [local, moveCaret(3, ops)]);
const tags = doc.set<string>('tags');
tags.add('a');
export const values: readonly string[] = tags.values();
doc.counter('c').increment(2n);
doc.onChange(({ state, seq }) => void [state === 'durable', seq + 1]);
const history: UndoManager = undoManager(doc, { depth: 9 });
export const more: boolean = history.undo() && history.redoable > 0;
export const caret: number = resolveAnchor(doc, 't', makeAnchor(doc, 't', 0, 'right')).position;
await SyncKit.open({ wasm: fullWasm });
doc.presence.subscribe((peers) => void peers.map((peer) => peer.replica));
kit.on('error', (error: SyncKitError) => void (error.code === 'limit'));
await kit.flush({ timeout: 5 });
await kit.close();
export const shown: string = useValue(text);
export const list: readonly string[] = useValue(tags);
export const note: Note = useVue(doc).value;
export const status: 'offline' | 'connecting' | 'syncing' | 'synced' | 'denied' = useStatus(doc);
valueStore(doc.counter('c')).subscribe((n: number) => void n);
const lite = await Lite.open();
lite.document('x').set('a', 1);
const node = await Node.open({ storage: new FileStorage('/tmp/x') });
node.document('x').text('t').insert(0, 'x');
`;

const ts = need('typescript');
const options = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
  types: ['node'],
};

/** Parsed once: the platform's types are most of the work. */
const parsed = new Map();
const host = ts.createCompilerHost(options);
const { getSourceFile } = host;
host.getSourceFile = (name, ...rest) => {
  if (!name.includes('node_modules')) return getSourceFile.call(host, name, ...rest);
  if (!parsed.has(name)) parsed.set(name, getSourceFile.call(host, name, ...rest));
  return parsed.get(name);
};

/**
 * What the compiler has to say about a program and about the package's own types, as
 * `file(line): text`. Other people's types are taken for granted: checking them, too, takes most of
 * a minute on a busy machine.
 */
const compile = (t, text) => {
  const folder = scratch(t);
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  symlinkSync(sdk, join(folder, 'node_modules/synckit'));
  for (const name of ['@types/node', '@types/react', 'vue']) {
    symlinkSync(join(sdk, 'node_modules', name), join(folder, 'node_modules', name));
  }
  writeFileSync(join(folder, 'app.ts'), text);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  host.getCurrentDirectory = () => folder;
  const made = ts.createProgram([join(folder, 'app.ts')], options, host);
  const types = realpathSync(join(sdk, 'dist/types'));
  const own = made
    .getSourceFiles()
    .filter(({ fileName }) => fileName.endsWith('/app.ts') || fileName.startsWith(types));
  assert.ok(own.length > 10, 'the types of the package are part of the program');
  const found = [
    ...made.getGlobalDiagnostics(),
    ...made.getOptionsDiagnostics(),
    ...own.flatMap((file) => [
      ...made.getSyntacticDiagnostics(file),
      ...made.getSemanticDiagnostics(file),
    ]),
  ];
  return found.map(({ file, start, messageText }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    const text = ts.flattenDiagnosticMessageText(messageText, ' ');
    return `${file ? basename(file.fileName) : ''}(${line}): ${text}`;
  });
};

test('a strict application compiles against the package', (t) => {
  assert.deepEqual(compile(t, program), []);
});

test('wrong uses do not compile', (t) => {
  const wrong = [
    "doc.set('title', 5);",
    "doc.set('titel', 'x');",
    "doc.get('titel');",
    "doc.update({ titel: 'x' });",
    'tags.add(5);',
    "kit.on('errors', () => {});",
    "doc.text('t').insert('x', 0);",
  ];
  const output = compile(t, program + wrong.join('\n'));
  const lines = new Set(output.map((line) => Number(/^app\.ts\((\d+)\)/.exec(line)?.[1])));
  const first = program.split('\n').length;
  assert.deepEqual(
    [...lines].sort((a, b) => a - b),
    wrong.map((_, i) => first + i),
    output.join('\n'),
  );
});
