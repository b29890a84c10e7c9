// A textarea on a shared text: local typing becomes one splice, remote edits keep the caret, and
// others' carets and selections are drawn over it.
//
// While an input method composes, remote edits wait: changing the value would end the composition.

import { makeAnchor, resolveAnchor } from '../src/full.js';
import { moveCaret, type Document, type Peer, type TextOp } from '../src/index.js';

/** What a pane tells the others about itself. */
export interface Here {
  name: string;
  color: string;
  /** Anchors of the selection in the note; absent before the editor was used. */
  caret?: { start: number[]; end: number[] };
}

export class Editor {
  private composing = false;
  /** What the textarea showed after the last change of either side. */
  private shown = '';
  private waiting: (readonly TextOp[])[] = [];
  private peers: readonly Peer<Here>[] = [];
  private readonly text;

  constructor(
    private readonly document: Document,
    private readonly area: HTMLTextAreaElement,
    private readonly mirror: HTMLElement,
    private readonly moved: (caret: Here['caret']) => void,
    undo: (redo: boolean) => void,
    private readonly failed: (error: unknown) => void,
  ) {
    this.text = document.text('note');
    this.text.subscribe((ops, { local }) => local || this.remote(ops));
    area.addEventListener('input', () => this.composing || this.input());
    area.addEventListener('compositionstart', () => (this.composing = true));
    area.addEventListener('compositionend', () => {
      this.composing = false;
      this.input();
    });
    // The browser's own undo knows nothing of what others have written meanwhile.
    area.addEventListener('beforeinput', (event) => {
      if (!event.inputType.startsWith('history')) return;
      event.preventDefault();
      undo(event.inputType == 'historyRedo');
    });
    area.addEventListener('keydown', (event) => {
      const key = event.key.toLowerCase();
      if (!(event.ctrlKey || event.metaKey) || event.altKey || (key != 'z' && key != 'y')) return;
      event.preventDefault();
      undo(key == 'y' || event.shiftKey);
    });
    area.addEventListener('scroll', () => this.scroll());
    for (const event of ['focus', 'keyup', 'pointerup', 'select'] as const) {
      area.addEventListener(event, () => this.tell());
    }
    new ResizeObserver(() => this.scroll()).observe(area);
  }

  /** The document can be edited from now on. */
  ready(): void {
    this.shown = this.area.value = this.text.toString();
    this.area.disabled = false;
  }

  private input(): void {
    const { area } = this;
    // What others did meanwhile is not in the textarea yet: undo it here, edit, and move along.
    const waiting = this.waiting.splice(0);
    const at = area.selectionEnd;
    try {
      if (!waiting.length) this.text.replace(area.value, at);
      else this.merge(waiting, at);
      this.shown = area.value;
    } catch (error) {
      this.failed(error);
      this.shown = area.value = this.text.toString();
    }
    this.tell();
    this.draw();
  }

  /** A composition ended after remote edits: the local splice moves to where its place is now. */
  private merge(waiting: (readonly TextOp[])[], caret: number): void {
    const { area, shown } = this;
    const value = area.value;
    let head = 0;
    while (head < Math.min(shown.length, caret) && shown[head] === value[head]) head++;
    const tail = Math.min(value.length - caret, shown.length - head);
    const move = (position: number): number => waiting.reduce(moveCaret, position);
    const from = move(head);
    const to = Math.max(from, move(shown.length - tail));
    this.text.splice(from, to - from, value.slice(head, value.length - tail));
    area.value = this.text.toString();
    const end = from + value.length - tail - head;
    area.setSelectionRange(end, end);
  }

  private remote(ops: readonly TextOp[]): void {
    if (this.composing) {
      this.waiting.push(ops);
      return;
    }
    const { area } = this;
    const { scrollTop } = area;
    // Op by op: the text of the document may be ahead, by changes that are told next.
    let at = 0;
    for (const op of ops) {
      if ('retain' in op) at += op.retain;
      else if ('delete' in op) area.setRangeText('', at, at + op.delete, 'preserve');
      else {
        area.setRangeText(op.insert, at, at, 'preserve');
        at += op.insert.length;
      }
    }
    this.shown = area.value;
    area.scrollTop = scrollTop;
    this.draw();
  }

  private tell(): void {
    // While an input method composes, the document does not have what the selection is in.
    if (this.composing) return;
    const { selectionStart, selectionEnd } = this.area;
    const mark = (position: number, side: 'left' | 'right'): number[] => [
      ...makeAnchor(this.document, 'note', position, side),
    ];
    try {
      this.moved({
        start: mark(selectionStart, selectionStart == selectionEnd ? 'left' : 'right'),
        end: mark(selectionEnd, 'left'),
      });
    } catch (error) {
      this.failed(error);
    }
  }
  /** Where an anchor of somebody else is; undefined when its character has not arrived yet. */
  private find(anchor: number[]): number | undefined {
    try {
      return resolveAnchor(this.document, 'note', Uint8Array.from(anchor)).position;
    } catch {
      return undefined;
    }
  }

  show(peers: readonly Peer<Here>[]): void {
    this.peers = peers;
    this.draw();
  }

  /** Lays the text out again, unseen, with marks where the others are. */
  private draw(): void {
    const text = this.area.value;
    const marks: { at: number; until: number; peer: Here }[] = [];
    for (const { state } of this.peers) {
      const at = state?.caret && this.find(state.caret.start);
      if (at === undefined) continue;
      const limit = (n: number): number => Math.min(n, text.length);
      marks.push({ at: limit(at), until: limit(this.find(state.caret!.end) ?? at), peer: state });
    }
    marks.sort((a, b) => a.at - b.at);
    const parts: Node[] = [];
    let done = 0;
    for (const { at, until, peer } of marks) {
      const from = Math.max(done, at);
      parts.push(new Text(text.slice(done, from)));
      const color = (element: HTMLElement): HTMLElement => {
        element.style.setProperty('--who', peer.color);
        return element;
      };
      const caret = color(document.createElement('span'));
      caret.className = text.lastIndexOf('\n', from - 1) < 0 ? 'caret first' : 'caret';
      caret.dataset['name'] = peer.name;
      if (until > from) {
        const selected = color(document.createElement('span'));
        selected.className = 'selected';
        selected.textContent = text.slice(from, until);
        parts.push(selected);
      }
      parts.push(caret);
      done = Math.max(from, until);
    }
    parts.push(new Text(text.slice(done) + '\n'));
    this.mirror.replaceChildren(...parts);
    this.scroll();
  }

  private scroll(): void {
    const { area, mirror } = this;
    // Without the width of the scroll bar, lines would break elsewhere.
    mirror.style.width = `${area.clientWidth + 2}px`;
    mirror.style.translate = `0 ${-area.scrollTop}px`;
  }
}
