import { get } from 'node:http';
import { z } from 'zod';
import type { Check } from '../../domain/check.ts';
import { AvkError, messageOf } from '../../domain/errors.ts';
import { DISK_LIMIT_PERCENT } from '../../domain/node.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CommandResult, Host } from '../../ports/host.ts';
import { balancerChecks } from './machine-check-balancer.ts';
import { failed, type Looking, ok, warning } from './machine-findings.ts';

export interface CheckOptions {
  host: Host;
  clock: Clock;
  servicePath: string;
  /** Only of the machine that NGINX runs on. `confDir`: the folder that apps’ routes are written to. */
  balancer?: { confDir: string };
}

const CHECK_MS = 15_000;
const DOCKER_SOCKET = '/var/run/docker.sock';
/** Docker 20.10 speaks it. */
const OLDEST_API = [1, 41] as const;
/** What the platform runs on machines, and the Debian packages that bring it. */
const PROGRAMS: Record<string, string> = {
  awk: 'mawk',
  cat: 'coreutils',
  cp: 'coreutils',
  cut: 'coreutils',
  date: 'coreutils',
  df: 'coreutils',
  find: 'findutils',
  grep: 'grep',
  gzip: 'gzip',
  id: 'coreutils',
  mkdir: 'coreutils',
  mv: 'coreutils',
  readlink: 'coreutils',
  rm: 'coreutils',
  sleep: 'coreutils',
  tar: 'tar',
  timeout: 'coreutils',
};
/** What is run besides where NGINX is. */
const PROGRAMS_OF_BALANCER: Record<string, string> = {
  dirname: 'coreutils',
  head: 'coreutils',
  ln: 'coreutils',
  ls: 'coreutils',
  sha256sum: 'coreutils',
  tail: 'coreutils',
  wc: 'coreutils',
  xargs: 'findutils',
};
/** What the scripts need that run an app by hand. */
const PROGRAMS_BY_HAND: Record<string, string> = { bash: 'bash', docker: 'docker.io' };
const CLOCK_WARNING_S = 2;
const CLOCK_LIMIT_S = 60;
const DISK_WARNING_PERCENT = DISK_LIMIT_PERCENT - 10;

/**
 * Looks at all that a machine needs, and says of each thing that is missing what to do about it. Changes nothing, but
 * for a file that is put into its /tmp and removed. Never throws: what could not be looked at has failed.
 */
export async function checkMachine({ host, clock, servicePath, balancer }: CheckOptions): Promise<Check[]> {
  const run = (argv: readonly [string, ...string[]]): Promise<CommandResult> =>
    withDeadline(clock, CHECK_MS, `${argv[0]} on ${host.name}`, (signal) => host.run(argv, { signal }));
  let user: string;
  try {
    user = (await run(['id', '-un'])).stdout.trim();
  } catch (error) {
    const remedy = `Look whether this works on the machine of the platform: ssh ${host.address}`;
    // What it was refused for says what to do itself.
    const told = error instanceof AvkError && error.code !== 'AVK_HOST_UNREACHABLE';
    return [{ name: 'ssh', status: 'failed', detail: messageOf(error), ...(told ? {} : { remedy }) }];
  }
  const looking: Looking = { host, user, run };
  const isOk = (name: string): boolean => checks.some((each) => each.name === name && each.status === 'ok');
  const checks: Check[] = [ok('ssh', `The platform is signed in to ${host.name} as ${user}.`)];
  const looks: [name: string, look: () => Promise<Check | Check[]>][] = [
    ['programs', () => programs(looking, balancer !== undefined)],
    ['files', () => files(looking, clock)],
    ['docker', () => docker(looking, clock)],
    ['disk', () => disk(looking, servicePath)],
    // Where Docker does not answer that was said already.
    ['docker disk', async () => (isOk('docker') ? dockerDisk(looking, clock, servicePath) : [])],
    ['clock', () => clocks(looking, clock)],
  ];
  if (balancer) looks.push(['nginx', () => balancerChecks(looking, balancer.confDir)]);
  for (const [name, look] of looks) {
    try {
      checks.push(...[await look()].flat());
    } catch (error) {
      checks.push(failed(name, messageOf(error)));
    }
  }
  return checks;
}

async function programs({ host, run }: Looking, isBalancer: boolean): Promise<Check> {
  const needed = isBalancer ? { ...PROGRAMS, ...PROGRAMS_OF_BALANCER } : PROGRAMS;
  const all = { ...needed, ...PROGRAMS_BY_HAND };
  const look = 'for each do command -v "$each" >/dev/null 2>&1 || echo "$each"; done';
  const missing = (await run(['sh', '-c', look, 'sh', ...Object.keys(all)])).stdout.split('\n').filter(Boolean);
  if (missing.length === 0) return ok('programs', 'All programs that the platform uses are there.');
  const packages = [...new Set(missing.map((each) => all[each] ?? each))].join(' ');
  const lacks = `${host.name} lacks ${missing.join(', ')}`;
  const remedy = `On ${host.name}: sudo apt-get install ${packages}`;
  if (missing.some((each) => Object.hasOwn(needed, each))) return failed('programs', `${lacks}.`, remedy);
  return warning('programs', `${lacks}, for running apps by hand.`, remedy);
}

async function files({ host, run }: Looking, clock: Clock): Promise<Check> {
  const path = `/tmp/.avishkar-check-${clock.now()}`;
  await withDeadline(clock, CHECK_MS, `putting a file on ${host.name}`, (signal) =>
    host.putFile(path, '', { signal, mode: 0o600 }),
  );
  await run(['rm', '-f', path]);
  return ok('files', 'Files can be put there.');
}

async function docker({ host, user, run }: Looking, clock: Clock): Promise<Check> {
  const install = `On ${host.name}: sudo apt-get install docker.io`;
  try {
    const version = await withDeadline(clock, CHECK_MS, `Docker on ${host.name}`, (signal) =>
      askDocker(host, '/version', versionSchema, signal),
    );
    const [major = 0, minor = 0] = version.ApiVersion.split('.').map(Number);
    const old = major < OLDEST_API[0] || (major === OLDEST_API[0] && minor < OLDEST_API[1]);
    if (!old) return ok('docker', `Docker ${version.Version} answers, and ${user} may use it.`);
    const wanted = OLDEST_API.join('.');
    return failed(
      'docker',
      `Docker ${version.Version} speaks API ${version.ApiVersion}; ${wanted} is needed.`,
      `On ${host.name}: install Docker 20.10 or newer`,
    );
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'EACCES':
        return failed(
          'docker',
          `${user} may not use Docker.`,
          `On ${host.name}: sudo usermod --append --groups docker ${user}`,
        );
      case 'ENOENT': {
        const { exitCode } = await run(['sh', '-c', 'command -v dockerd || command -v docker']);
        if (exitCode !== 0) return failed('docker', 'Docker is not installed.', install);
        return failed('docker', 'Docker does not run.', `On ${host.name}: sudo systemctl enable --now docker`);
      }
      case 'ECONNREFUSED':
        return failed('docker', 'Docker does not run.', `On ${host.name}: sudo systemctl enable --now docker`);
    }
    throw error;
  }
}

const versionSchema = z.object({ Version: z.string(), ApiVersion: z.string() });
const infoSchema = z.object({ DockerRootDir: z.string() });

/** Over its socket, the way that the platform takes. */
async function askDocker<T>(host: Host, path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
  const connection = await host.connect({ socket: DOCKER_SOCKET }, { signal });
  const text = await new Promise<string>((resolve, reject) => {
    const request = get({ path, host: 'docker', createConnection: () => connection, signal }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.once('error', reject).once('end', () => resolve(body));
    });
    request.once('error', reject);
  }).finally(() => connection.destroy());
  return schema.parse(JSON.parse(text));
}

/** The folder, or the nearest one that is there, as it is made when it is needed. */
const LOOK_AT_FOLDER = `folder=$1
while [ ! -e "$folder" ] && [ -n "$folder" ]; do folder=\${folder%/*}; done
folder=\${folder:-/}
if [ ! -d "$folder" ]; then echo file
elif [ ! -w "$folder" ] || [ ! -x "$folder" ]; then echo refused
else echo writable; fi
df -Pk "$folder" 2>/dev/null`;

async function disk({ host, user, run }: Looking, servicePath: string): Promise<Check> {
  const { stdout } = await run(['sh', '-c', LOOK_AT_FOLDER, 'sh', servicePath]);
  const remedy = `On ${host.name}: sudo install -d -o ${user} ${servicePath}`;
  if (stdout.startsWith('file')) {
    return failed('disk', `${servicePath} is no folder, or is to be in something that is none.`, remedy);
  }
  if (!stdout.startsWith('writable')) return failed('disk', `${user} may not write to ${servicePath}.`, remedy);
  const [space] = readDf(stdout);
  if (!space) return failed('disk', `df says nothing about ${servicePath}.`);
  return fullness('disk', host, servicePath, space, `, and ${user} may write there`);
}

/** The nearest folder that df can say something about, of each: what is inside of Docker’s own is root’s. */
const LOOK_AT_DISKS = `for folder; do
  until df -Pk "\${folder:-/}" 2>/dev/null || [ -z "$folder" ]; do folder=\${folder%/*}; done
done`;

/** Where images and containers are, if that is another disk than the services’. */
async function dockerDisk({ host, run }: Looking, clock: Clock, servicePath: string): Promise<Check[]> {
  const { DockerRootDir: folder } = await withDeadline(clock, CHECK_MS, `Docker on ${host.name}`, (signal) =>
    askDocker(host, '/info', infoSchema, signal),
  );
  const [services, images] = readDf((await run(['sh', '-c', LOOK_AT_DISKS, 'sh', servicePath, folder])).stdout);
  if (!services || !images) return [failed('docker disk', `df says nothing about ${folder}.`)];
  return services.place === images.place ? [] : [fullness('docker disk', host, folder, images)];
}

interface Space {
  /** Device and folder that it is mounted on. */
  place: string;
  percent: number;
}

/** The lines of df, which may have blanks in the names of devices and folders. */
function readDf(text: string): Space[] {
  return [...text.matchAll(/^(.*\S) +\d+ +(\d+) +(-?\d+) +\d+% (.*)$/gm)].map(
    ([, device, used, available, mounted]) => ({
      place: `${device} ${mounted}`,
      percent: Math.round((Number(used) / (Number(used) + Math.max(0, Number(available)))) * 100),
    }),
  );
}

function fullness(name: string, host: Host, folder: string, { percent }: Space, more = ''): Check {
  const left = `${folder} is on a disk that is ${percent} % full`;
  const room = `Make room on ${host.name}; what Docker no longer needs goes with: docker system prune`;
  if (percent > DISK_LIMIT_PERCENT) {
    return failed(name, `${left}; above ${DISK_LIMIT_PERCENT} % a machine gets nothing new.`, room);
  }
  return percent > DISK_WARNING_PERCENT ? warning(name, `${left}.`, room) : ok(name, `${left}${more}.`);
}

/** The machine says whole seconds, of which it may have been any part, and at any time between question and answer. */
async function clocks({ host, run }: Looking, clock: Clock): Promise<Check> {
  const asked = clock.now();
  const { stdout } = await run(['date', '+%s']);
  const answered = clock.now();
  const theirs = Number(stdout.trim()) * 1000;
  if (!stdout.trim() || !Number.isFinite(theirs))
    return failed('clock', `date answered ${stdout.trim() || 'nothing'}.`);
  const behind = asked - (theirs + 999);
  const ahead = theirs - answered;
  const seconds = Math.round(Math.max(0, behind, ahead) / 1000);
  const detail = `Its clock is ${seconds} seconds ${behind > ahead ? 'behind' : 'ahead of'} the platform’s.`;
  const remedy = `On both machines: sudo timedatectl set-ntp true`;
  if (seconds > CLOCK_LIMIT_S) return failed('clock', detail, remedy);
  if (seconds > CLOCK_WARNING_S) return warning('clock', detail, remedy);
  return ok('clock', `The clocks of ${host.name} and of the platform agree.`);
}
