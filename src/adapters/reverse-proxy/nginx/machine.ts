import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { AvkError } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Host } from '../../../ports/host.ts';

/** What NGINX and its folder looked like at one moment. */
export interface Seen {
  /** NGINX's first process; null when it does not run. */
  master: number | null;
  /** Workers that take requests. */
  workers: number[];
  /** Of all files in the folder that NGINX reads. */
  names: string[];
  /** SHA-256 of each that may be read, by name; those of the platform's own folder by `.avishkar/NAME`. */
  sums: Map<string, string>;
  /** First lines by file name. */
  heads: Map<string, string>;
  /** Ports on which any program of the machine listens. */
  listening: Set<number>;
  /** Ports that any file of NGINX's but the shared one has it listen on, whether it has read that or not. */
  written: Set<number>;
  /** Hash of the main file and the list of modules. */
  main: string;
  /** Text of the shared file, empty without one. */
  shared: string;
}

export interface Facts {
  main: string;
  /** Hash of the main file and the list of modules; the same as `Seen.main`. */
  sum: string;
  /** What `nginx -V` prints; empty when there is no NGINX. */
  version: string;
}

/** A change of the folder. */
export interface Change {
  /** By name. */
  files: ReadonlyMap<string, string>;
  removed: readonly string[];
  /** Which of `files` are there already: kept until the change is known to be good. */
  replaced: readonly string[];
  /** Files of the platform's own folder; their names say what is in them. */
  shared: ReadonlyMap<string, string>;
  /** The main file to test it with. */
  check: string;
}

/** `not taken over`: NGINX goes on with what it had. `not put`: the test failed, and nothing was changed. */
export type Outcome = 'live' | 'refused' | 'not taken over' | 'not running' | 'not put';

export interface Changed {
  outcome: Outcome;
  /** NGINX's own words about the files, if they were tested and are bad; null otherwise. */
  refusal: string | null;
  /** What was printed by the reload or the start. */
  said: string;
}

export interface MachineOptions {
  host: Host;
  clock: Clock;
  confDir: string;
  mainFile: string;
  /** NGINX's program, e.g. `/usr/sbin/nginx`. */
  program: string;
}

/** Without its comments, as it is sent with each call. */
const SCRIPT = readFileSync(new URL('./machine.sh', import.meta.url), 'utf8').replace(/^\s*#.*\n/gm, '');
const LOOK_MS = 20_000;
const CHANGE_MS = 90_000;
/** Tries of 20 ms and more. NGINX itself tries for 2.5 s to get a port before it gives a change up. */
const LEAST_TRIES = 320;

/** Where the main file has NGINX write. */
export interface Place {
  pidFile: string;
  errorLog: string;
}

/** NGINX's machine, through its Host alone. */
export interface Machine {
  readonly name: string;
  /** Absolute path of the platform's own folder. */
  readonly folder: string;
  facts(): Promise<Facts>;
  look(at: Place): Promise<Seen>;
  /** Tests the change. Resolves with NGINX's words when it is bad, with null when it is good. */
  check(change: Change): Promise<string | null>;
  /** Puts the files in place, if NGINX would take them, and does what then is to be done. */
  change(change: Change, at: Place, then: 'reload' | 'start'): Promise<Changed>;
  /** Puts the files in place, whatever NGINX would say. */
  write(change: Omit<Change, 'check'>): Promise<void>;
  /** Undoes the last change of the folder. */
  revert(): Promise<void>;
  /** Which of these addresses, as the kernel writes them, NGINX's workers have a connection to. */
  connected(addresses: readonly string[], at: Place): Promise<Set<string>>;
  /** A signal that aborts after so many milliseconds; to be cancelled when the work is done. */
  within(ms: number): { signal: AbortSignal; cancel(): void };
}

export function createMachine(options: MachineOptions): Machine {
  const { host, clock, confDir, mainFile, program } = options;

  const within: Machine['within'] = (ms) => {
    const late = new AbortController();
    const timer = clock.after(ms, () =>
      late.abort(
        new AvkError('AVK_HOST_UNREACHABLE', `${host.name} did not do within ${ms / 1000} s what NGINX needs.`),
      ),
    );
    return { signal: late.signal, cancel: () => timer.cancel() };
  };

  async function call(
    verb: string,
    args: readonly string[],
    { pidFile = '', stdin, ms = LOOK_MS }: { pidFile?: string; stdin?: string; ms?: number } = {},
  ): Promise<Map<string, string>> {
    const deadline = within(ms);
    try {
      const { exitCode, stdout, stderr } = await host.run(
        ['sh', '-c', SCRIPT, 'avishkar', verb, confDir, mainFile, program, pidFile, ...args],
        { signal: deadline.signal, ...(stdin === undefined ? {} : { stdin }) },
      );
      if (exitCode !== 0) {
        // Not what was printed before, which may be the shared file with its token.
        const reason = stderr.trim().split('\n').at(-1) ?? '';
        throw new AvkError(
          'AVK_SERVICE_UNAVAILABLE',
          `NGINX on ${host.name} could not be cared for (${verb}): ${reason}`,
        );
      }
      return sections(stdout);
    } finally {
      deadline.cancel();
    }
  }

  return {
    name: host.name,
    folder: `${confDir}/.avishkar`,
    within,
    async facts() {
      const found = await call('facts', []);
      return {
        main: found.get('main') ?? '',
        sum: (found.get('sum') ?? '').slice(0, 64),
        version: (found.get('version') ?? '').trim(),
      };
    },
    look: async ({ pidFile }) => readSeen(await call('look', [], { pidFile })),
    check: async (change) =>
      refusalOf((await call('check', [], { stdin: await bundle(change), ms: CHANGE_MS })).get('check')),
    async change(change, { pidFile, errorLog }, then) {
      // Thousands of files take NGINX seconds to read.
      const tries = LEAST_TRIES + Math.ceil(change.check.length / 200);
      const options = { pidFile, stdin: await bundle(change), ms: CHANGE_MS };
      const found = await call('change', [then, String(tries), errorLog], options);
      const refusal = refusalOf(found.get('check'));
      const lines = (found.get(then) ?? '').trim().split('\n');
      return { outcome: refusal === null ? (lines.pop() as Outcome) : 'not put', refusal, said: lines.join('\n') };
    },
    async write(change) {
      await call('write', [], { stdin: await bundle({ ...change, check: '' }), ms: CHANGE_MS });
    },
    async revert() {
      await call('revert', [], { ms: CHANGE_MS });
    },
    async connected(addresses, { pidFile }) {
      const found = await call('connected', [addresses.join(' ')], { pidFile });
      return new Set((found.get('connected') ?? '').split('\n').filter(Boolean));
    },
  };
}

/** `\n== name\ntext…` as texts by name. */
export function sections(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of text.split('\n== ').slice(1)) {
    const end = part.indexOf('\n');
    found.set(part.slice(0, end), part.slice(end + 1));
  }
  return found;
}

function refusalOf(check: string | undefined): string | null {
  if (check === undefined) return null;
  const lines = check.trim().split('\n');
  return lines.pop() === 'exit 0' ? null : lines.join('\n') || 'NGINX could not test its files';
}

function readSeen(found: Map<string, string>): Seen {
  const lines = (name: string): string[] => (found.get(name) ?? '').split('\n').filter(Boolean);
  const master = Number(lines('master')[0] ?? 0);
  return {
    master: master > 0 ? master : null,
    workers: lines('workers').map(Number),
    names: lines('names'),
    sums: new Map(lines('sums').map((line) => [line.slice(66), line.slice(0, 64)])),
    heads: new Map(lines('heads').map((line) => line.split(/\t(.*)/s, 2) as [string, string])),
    listening: new Set(lines('listening').map((address) => Number.parseInt(address.split(':')[1] ?? '0', 16))),
    written: new Set(lines('written').flatMap(portWritten)),
    main: (found.get('main') ?? '').slice(0, 64),
    shared: found.get('shared') ?? '',
  };
}

/** `listen 80 default_server`, `listen [::]:443 ssl`; nothing of `listen unix:/run/site`. */
export function portWritten(directive: string): number[] {
  const port = /^listen\s+(?:\S+:)?(\d+)(?:\s|$)/.exec(directive)?.[1];
  return port === undefined ? [] : [Number(port)];
}

/** The change as a tar: one call puts any number of files. */
async function bundle(change: Change): Promise<string> {
  const tar = pack();
  const list = (names: readonly string[]): string => names.map((name) => `${name}\n`).join('');
  // Read by NGINX's first process, which is root, except for what its workers load themselves.
  for (const [name, text] of change.files) tar.entry({ name: `new/${name}`, mode: 0o640 }, text);
  for (const [name, text] of change.shared) tar.entry({ name: `shared/${name}`, mode: 0o644 }, text);
  tar.entry({ name: 'check.conf', mode: 0o640 }, change.check);
  tar.entry({ name: 'removed' }, list(change.removed));
  tar.entry({ name: 'replaced' }, list(change.replaced));
  tar.entry({ name: 'added' }, list([...change.files.keys()].filter((name) => !change.replaced.includes(name))));
  tar.finalize();
  // Text only, so this loses nothing.
  return (await buffer(tar)).toString('utf8');
}

/** An address and port as /proc/net/tcp has them. */
export function kernelAddress(ip: string, port: number): string {
  const bytes = ip.includes(':') ? ipv6Bytes(ip) : ip.split('.').map(Number);
  let hex = '';
  // Words in the machine's own byte order, which is little-endian wherever this runs.
  for (let word = 0; word < bytes.length; word += 4) {
    for (const byte of bytes.slice(word, word + 4).reverse()) hex += byte.toString(16).padStart(2, '0');
  }
  return `${hex}:${port.toString(16).padStart(4, '0')}`.toUpperCase();
}

function ipv6Bytes(ip: string): number[] {
  const [head = '', tail] = ip.split('::');
  const groups = (text: string): number[] =>
    text
      .split(':')
      .filter(Boolean)
      .flatMap((group) => {
        if (group.includes('.')) return group.split('.').map(Number);
        const value = Number.parseInt(group, 16);
        return [value >> 8, value & 255];
      });
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  return [...before, ...new Array<number>(16 - before.length - after.length).fill(0), ...after];
}
