import { cpus, totalmem } from 'node:os';

/** What many measurements of one thing come to. */
export interface Summary {
  samples: number;
  median: number;
  /** Null where too few samples were taken to speak of a tail: below 20 and below 100. */
  p95: number | null;
  p99: number | null;
  /** Null where only the median is known. */
  min: number | null;
  max: number | null;
}

export type Unit = 'ms' | 's' | 'MB' | '1/s' | '%';

/** One line of the table. */
export interface Figure {
  name: string;
  unit: Unit;
  ours: Summary;
  reference: { what: string; measured: Summary | null };
  /** From the product's table of numbers. `met` is null where the table names none. */
  target: { text: string; met: boolean | null };
  /** Medians, ours to the reference's. */
  ratio: number | null;
  notes: string[];
}

export interface Machine {
  cores: number;
  cpu: string;
  memoryMb: number;
  node: string;
  system: string;
}

const FEWEST_FOR_P95 = 20;
const FEWEST_FOR_P99 = 100;

export function summarize(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => round(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN);
  return {
    samples: sorted.length,
    median: round(median(sorted)),
    p95: sorted.length >= FEWEST_FOR_P95 ? at(0.95) : null,
    p99: sorted.length >= FEWEST_FOR_P99 ? at(0.99) : null,
    min: round(sorted[0] ?? Number.NaN),
    max: round(sorted.at(-1) ?? Number.NaN),
  };
}

export interface FigureParts {
  name: string;
  unit: Unit;
  ours: readonly number[] | Summary;
  /** Measured in the same run, or a sentence with what others published. */
  reference?: { what: string; measured?: readonly number[] | Summary };
  target?: { text: string; met: (ours: Summary, reference: Summary | null) => boolean };
  notes?: string[];
}

export function figure(parts: FigureParts): Figure {
  const ours = summaryOf(parts.ours);
  const measured = parts.reference?.measured ? summaryOf(parts.reference.measured) : null;
  return {
    name: parts.name,
    unit: parts.unit,
    ours,
    reference: { what: parts.reference?.what ?? '', measured },
    target: parts.target ? { text: parts.target.text, met: parts.target.met(ours, measured) } : { text: '', met: null },
    ratio: measured ? round(ours.median / measured.median) : null,
    notes: parts.notes ?? [],
  };
}

export function machine(): Machine {
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryMb: Math.round(totalmem() / 1024 ** 2),
    node: process.version,
    system: `${process.platform} ${process.arch}`,
  };
}

/** For people: a line for each figure, then the notes. */
export function table(figures: readonly Figure[]): string {
  const head = ['figure', 'unit', 'ours p50', 'p95', 'min … max', 'n', 'reference p50', 'p95', 'ratio', 'target', ''];
  const rows = figures.map((each) => {
    const { ours, reference, target } = each;
    return [
      each.name,
      each.unit,
      text(ours.median),
      text(ours.p95),
      ours.min === null ? '-' : `${text(ours.min)} … ${text(ours.max)}`,
      String(ours.samples),
      reference.measured ? text(reference.measured.median) : reference.what || '-',
      reference.measured ? text(reference.measured.p95) : '',
      text(each.ratio),
      target.text,
      { true: 'met', false: 'MISSED', null: '' }[String(target.met)] ?? '',
    ];
  });
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const sides = figures.filter(({ reference }) => reference.measured);
  return [
    line(head),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map(line),
    '',
    ...sides.map(({ name, reference }) => `${name}: the reference is ${reference.what}`),
    ...figures.flatMap(({ name, notes }) => notes.map((note) => `${name}: ${note}`)),
  ].join('\n');
}

function summaryOf(values: readonly number[] | Summary): Summary {
  return 'median' in values ? values : summarize(values);
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length / 2;
  if (Number.isInteger(middle)) return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
  return sorted[Math.floor(middle)] ?? Number.NaN;
}

/** Three decimals are more than any of this is good for. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function text(value: number | null): string {
  if (value === null || Number.isNaN(value)) return '-';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}
