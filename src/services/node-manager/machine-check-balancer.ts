import { posix } from 'node:path';
import type { Check } from '../../domain/check.ts';
import { AvkError } from '../../domain/errors.ts';
import { failed, type Looking, ok, warning } from './machine-findings.ts';

const MAIN_FILE = '/etc/nginx/nginx.conf';
const NGINX = '/usr/sbin/nginx';
/** Each app takes listening sockets, and each request two connections of a worker. */
const FEWEST_CONNECTIONS = 1024;

/** What the machine needs besides that NGINX runs on, for all apps. */
export async function balancerChecks(looking: Looking, confDir: string): Promise<Check[]> {
  const { host, run } = looking;
  let version: string;
  try {
    const { stdout, stderr } = await run(['nginx', '-V']);
    version = `${stdout}${stderr}`;
  } catch (error) {
    if (!(error instanceof AvkError) || error.code !== 'AVK_COMMAND_NOT_FOUND') throw error;
    return [
      failed('nginx', 'NGINX is not installed.', `On ${host.name}: sudo apt-get install nginx libnginx-mod-http-lua`),
    ];
  }
  const name = /nginx\/[\d.]+/.exec(version)?.[0] ?? 'NGINX';
  return [
    ok('nginx', `${name} is installed.`),
    await sudo(looking, confDir),
    await folder(looking, confDir),
    ...(await mainFile(looking, confDir)),
    await lua(looking, version),
  ];
}

/** As they stand in a file of sudo's, which holds them word by word. `""`: without arguments. */
function commands(confDir: string): string[][] {
  return [
    [NGINX],
    [NGINX, '-s', 'reload'],
    [NGINX, '-t', '-c', `${confDir}/.avishkar/check.conf`],
    ['/usr/bin/systemctl', 'start', 'nginx'],
  ];
}

async function sudo({ host, user, run }: Looking, confDir: string): Promise<Check> {
  if ((await run(['id', '-u'])).stdout.trim() === '0') return ok('sudo', `${user} is the administrator.`);
  const wanted = commands(confDir);
  const allow = wanted.map((argv) => (argv.length === 1 ? `${argv[0]} ""` : argv.join(' '))).join(', ');
  const remedy = `On ${host.name}: echo '${user} ALL=(root) NOPASSWD: ${allow}' | sudo tee /etc/sudoers.d/avishkar`;
  const refused: string[] = [];
  try {
    for (const argv of wanted) {
      if ((await run(['sudo', '-n', '-l', ...argv])).exitCode !== 0) refused.push(argv.join(' '));
    }
  } catch (error) {
    if (!(error instanceof AvkError) || error.code !== 'AVK_COMMAND_NOT_FOUND') throw error;
    return failed('sudo', 'sudo is not installed.', `On ${host.name}: sudo is needed: apt-get install sudo, as root`);
  }
  if (refused.length > 0) {
    return failed('sudo', `${user} may not run without a password: ${refused.join(', ')}.`, remedy);
  }
  return ok('sudo', `${user} may test, start and reload NGINX.`);
}

async function folder({ host, user, run }: Looking, confDir: string): Promise<Check> {
  const look = 'if [ ! -d "$1" ]; then exit 2; elif [ ! -w "$1" ] || [ ! -x "$1" ]; then exit 13; fi';
  const { exitCode } = await run(['sh', '-c', look, 'sh', confDir]);
  if (exitCode === 2) {
    return failed('routes', `There is no folder ${confDir}.`, `On ${host.name}: sudo install -d -o ${user} ${confDir}`);
  }
  if (exitCode !== 0) {
    return failed('routes', `${user} may not write to ${confDir}.`, `On ${host.name}: sudo chown ${user} ${confDir}`);
  }
  return ok('routes', `${user} may write routes to ${confDir}.`);
}

async function mainFile({ host, run }: Looking, confDir: string): Promise<Check[]> {
  const { exitCode, stdout } = await run(['cat', MAIN_FILE]);
  if (exitCode !== 0) {
    return [failed('nginx.conf', `${MAIN_FILE} cannot be read.`, `On ${host.name}: sudo chmod a+r ${MAIN_FILE}`)];
  }
  const main = readMain(stdout, confDir);
  const checks: Check[] = [];
  if (!main.includesConfDir) {
    checks.push(
      failed(
        'nginx.conf',
        `${MAIN_FILE} does not read what is in ${confDir}.`,
        `In ${MAIN_FILE}, inside http { }: include ${confDir}/*.conf;`,
      ),
    );
  }
  if (main.workerConnections < FEWEST_CONNECTIONS) {
    checks.push(
      warning(
        'nginx.conf',
        `A worker of NGINX has ${main.workerConnections} connections, for all apps together.`,
        `In ${MAIN_FILE}, inside events { }: worker_connections 4096;`,
      ),
    );
  }
  if (!main.hasShutdownTimeout) {
    checks.push(
      warning(
        'nginx.conf',
        'Long connections keep old workers of NGINX for ever.',
        `In ${MAIN_FILE}, at the top: worker_shutdown_timeout 10m;`,
      ),
    );
  }
  return checks.length > 0 ? checks : [ok('nginx.conf', `${MAIN_FILE} is as it should be.`)];
}

/** What matters of NGINX's main file. */
export function readMain(
  text: string,
  confDir: string,
): { includesConfDir: boolean; workerConnections: number; hasShutdownTimeout: boolean } {
  const bare = text.replaceAll(/(^|[\s;{}])#.*$/gm, '$1');
  const includes = [...bare.matchAll(/\binclude\s+(["']?)([^;"']+)\1\s*;/g)].map(([, , pattern = '']) =>
    posix.resolve(posix.dirname(MAIN_FILE), pattern.trim()),
  );
  const clean = posix.resolve(confDir);
  return {
    includesConfDir: includes.some((each) => each === `${clean}/*.conf` || each === `${clean}/*`),
    workerConnections: Number(/\bworker_connections\s+(\d+)\s*;/.exec(bare)?.[1] ?? 512),
    hasShutdownTimeout: /\bworker_shutdown_timeout\s/.test(bare),
  };
}

async function lua({ host, run }: Looking, version: string): Promise<Check> {
  const loaded = await run(['grep', '-rqs', 'ngx_http_lua_module', '/etc/nginx/modules-enabled', MAIN_FILE]);
  if (loaded.exitCode === 0 || /lua-nginx-module/.test(version)) return ok('lua', 'NGINX has its Lua module.');
  return warning(
    'lua',
    'NGINX has no Lua module, so it is reloaded whenever a replica comes or goes, which closes idle connections.',
    `On ${host.name}: sudo apt-get install libnginx-mod-http-lua`,
  );
}
