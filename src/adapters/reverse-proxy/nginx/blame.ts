import type { Route } from '../../../ports/reverse-proxy.ts';
import { lacksLua, type Refusal, readRefusal } from './refusal.ts';
import { fileOf } from './render.ts';

/** Whom a refusal of NGINX's is about. */
export type Verdict =
  | { kind: 'routes'; bad: ReadonlyMap<Route, string> }
  /** Somebody else's file, or the main file. */
  | { kind: 'foreign'; sentence: string }
  /** The module that the files count on is gone. */
  | { kind: 'no lua' }
  /** The platform's own, though no route is to blame. */
  | { kind: 'own'; sentence: string };

export interface Trial {
  /** What NGINX said about all together. */
  refusal: string;
  /** Routes whose files are new or changed. */
  changed: readonly Route[];
  /** Those of them that are not live yet. */
  fresh: ReadonlySet<Route>;
  confDir: string;
  mainFile: string;
  /** Tests these of the changed ones with what is there. `alone`: without what others have put there. */
  test: (some: readonly Route[], alone: boolean) => Promise<string | null>;
}

/** Finds out whose fault it is, by NGINX's words where they are clear, else by trying. */
export async function findCulprit(trial: Trial): Promise<Verdict> {
  const { refusal, changed, confDir, test } = trial;
  if (lacksLua(refusal)) return { kind: 'no lua' };
  const found = readRefusal(refusal, confDir);
  const surplus = found.surplus > 0 ? changed.filter((route) => trial.fresh.has(route)).slice(-found.surplus) : [];
  if (surplus.length > 0) {
    const reason = `${found.sentence}: raise worker_connections in ${trial.mainFile}`;
    return { kind: 'routes', bad: new Map(surplus.map((route) => [route, reason])) };
  }
  const sentence = (text: string): string => readRefusal(text, confDir).sentence;
  const named = changed.find((route) => found.file === `${confDir}/${fileOf(route)}`);
  // Named, and wrong also without what others have put there: its own fault.
  if (named && (await test([named], true)) !== null) {
    return { kind: 'routes', bad: new Map([[named, found.sentence]]) };
  }
  const foreign = await test([], false);
  const bad = await findBad(changed, (some) => test(some, foreign !== null));
  if (bad.length > 0) {
    return { kind: 'routes', bad: new Map(bad.map((each) => [each.candidate, sentence(each.refusal)])) };
  }
  if (foreign === null) return { kind: 'own', sentence: found.sentence };
  return { kind: 'foreign', sentence: sentence(foreign) };
}

/** The port that NGINX could not get, if that is what it says. */
export function takenPort({ sentence }: Refusal): number | null {
  const match = /^bind\(\) to \S+:(\d+) failed \(\d+: Address already in use\)/.exec(sentence);
  return match ? Number(match[1]) : null;
}

/**
 * Which of the candidates cannot be taken. `test` resolves with null when those, and what is there without them, are good
 * together. Asks about two times the logarithm of their number for each bad one.
 */
export async function findBad<T>(
  candidates: readonly T[],
  test: (some: readonly T[]) => Promise<string | null>,
): Promise<{ candidate: T; refusal: string }[]> {
  const good: T[] = [];
  const bad: { candidate: T; refusal: string }[] = [];
  const sort = async (group: readonly T[], refusal: string | null): Promise<void> => {
    if (refusal === null) {
      good.push(...group);
      return;
    }
    const [first] = group;
    if (first === undefined) return;
    if (group.length === 1) {
      bad.push({ candidate: first, refusal });
      return;
    }
    const half = Math.ceil(group.length / 2);
    for (const part of [group.slice(0, half), group.slice(half)]) await sort(part, await test([...good, ...part]));
  };
  if (candidates.length > 0) await sort(candidates, await test(candidates));
  return bad;
}
