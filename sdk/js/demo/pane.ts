// One pane: a replica of its own (own database, own connection) and everything that shows it.

import { undoManager, type UndoManager } from '../src/full.js';
import { SyncKit, type Document, type Peer } from '../src/index.js';
import { Editor, type Here } from './editor.js';

interface Todo {
  title: string;
  at: number;
}

const names: Record<string, readonly string[]> = {
  left: ['Ada', 'Edsger', 'Hedy', 'Alan', 'Radia', 'Tony'],
  right: ['Grace', 'Barbara', 'Leslie', 'Niklaus', 'Frances', 'Donald'],
};
const shades = ['#2b6cb0', '#b0562b', '#7a4fb5', '#13795b', '#b03a63', '#84690b'];
const todoPrefix = 'todo ';

const find = <E extends Element>(root: ParentNode, selector: string): E =>
  root.querySelector<E>(selector)!;

/** A number from a replica's id, to pick a name and a colour by. */
const pick = (replica: string, salt: number): number => parseInt(replica.slice(-6), 16) + salt;

export class Pane {
  readonly kit: SyncKit;
  readonly document: Document;
  /** Called with the document's seq after own edits, and when own edits became durable. */
  edited: (seq: number) => void = () => {};
  durable: (seq: number) => void = () => {};
  changed: () => void = () => {};

  private readonly root: HTMLElement;
  private readonly me: Here;
  private readonly editor: Editor;
  private readonly done;
  private readonly likes;
  private history: UndoManager | undefined; // once the document is ready

  static async open(side: 'left' | 'right', id: string): Promise<Pane> {
    const kit = await SyncKit.open({
      url: 'sync',
      name: `demo-${side}`,
      wasm: new URL('core-full.wasm', import.meta.url),
    });
    return new Pane(side, kit, id);
  }

  private constructor(side: 'left' | 'right', kit: SyncKit, id: string) {
    this.kit = kit;
    this.document = kit.document(id);
    this.done = this.document.set<string>('done');
    this.likes = this.document.counter('count');
    const template = find<HTMLTemplateElement>(document, '#pane');
    const copy = template.content.cloneNode(true) as DocumentFragment;
    this.root = find(copy, '.pane');
    this.root.id = side;
    const list = names[side]!;
    const salt = side == 'left' ? 0 : 1;
    this.me = {
      name: list[pick(kit.replica, 0) % list.length]!,
      color: shades[(2 * pick(kit.replica, 0) + salt) % shades.length]!,
    };
    this.root.style.setProperty('--me', this.me.color);
    find(this.root, 'h2').textContent = this.me.name;
    find(this.root, '.avatar.me').textContent = this.me.name[0]!;
    this.root.setAttribute('aria-label', `Replica of ${this.me.name}`);
    find(document, '#panes').append(copy);

    const area = find<HTMLTextAreaElement>(this.root, 'textarea');
    area.id = `${side}-note`;
    find<HTMLLabelElement>(this.root, '.editor label').htmlFor = area.id;
    this.editor = new Editor(
      this.document,
      area,
      find(this.root, '.mirror'),
      (caret) => this.tell(caret),
      (redo) => this.undo(redo),
      (error) => this.problem(error),
    );
    this.listen();
    this.controls();
    void this.start();
  }

  private async start(): Promise<void> {
    await this.document.ready;
    this.history = undoManager(this.document);
    this.editor.ready();
    for (const control of this.root.querySelectorAll<HTMLInputElement>('[disabled]')) {
      control.disabled = false;
    }
    this.tell();
    this.render();
  }

  private listen(): void {
    const { document: doc, kit } = this;
    const badge = find<HTMLElement>(this.root, '.badge');
    const status = (): void => {
      badge.textContent = badge.dataset['status'] = doc.status;
      this.changed();
    };
    doc.on('status', status);
    status();
    for (const source of [doc, this.done, this.likes]) {
      source.subscribe((_: unknown, { local }) => this.told(local));
    }
    doc.text('note').subscribe((_, { local }) => this.told(local));
    doc.presence.subscribe(() => this.peers());
    doc.on('change', ({ state, seq }) => {
      if (state == 'durable') this.durable(seq);
      this.waiting();
    });
    kit.on('error', (error) => this.problem(error));
    kit.on('rejected', ({ error }) => this.problem(error));
  }

  private told(local: boolean): void {
    if (local) this.edited(this.document.seq);
    this.render();
  }

  private controls(): void {
    const toggle = find<HTMLInputElement>(this.root, '.switch input');
    toggle.addEventListener('change', () => {
      if (toggle.checked) this.kit.goOnline();
      else this.kit.goOffline();
    });
    const form = find<HTMLFormElement>(this.root, 'form');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const input = find<HTMLInputElement>(form, 'input');
      const title = input.value.trim();
      if (!title) return;
      const todo = { title, at: Date.now() };
      this.attempt(() => this.document.set([todoPrefix + crypto.randomUUID()], { ...todo }));
      input.value = '';
    });
    const step = (selector: string, by: number): void =>
      find(this.root, selector).addEventListener('click', () =>
        this.attempt(() => this.likes.increment(by)),
      );
    step('.plus', 1);
    step('.minus', -1);
    find(this.root, '.undo').addEventListener('click', () => this.undo(false));
    find(this.root, '.redo').addEventListener('click', () => this.undo(true));
  }

  private undo(redo: boolean): void {
    const { history } = this;
    this.attempt(() => history && (redo ? history.redo() : history.undo()));
    this.render();
  }

  private attempt(edit: () => unknown): void {
    try {
      edit();
    } catch (error) {
      this.problem(error);
    }
  }

  private tell(caret?: Here['caret']): void {
    if (!this.root.querySelector('textarea:enabled')) return;
    this.document.presence.set({ ...this.me, ...(caret && { caret }) });
  }

  private peers(): void {
    const peers = this.document.presence.get() as readonly Peer<unknown>[] as readonly Peer<Here>[];
    const shown = peers.filter(({ state }) => typeof state?.name == 'string');
    const items = shown.map(({ state }) => {
      const item = document.createElement('li');
      const avatar = document.createElement('span');
      avatar.className = 'avatar';
      avatar.style.setProperty('--who', state.color);
      avatar.textContent = state.name.slice(0, 1);
      avatar.title = state.name;
      avatar.role = 'img';
      avatar.ariaLabel = state.name;
      item.append(avatar);
      return item;
    });
    find(this.root, '.peers').replaceChildren(...items);
    this.editor.show(shown);
  }

  private waiting(): void {
    const { pending } = this.document;
    const line = find<HTMLElement>(this.root, '.queue');
    find<HTMLOutputElement>(line, 'output').value = String(pending);
    line.dataset['waiting'] = String(pending > 0 && this.document.status != 'synced');
  }

  private render(): void {
    find<HTMLOutputElement>(this.root, '.counter output').value = String(this.likes.value);
    find<HTMLButtonElement>(this.root, '.undo').disabled = !this.history?.undoable;
    find<HTMLButtonElement>(this.root, '.redo').disabled = !this.history?.redoable;
    this.todos();
    this.waiting();
    this.changed();
  }

  private todos(): void {
    const list = find<HTMLElement>(this.root, '.todos ul');
    const focus = (document.activeElement as HTMLElement | null)?.dataset['key'];
    const map = this.document.get() as Record<string, unknown>;
    const todos = Object.entries(map).filter(
      (entry): entry is [string, Todo] =>
        entry[0].startsWith(todoPrefix) && typeof (entry[1] as Todo)?.title == 'string',
    );
    todos.sort(([k, a], [l, b]) => a.at - b.at || (k < l ? -1 : 1));
    const items = todos.map(([key, { title }]) => this.todo(key, title));
    if (!items.length) {
      const empty = document.createElement('li');
      empty.className = 'empty';
      empty.textContent = 'Nothing yet';
      items.push(empty);
    }
    list.replaceChildren(...items);
    if (focus) list.querySelector<HTMLElement>(`[data-key="${CSS.escape(focus)}"]`)?.focus();
  }

  private todo(key: string, title: string): HTMLLIElement {
    const item = document.createElement('li');
    const label = document.createElement('label');
    const box = document.createElement('input');
    const text = document.createElement('span');
    const remove = document.createElement('button');
    const done = this.done.has(key);
    item.dataset['done'] = String(done);
    box.type = 'checkbox';
    box.checked = done;
    box.dataset['key'] = `${key} done`;
    box.addEventListener('change', () =>
      this.attempt(() => (box.checked ? this.done.add(key) : this.done.delete(key))),
    );
    text.textContent = title;
    remove.type = 'button';
    remove.textContent = '×';
    remove.ariaLabel = `Remove ${title}`;
    remove.dataset['key'] = `${key} remove`;
    remove.addEventListener('click', () =>
      this.attempt(() =>
        this.document.transact(() => {
          this.document.delete([key]);
          this.done.delete(key);
        }),
      ),
    );
    label.append(box, text);
    item.append(label, remove);
    return item;
  }

  private problem(error: unknown): void {
    const line = find<HTMLElement>(this.root, '.problem');
    line.textContent = error instanceof Error ? error.message : String(error);
    line.hidden = false;
  }
}
