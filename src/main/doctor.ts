import { access, constants, readdir, readFile, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Check } from '../domain/check.ts';
import { messageOf } from '../domain/errors.ts';
import { withDeadline } from '../kernel/deadline.ts';
import type { Clock } from '../ports/clock.ts';
import type { Host } from '../ports/host.ts';

const GIB = 1024 ** 3;
/** Below this an install of some size fails. */
const LITTLE_SPACE = 1 * GIB;
const FEW_FILES = 4096;
const TOOL_DEADLINE_MS = 10_000;

/**
 * What can be seen of a platform from its home and its machine, whether it runs or not.
 *
 * @param host where apps are processes; null where they are in Docker, which brings its own tools
 */
export async function examine(home: string, host: Host | null, clock: Clock): Promise<Check[]> {
  const looks: [string, () => Promise<Check | Check[]>][] = [
    ['home', () => homeIsWritable(home)],
    ['disk', () => diskHasSpace(home)],
    ['keys', () => keysArePrivate(home)],
    ['databases', () => databasesAreWhole(home)],
    ['open files', openFiles],
    ['runtimes', async () => (host ? runtimes(host, clock) : [])],
  ];
  const found: Check[] = [];
  for (const [name, look] of looks) {
    try {
      found.push(...[await look()].flat());
    } catch (error) {
      found.push({ name, status: 'failed', detail: messageOf(error) });
    }
  }
  return found;
}

async function homeIsWritable(home: string): Promise<Check> {
  try {
    await access(home, constants.W_OK);
    return { name: 'home', status: 'ok', detail: `${home} can be written` };
  } catch (error) {
    const detail = `${home} cannot be written: ${messageOf(error)}`;
    return { name: 'home', status: 'failed', detail, remedy: 'choose another folder with --home, or mend its rights' };
  }
}

async function diskHasSpace(home: string): Promise<Check> {
  const { bavail, blocks, bsize } = await statfs(home);
  const free = bavail * bsize;
  const percent = Math.round((100 * bavail) / Math.max(blocks, 1));
  const detail = `${(free / GIB).toFixed(1)} GiB (${percent} %) are free below ${home}`;
  if (free >= LITTLE_SPACE && percent >= 5) return { name: 'disk', status: 'ok', detail };
  const remedy = 'make room: delete versions with `avishkar apps rm`, or move the home to a larger disk';
  return { name: 'disk', status: free < LITTLE_SPACE / 10 ? 'failed' : 'warning', detail, remedy };
}

async function keysArePrivate(home: string): Promise<Check> {
  const folder = join(home, 'keys');
  const open: string[] = [];
  for (const name of ['', ...(await readdir(folder))]) {
    const { mode } = await stat(join(folder, name));
    if ((mode & 0o077) !== 0) open.push(join(folder, name));
  }
  if (open.length === 0) return { name: 'keys', status: 'ok', detail: 'only their owner can read the keys' };
  return {
    name: 'keys',
    status: 'failed',
    detail: `others can read ${open.join(', ')}`,
    remedy: `chmod -R go= ${folder}`,
  };
}

async function databasesAreWhole(home: string): Promise<Check> {
  const folder = join(home, 'state');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.db'));
  const damaged: string[] = [];
  for (const name of names) {
    const wrong = whatIsWrong(join(folder, name));
    if (wrong !== null) damaged.push(`${name}: ${wrong}`);
  }
  if (damaged.length === 0) return { name: 'databases', status: 'ok', detail: `${names.length} databases are whole` };
  return {
    name: 'databases',
    status: 'failed',
    detail: damaged.join('; '),
    remedy: 'restore a backup: avishkar restore FILE --home DIR --replace',
  };
}

function whatIsWrong(file: string): string | null {
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
    const [first] = db.prepare('PRAGMA quick_check(1)').all();
    return first?.quick_check === 'ok' ? null : String(first?.quick_check);
  } catch (error) {
    return messageOf(error);
  } finally {
    db?.close();
  }
}

async function openFiles(): Promise<Check> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  const detail = `${soft} files may be open at once`;
  if (soft === 'unlimited' || Number(soft) >= FEW_FILES) return { name: 'open files', status: 'ok', detail };
  const remedy = `raise it to ${FEW_FILES} or more (ulimit -n, LimitNOFILE): every connection to an app takes two`;
  return { name: 'open files', status: 'warning', detail, remedy };
}

const TOOLS: { name: string; argv: [string, ...string[]]; remedy: string }[] = [
  {
    name: 'node apps',
    argv: ['npm', '--version'],
    remedy: 'install npm: without it, node apps cannot have dependencies',
  },
  {
    name: 'python apps',
    argv: ['python3', '-c', 'import venv, ensurepip, sys; print("Python", sys.version.split()[0])'],
    remedy: 'install Python with venv and ensurepip (Debian: apt-get install python3-venv)',
  },
];

async function runtimes(host: Host, clock: Clock): Promise<Check[]> {
  return Promise.all(
    TOOLS.map(async ({ name, argv, remedy }): Promise<Check> => {
      try {
        const { exitCode, stdout, stderr } = await withDeadline(clock, TOOL_DEADLINE_MS, argv[0], (signal) =>
          host.run(argv, { signal }),
        );
        if (exitCode === 0) return { name, status: 'ok', detail: `${argv[0]} is there: ${stdout.trim()}` };
        const detail = `${argv[0]} does not work: ${stderr.trim().split('\n').at(-1)}`;
        return { name, status: 'warning', detail, remedy };
      } catch (error) {
        return { name, status: 'warning', detail: messageOf(error), remedy };
      }
    }),
  );
}
