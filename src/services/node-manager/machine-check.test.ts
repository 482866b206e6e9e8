import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { systemClock } from '../../adapters/clock/system.ts';
import type { Check } from '../../domain/check.ts';
import { AvkError } from '../../domain/errors.ts';
import type { CommandResult, Host } from '../../ports/host.ts';
import { checkMachine } from './machine-check.ts';
import { readMain } from './machine-check-balancer.ts';

const CONF_DIR = '/etc/nginx/conf.d';
const MAIN = `events { worker_connections 4096; }
worker_shutdown_timeout 60s;
http { include /etc/nginx/mime.types; include /etc/nginx/conf.d/*.conf; }
`;

/** What df says of the services’ disk and of Docker’s, so many percent full. */
const disks = (services: number, images: number, where = '/var/lib/docker'): string =>
  `/dev/sda 100 ${services} ${100 - services} ${services}% /\n/dev/sd b 100 ${images} ${100 - images} ${images}% ${where}\n`;

type Answer = Partial<CommandResult> | Error;

/** A machine that lacks nothing, but for what is changed: answers by the beginning of what is run. */
function machine(
  changes: Record<string, Answer> = {},
  docker: { api?: string; error?: string; root?: string } = {},
): Host {
  const answers: Record<string, Answer> = {
    'id -un': { stdout: 'avishkar\n' },
    'id -u': { stdout: '1000\n' },
    'sh -c for each': {},
    'sh -c for folder': { stdout: disks(10, 10) },
    'sh -c folder': {
      stdout: 'writable\nFilesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda 100 10 90 10% /\n',
    },
    date: { stdout: `${Math.floor(Date.now() / 1000)}\n` },
    'rm -f /tmp/.avishkar-check': {},
    'nginx -V': { stderr: 'nginx version: nginx/1.22.1\n' },
    'sudo -n -l': {},
    'sh -c if': {},
    'cat /etc/nginx/nginx.conf': { stdout: MAIN },
    grep: {},
    'sh -c command': { exitCode: 0 },
    ...changes,
  };
  const no = (): never => assert.fail('not of interest here');
  return {
    name: 'VM1',
    address: '10.0.0.11',
    async run(argv) {
      const text = argv.join(' ');
      const known = Object.keys(answers).filter((each) => text.startsWith(each));
      const answer =
        answers[known.sort((a, b) => b.length - a.length)[0] ?? ''] ?? assert.fail(`nobody expected ${text}`);
      if (answer instanceof Error) throw answer;
      return { exitCode: 0, stdout: '', stderr: '', ...answer };
    },
    async connect() {
      if (docker.error) throw Object.assign(new Error('no'), { code: docker.error });
      const [ours, theirs] = duplexPair();
      const server = createServer((request, response) => {
        const answers: Record<string, object> = {
          '/version': { Version: '20.10.24', ApiVersion: docker.api ?? '1.41' },
          '/info': { DockerRootDir: docker.root ?? '/var/lib/docker' },
        };
        response.end(JSON.stringify(answers[request.url ?? ''] ?? assert.fail(`nobody expected ${request.url}`)));
      });
      server.emit('connection', theirs);
      return ours;
    },
    putFile: async () => undefined,
    probe: no,
    portFree: no,
    close: async () => undefined,
  };
}

const check = (host: Host, balancer = true): Promise<Check[]> =>
  checkMachine({
    host,
    clock: systemClock,
    servicePath: '/home/avishkar/Services',
    ...(balancer ? { balancer: { confDir: CONF_DIR } } : {}),
  });

/** What is not as it should be. */
const wrong = async (host: Host): Promise<Check[]> => (await check(host)).filter(({ status }) => status !== 'ok');
const absent = (program: string): AvkError => new AvkError('AVK_COMMAND_NOT_FOUND', `no ${program}`);

test('a machine that lacks nothing passes, and NGINX is only looked for where it is to be', async () => {
  const names = (checks: Check[]): string[] => checks.map(({ name, status }) => `${name} ${status}`);
  const common = ['ssh ok', 'programs ok', 'files ok', 'docker ok', 'disk ok', 'docker disk ok', 'clock ok'];
  assert.deepEqual(names(await check(machine())), [
    ...common,
    ...['nginx ok', 'sudo ok', 'routes ok', 'nginx.conf ok', 'lua ok'],
  ]);
  assert.deepEqual(names(await check(machine(), false)), common);
});

test('of a machine that cannot be reached nothing else is said', async () => {
  const lost = new AvkError('AVK_HOST_UNREACHABLE', 'VM1 cannot be reached.');
  assert.deepEqual(await check(machine({ 'id -un': lost })), [
    {
      name: 'ssh',
      status: 'failed',
      detail: 'VM1 cannot be reached.',
      remedy: 'Look whether this works on the machine of the platform: ssh 10.0.0.11',
    },
  ]);
  const refused = new AvkError('AVK_HOST_REFUSED', 'VM1 does not let avishkar in: do this.');
  assert.deepEqual(await check(machine({ 'id -un': refused })), [
    { name: 'ssh', status: 'failed', detail: 'VM1 does not let avishkar in: do this.' },
  ]);
});

/** What is wrong with a machine, what is said about it, and what is to be done. */
const LACKING: Record<string, [Host, name: string, detail: RegExp, remedy: RegExp]> = {
  programs: [
    machine({ 'sh -c for each': { stdout: 'awk\ndf\ndate\n' } }),
    'programs',
    /lacks awk, df, date/,
    /apt-get install mawk coreutils$/,
  ],
  'no Docker': [
    machine({ 'sh -c command': { exitCode: 1 } }, { error: 'ENOENT' }),
    'docker',
    /not installed/,
    /apt-get install docker\.io/,
  ],
  'Docker is down': [machine({}, { error: 'ECONNREFUSED' }), 'docker', /does not run/, /systemctl enable --now docker/],
  'Docker was never up': [machine({}, { error: 'ENOENT' }), 'docker', /does not run/, /systemctl enable --now docker/],
  'Docker is not ours': [
    machine({}, { error: 'EACCES' }),
    'docker',
    /avishkar may not use/,
    /usermod --append --groups docker avishkar/,
  ],
  'old Docker': [machine({}, { api: '1.40' }), 'docker', /speaks API 1\.40; 1\.41 is needed/, /20\.10 or newer/],
  'no place': [
    machine({ 'sh -c folder': { stdout: 'refused\n' } }),
    'disk',
    /avishkar may not write to \/home/,
    /sudo install -d -o avishkar \/home\/avishkar\/Services/,
  ],
  'a file': [machine({ 'sh -c folder': { stdout: 'file\n' } }), 'disk', /is no folder/, /install -d/],
  'full disk': [
    machine({ 'sh -c folder': { stdout: 'writable\n/dev/sda 100 96 4 96% /\n' } }),
    'disk',
    /96 % full; above 95 %/,
    /docker system prune/,
  ],
  'full disk of Docker’s': [
    machine({ 'sh -c for folder': { stdout: disks(10, 97, '/srv/docker') } }, { root: '/srv/docker/root' }),
    'docker disk',
    /\/srv\/docker\/root is on a disk that is 97 % full; above 95 %/,
    /docker system prune/,
  ],
  'clock behind': [
    machine({ date: { stdout: `${Math.floor(Date.now() / 1000) - 300}\n` } }),
    'clock',
    /(299|300|301) seconds behind/,
    /timedatectl/,
  ],
  'clock ahead': [
    machine({ date: { stdout: `${Math.floor(Date.now() / 1000) + 300}\n` } }),
    'clock',
    /(298|299|300) seconds ahead/,
    /timedatectl/,
  ],
  'no NGINX': [machine({ 'nginx -V': absent('nginx') }), 'nginx', /not installed/, /apt-get install nginx/],
  'no sudo': [machine({ 'sudo -n -l': absent('sudo') }), 'sudo', /not installed/, /install sudo/],
  'no leave': [
    machine({ 'sudo -n -l /usr/sbin/nginx -s reload': { exitCode: 1 } }),
    'sudo',
    /without a password: \/usr\/sbin\/nginx -s reload\.$/,
    /avishkar ALL=\(root\) NOPASSWD: \/usr\/sbin\/nginx "", .* \| sudo tee/,
  ],
  'no folder for routes': [
    machine({ 'sh -c if': { exitCode: 2 } }),
    'routes',
    /no folder \/etc\/nginx\/conf\.d/,
    /install -d -o avishkar \/etc\/nginx\/conf\.d/,
  ],
  'routes not ours': [
    machine({ 'sh -c if': { exitCode: 13 } }),
    'routes',
    /may not write/,
    /chown avishkar \/etc\/nginx\/conf\.d/,
  ],
  'routes not read': [
    machine({ 'cat /etc/nginx/nginx.conf': { stdout: MAIN.replace('include /etc/nginx/conf.d', '# include x') } }),
    'nginx.conf',
    /does not read/,
    /include \/etc\/nginx\/conf\.d\/\*\.conf;$/,
  ],
};

for (const [name, [host, check, detail, remedy]] of Object.entries(LACKING)) {
  test(`a machine that is lacking is told what to do: ${name}`, async () => {
    const [found, ...others] = await wrong(host);
    assert.deepEqual([found?.name, found?.status, others], [check, 'failed', []]);
    assert.match(found?.detail ?? '', detail);
    assert.match(found?.remedy ?? '', remedy);
  });
}

test('what works, but not as well as it could, is a warning', async () => {
  const seconds = Math.floor(Date.now() / 1000) + 20;
  const host = machine({
    date: { stdout: `${seconds}\n` },
    grep: { exitCode: 1 },
    'sh -c folder': { stdout: 'writable\n/dev/sda 100 90 10 90% /\n' },
    'cat /etc/nginx/nginx.conf': { stdout: 'events { } http { include conf.d/*.conf; }' },
  });
  const found = await wrong(host);
  assert.deepEqual(
    found.map(({ name, status }) => `${name} ${status}`),
    ['disk warning', 'clock warning', 'nginx.conf warning', 'nginx.conf warning', 'lua warning'],
  );
  assert.ok(found.every(({ remedy }) => remedy));
});

test('a disk that Docker shares with the services is looked at once', async () => {
  const one = '/dev/sda 100 10 90 10% /\n';
  const found = await check(machine({ 'sh -c for folder': { stdout: `${one}${one}` } }), false);
  assert.deepEqual(
    found.filter(({ name }) => name.includes('disk')).map(({ name, status }) => `${name} ${status}`),
    ['disk ok'],
  );
});

test('the programs of NGINX’s machine are only needed there, and those for people are no hindrance', async () => {
  const asked: string[][] = [];
  const lacking = (missing: string): Host => {
    const host = machine({ 'sh -c for each': { stdout: missing } });
    return {
      ...host,
      run(argv, options) {
        if (argv[2]?.startsWith('for each')) asked.push([...argv]);
        return host.run(argv, options);
      },
    };
  };
  const [found] = (await check(lacking('bash\n'))).filter(({ name }) => name === 'programs');
  assert.deepEqual([found?.status, found?.detail], ['warning', 'VM1 lacks bash, for running apps by hand.']);
  const [both] = (await check(lacking('bash\ntar\n'), false)).filter(({ name }) => name === 'programs');
  assert.deepEqual([both?.status, both?.remedy], ['failed', 'On VM1: sudo apt-get install bash tar']);
  assert.deepEqual(
    asked.map((argv) => argv.includes('sha256sum')),
    [true, false],
  );
});

test('what could not be looked at has failed, and the rest is looked at all the same', async () => {
  const host = machine({ 'sh -c folder': new AvkError('AVK_HOST_UNREACHABLE', 'VM1 is gone.') });
  assert.deepEqual(await wrong(host), [{ name: 'disk', status: 'failed', detail: 'VM1 is gone.' }]);
});

test('NGINX’s main file is read as NGINX reads it', () => {
  const read = (text: string): boolean => readMain(text, '/etc/nginx/conf.d/').includesConfDir;
  assert.equal(read('include /etc/nginx/conf.d/*.conf;'), true);
  assert.equal(read('http{include conf.d/*;}'), true);
  assert.equal(read('include "conf.d/*.conf";'), true);
  assert.equal(read('# include conf.d/*.conf;'), false);
  assert.equal(read('include sites-enabled/*;'), false);
  const { workerConnections, hasShutdownTimeout } = readMain(
    'events { worker_connections 768; } # worker_shutdown_timeout 1s;',
    '/x',
  );
  assert.deepEqual([workerConnections, hasShutdownTimeout], [768, false]);
});
