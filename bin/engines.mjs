import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** What tests need that npm does not bring, how one sees that it is there, and Debian's packages of it. */
const ENGINES = [
  {
    name: 'Chromium',
    present: () => onPath(['chromium', 'chromium-browser', 'google-chrome']),
    // A page without any font is no page.
    packages: ['chromium', 'fonts-liberation'],
  },
  {
    name: 'virtual environments of Python',
    present: () => runs('python3', ['-c', 'import venv, ensurepip']),
    packages: ['python3', 'python3-venv'],
  },
  {
    name: 'what a fleet of fake VMs is made of',
    present: () =>
      ['dockerd', 'nginx', 'sshd', 'ip', 'tc', 'iptables', 'sudo', 'tini', 'busybox', 'unshare'].every(inFolders) &&
      existsSync('/etc/nginx/modules-enabled/50-mod-http-lua.conf'),
    packages: [
      ...['docker.io', 'nginx', 'libnginx-mod-http-lua', 'openssh-server', 'iproute2', 'iptables'],
      ...['sudo', 'tini', 'busybox-static', 'ca-certificates'],
    ],
  },
];

/**
 * Installs the engines that are missing, where that is possible: on Debian, as root. A failure is said and goes no
 * further: the suites that need what is missing say so themselves.
 */
export function installEngines(engines = ENGINES, debian = isDebianRoot()) {
  const missing = engines.filter(({ present }) => !present());
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(' and ');
  if (!debian) {
    console.error(`avishkar: ${names} is missing; what needs it is not tested`);
    return;
  }
  console.error(`avishkar: installing ${names} …`);
  const packages = missing.flatMap((engine) => engine.packages);
  const done =
    runs('apt-get', ['update', '-qq'], 'shown') &&
    runs('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], 'shown');
  if (!done) console.error(`avishkar: ${names} could not be installed; its output is above`);
}

function isDebianRoot() {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version');
}

/** By name, as some of them do more than tell their version when they are run. */
function inFolders(program) {
  return ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((folder) =>
    existsSync(`${folder}/${program}`),
  );
}

function onPath(programs) {
  return programs.some((program) => runs(program, ['--version']));
}

function runs(program, args, output = 'hidden') {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const stdio = output === 'shown' ? ['ignore', process.stderr, process.stderr] : 'ignore';
  return spawnSync(program, args, { env, stdio }).status === 0;
}
