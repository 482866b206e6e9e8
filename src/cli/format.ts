import { stripVTControlCharacters, styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Colours only where a person looks and has not declined (https://no-color.org). */
export function painter(stream: { isTTY?: boolean }, env: Record<string, string | undefined>) {
  const coloured = stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  return (style: Style, text: string): string => (coloured ? styleText(style, text, { validateStream: false }) : text);
}
export type Paint = ReturnType<typeof painter>;

/** Columns as wide as their widest cell, two spaces apart; the last one as long as it is. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
      .join('  ')
      .trimEnd();
  return [paint('dim', line(head)), ...rows.map(line)].map((text) => `${text}\n`).join('');
}

function width(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

const UNITS: [seconds: number, name: string][] = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'min'],
];

/** `just now`, `42 s ago`, `3 min ago`, `1 hour ago`, `12 days ago`. */
export function ago(iso: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(iso)) / 1000));
  if (Number.isNaN(seconds)) return iso;
  if (seconds < 2) return 'just now';
  for (const [size, name] of UNITS) {
    if (seconds < size) continue;
    const count = Math.floor(seconds / size);
    return `${count} ${name}${count === 1 || name === 'min' ? '' : 's'} ago`;
  }
  return `${seconds} s ago`;
}

/** `512 B`, `14.2 kB`, `3.1 MB`. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const BLOCKS = '▁▂▃▄▅▆▇█';

/** A small curve in Unicode blocks: one for each part of the time, the highest value of it; a space where there is none. */
export function sparkline(
  points: readonly (readonly [at: number, value: number])[],
  { from, to, width, highest }: { from: number; to: number; width: number; highest: number },
): string {
  const cells: (number | null)[] = Array.from({ length: width }, () => null);
  for (const [at, value] of points) {
    const cell = Math.min(width - 1, Math.max(0, Math.floor(((at - from) / (to - from)) * width)));
    cells[cell] = Math.max(cells[cell] ?? 0, value);
  }
  const top = BLOCKS.length - 1;
  return cells
    .map((value) => (value === null ? ' ' : BLOCKS[highest > 0 ? Math.round((value / highest) * top) : 0]))
    .join('');
}

/** Time of day in this machine's zone, `14:03:09`. */
export function timeOfDay(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : date.toTimeString().slice(0, 8);
}

/** A line that an app printed, with nothing in it that a terminal would obey; its colours stay where colours are shown. */
export function printable(line: string, colours: boolean): string {
  const marked = colours ? line : stripVTControlCharacters(line);
  let out = '';
  for (const part of marked.split(SGR)) out += SGR_ONLY.test(part) ? part : part.replace(CONTROL, '');
  return out.includes(ESCAPE) ? `${out}${ESCAPE}[0m` : out;
}

const ESCAPE = String.fromCharCode(27);
/** "Select graphic rendition": colours and the like. */
const SGR = new RegExp(`(${ESCAPE}\\[[0-9;]*m)`);
const SGR_ONLY = new RegExp(`^${ESCAPE}\\[[0-9;]*m$`);
const CONTROL = /(?!\t)\p{Cc}/gu;
