import { createHash } from 'node:crypto';
import type { ApplyResult, Route } from '../../../ports/reverse-proxy.ts';
import { checkRoutes } from '../route-check.ts';
import type { Change, Seen } from './machine.ts';
import { type Desired, fileOf, problemWithName, readHead } from './render.ts';
import type { SharedText } from './shared-text.ts';

export const sumOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What is known of the folder from having written it, or having found it as it should be: sums by file name. */
export type Trusted = ReadonlyMap<string, string>;

/** Whether a file of the folder is the platform's, also when somebody took its first line out. */
export function isOurs(name: string, seen: Seen, trusted: Trusted): boolean {
  return trusted.has(name) || readHead(seen.heads.get(name) ?? '') !== null;
}

/** Which routes can be live together with what else is on the machine; the others with the reason. */
export function acceptRoutes(
  routes: readonly Route[],
  seen: Seen,
  around: {
    trusted: Trusted;
    /** Ports on which NGINX listens for the platform's routes. */
    own: ReadonlySet<number>;
    controlPort: number;
    confDir: string;
    /** How many ports leave NGINX room for connections, and what to say of those beyond. */
    most: { ports: number; sentence: string };
  },
): { accepted: Route[]; rejected: ApplyResult['rejected'] } {
  const { accepted, rejected } = checkRoutes(routes);
  const problem = (route: Route): string | null => {
    const named = problemWithName(route.name);
    if (named !== null) return named;
    if (seen.names.includes(fileOf(route)) && !isOurs(fileOf(route), seen, around.trusted)) {
      return `${around.confDir}/${fileOf(route)} is somebody else’s file`;
    }
    return null;
  };
  const portProblem = ({ publicPort }: Route): string | null => {
    if (publicPort === around.controlPort) return `port ${publicPort} is the platform’s own way to NGINX`;
    if (seen.listening.has(publicPort) && !around.own.has(publicPort)) {
      return `port ${publicPort} is taken by another program`;
    }
    return null;
  };
  const setAside = (route: Route, reason: string | null, portTaken = false): boolean => {
    if (reason !== null) rejected.push({ name: route.name, reason, portTaken });
    return reason === null;
  };
  const possible = accepted.filter(
    (route) => setAside(route, problem(route)) && setAside(route, portProblem(route), true),
  );
  // Those that are live come first.
  let room = around.most.ports - possible.filter((route) => around.own.has(route.publicPort)).length;
  const roomFor = ({ publicPort }: Route): boolean => around.own.has(publicPort) || room-- > 0;
  return {
    accepted: possible.filter((route) => setAside(route, roomFor(route) ? null : around.most.sentence)),
    rejected,
  };
}

/** The ports of the platform's files that are there. */
export function portsOnDisk(seen: Seen): Set<number> {
  const heads = [...seen.heads.values()].map((line) => readHead(line)?.port ?? null);
  return new Set(heads.filter((port) => port !== null));
}

export interface Difference extends Omit<Change, 'check'> {
  /** Files that are not as they were last put, with what somebody did to them. */
  tampered: { file: string; how: 'edited' | 'deleted' }[];
  /** True when somebody may have had NGINX read other files than those that were put. */
  unsure: boolean;
}

/** What is to be done to the folder so that it holds exactly what is desired, besides others' files. */
export function difference(desired: Desired, shared: SharedText, seen: Seen, trusted: Trusted): Difference {
  const files = new Map<string, string>();
  const tampered: Difference['tampered'] = [];
  let unsure = false;
  for (const [name, text] of desired.files) {
    const present = seen.sums.get(name);
    if (present === sumOf(text)) continue;
    files.set(name, text);
    const before = trusted.get(name);
    if (present !== before) unsure = true;
    if (before !== undefined && present === undefined) tampered.push({ file: name, how: 'deleted' });
    else if (present !== undefined && (before === undefined ? sameHead(seen, name, text) : present !== before)) {
      tampered.push({ file: name, how: 'edited' });
    }
  }
  const extra = new Map<string, string>();
  for (const [name, text] of shared.files) {
    const present = seen.sums.get(`.avishkar/${name}`);
    if (present === sumOf(text)) continue;
    extra.set(name, text);
    if (present !== undefined || trusted.has(`.avishkar/${name}`)) {
      unsure = true;
      tampered.push({ file: `.avishkar/${name}`, how: present === undefined ? 'deleted' : 'edited' });
    }
  }
  const removed = seen.names.filter((name) => isOurs(name, seen, trusted) && !desired.files.has(name));
  const replaced = [...files.keys(), ...removed].filter((name) => seen.names.includes(name));
  return { files, shared: extra, removed, replaced, tampered, unsure };
}

/** A file whose first line is that of the text, but that is not the text: somebody changed the rest. */
function sameHead(seen: Seen, name: string, text: string): boolean {
  return seen.heads.get(name) === text.slice(0, text.indexOf('\n'));
}

export function isEmpty(change: Omit<Change, 'check'>): boolean {
  return change.files.size === 0 && change.removed.length === 0 && change.shared.size === 0;
}

/** Paths of all files as they will be, in the order in which NGINX reads them. `staged`: those to be tested from where they wait. */
export function filesToTest(
  seen: Seen,
  confDir: string,
  staged: Iterable<string>,
  without: Iterable<string>,
  only: (name: string) => boolean = () => true,
): string[] {
  const waiting = new Set(staged);
  const gone = new Set(without);
  return [...new Set([...seen.names, ...waiting])]
    .filter((name) => (waiting.has(name) || !gone.has(name)) && only(name))
    .sort()
    .map((name) => (waiting.has(name) ? `${confDir}/.avishkar/stage/new/${name}` : `${confDir}/${name}`));
}
