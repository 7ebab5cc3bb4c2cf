/** One option of one section to be set in the text of a file. */
interface Edit {
  readonly section: string;
  readonly key: string;
  /** Without line breaks. */
  readonly value: string;
}

/** The kind of a line for the reader of the file (`parse-ini.ts` has the same rules). */
interface Line {
  readonly text: string;
  readonly kind: 'header' | 'option' | 'continuation' | 'comment' | 'blank';
  /** Section that it stands in; undefined before the first. */
  readonly section: string | undefined;
  readonly key?: string;
}

/**
 * Sets an option in the text of a configuration file and leaves everything else as it is, comments and blank lines included
 * (docs/reference/catalog.md section 14.4): its last line is replaced, with what continues it; a new one goes to the end of the section, a new section to
 * the end of the file. Every line has its newline, so that no two options are glued together.
 */
export function editIni(content: string, edit: Edit): string {
  const lines = linesOf(content);
  const assignment = `${edit.key} = ${edit.value}`.trimEnd();
  const own = lines.findLastIndex(({ section, key }) => section === edit.section && key === edit.key);
  if (own !== -1) return joined(replaced(lines, own, assignment));
  const last = lines.findLastIndex(({ section, kind }) => section === edit.section && kind !== 'blank' && kind !== 'comment');
  if (last === -1) return joined([...lines.map(({ text }) => text), `[${edit.section}]`, assignment]);
  const texts = lines.map(({ text }) => text);
  return joined([...texts.slice(0, last + 1), `${depthAfter(lines, last)}${assignment}`, ...texts.slice(last + 1)]);
}

/** How deep an option after a line has to stand: it must neither continue the one before, nor be continued by what follows. */
function depthAfter(lines: readonly Line[], last: number): string {
  const isPlaced = ({ kind }: Line) => kind === 'option' || kind === 'header';
  const before = lines.slice(0, last + 1).findLast(isPlaced);
  const own = indentOf(before?.text ?? '');
  if (before?.kind !== 'header') return own;
  const next = indentOf(lines.slice(last + 1).find(isPlaced)?.text ?? '');
  return next.length > own.length ? next : own;
}

function replaced(lines: readonly Line[], position: number, assignment: string): readonly string[] {
  let end = position + 1;
  for (let at = end; at < lines.length; at++) {
    const kind = lines[at]?.kind;
    if (kind === 'header' || kind === 'option') break;
    if (kind === 'continuation') end = at + 1;
  }
  const kept = lines.slice(position + 1, end).filter(({ kind }) => kind === 'comment');
  const texts = (some: readonly Line[]) => some.map(({ text }) => text);
  return [
    ...texts(lines.slice(0, position)),
    `${indentOf(lines[position]?.text ?? '')}${assignment}`,
    ...texts(kept),
    ...texts(lines.slice(end)),
  ];
}

function linesOf(content: string): readonly Line[] {
  const texts = content.split(/\r\n|\n|\r/);
  if (texts.at(-1) === '') texts.pop();
  const lines: Line[] = [];
  let [section, indent, isOpen] = [undefined as string | undefined, 0, false];
  for (const text of texts) {
    const words = text.replace(/^\uFEFF/, '').trim();
    if (words === '') lines.push({ text, kind: 'blank', section });
    else if (/^[#;]/.test(words)) lines.push({ text, kind: 'comment', section });
    else if (isOpen && indentOf(text).length > indent) lines.push({ text, kind: 'continuation', section });
    else {
      indent = indentOf(text).length;
      const header = /^\[(.+)\]/.exec(words)?.[1];
      section = header ?? section;
      isOpen = header === undefined;
      if (header !== undefined) lines.push({ text, kind: 'header', section });
      else lines.push({ text, kind: 'option', section, key: keyOf(words) });
    }
  }
  return lines;
}

function keyOf(words: string): string {
  return (/^(.*?)\s*[=:]/s.exec(words)?.[1] ?? words).trimEnd().toLowerCase();
}

function indentOf(text: string): string {
  return /^\s*/.exec(text)?.[0] ?? '';
}

function joined(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}
