import { createHash } from 'node:crypto';
import type { OperatorFile, Replica } from './operator-scripts.ts';

/* What there is for operators on a machine, against what there should be. Pure. */

/**
 * A script; its arguments are the folder of all instances' folders, and the name of the file that makes one the
 * platform's. Says of each of these what is in it, a line each. What is told to apps stays where it is.
 */
export const LOOK = `sum() { if [ -f "$1" ]; then sha256sum < "$1" | cut -d ' ' -f 1; fi; }
for mark in "$1"/*/"$2"; do
  if [ ! -f "$mark" ]; then continue; fi
  folder=\${mark%/*}
  name=\${folder##*/}
  if [ -f "$folder/$name.env" ]; then env=told; else env=; fi
  scripts="$(sum "$folder/\${name}_start.sh") $(sum "$folder/\${name}_end.sh")"
  printf '%s\\t%s\\t%s\\t%s\\n' "$name" "$(cat "$mark")" "$env" "$scripts"
done`;

/** What `LOOK` says of an instance that has all it should have. */
export function lookOf(instance: string, image: string, scripts: readonly OperatorFile[]): string {
  const sums = scripts.map(({ text }) => createHash('sha256').update(text).digest('hex'));
  return [instance, image, 'told', sums.join(' ')].join('\t');
}

/**
 * The instances whose files are to be written anew, or removed. Settings need no look inside: the scripts name what the
 * replicas were made of, and are written after them.
 */
export function outdated(looked: string, wanted: ReadonlyMap<string, string>): string[] {
  const there = new Map(looked.split('\n').flatMap((line) => (line === '' ? [] : [[nameOf(line), line] as const])));
  const names = new Set([...wanted.keys(), ...there.keys()]);
  return [...names].filter((name) => there.get(name) !== wanted.get(name));
}

function nameOf(line: string): string {
  return line.split('\t')[0] ?? '';
}

/** By instance, the replicas of its newest generation, the first one first. */
export function newestOf(replicas: readonly Replica[]): Map<string, Replica[]> {
  const newest = new Map<string, Replica[]>();
  for (const [instance, all] of Map.groupBy(replicas, ({ container }) => container.instance)) {
    const generation = Math.max(...all.map(({ container }) => container.generation));
    const its = all.filter(({ container }) => container.generation === generation);
    newest.set(
      instance,
      its.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true })),
    );
  }
  return newest;
}
