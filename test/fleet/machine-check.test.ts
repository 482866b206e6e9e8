import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/adapters/clock/system.ts';
import type { Check } from '../../src/domain/check.ts';
import { checkMachine } from '../../src/services/node-manager/machine-check.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { createSshLab } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

const CONF_DIR = '/etc/nginx/conf.d';

describe('looking at what a machine lacks', fleetOrSkip(), () => {
  let fleet: Fleet;
  let vm: FleetVm;

  before(async () => {
    fleet = await bringUpFleet(1);
    vm = fleet.vms[0] as FleetVm;
  });
  after(() => fleet?.down());

  const sh = async (text: string): Promise<string> => {
    const { exitCode, stdout, stderr } = await vm.exec(['sh', '-c', text]);
    assert.equal(exitCode, 0, `${text}: ${stderr}`);
    return stdout;
  };
  const check = async (): Promise<Check[]> => {
    const { host, cleanup } = await createSshLab(vm);
    try {
      return await checkMachine({
        host,
        clock: systemClock,
        servicePath: vm.servicePath,
        balancer: { confDir: CONF_DIR },
      });
    } finally {
      await cleanup();
    }
  };
  const failed = async (): Promise<Check[]> => (await check()).filter(({ status }) => status === 'failed');

  test('a machine that was set up as the documentation says lacks nothing, and is left as it was', async () => {
    const before = await sh(`find /tmp /home ${CONF_DIR} | sort`);
    assert.deepEqual(await failed(), []);
    assert.equal(await sh(`find /tmp /home ${CONF_DIR} | sort`), before);
  });

  /** What is taken away, how it comes back, which check says so, and what it says to do. */
  const LACKS: [what: string, away: string, back: string, name: string, remedy: RegExp][] = [
    [
      'Docker’s group',
      'gpasswd -d avishkar docker',
      'gpasswd -a avishkar docker',
      'docker',
      /usermod .* docker avishkar/,
    ],
    [
      'sudo for NGINX',
      'mv /etc/sudoers.d/avishkar /sudo',
      'mv /sudo /etc/sudoers.d/avishkar',
      'sudo',
      /tee \/etc\/sudoers\.d\/avishkar/,
    ],
    [
      'the folder for routes',
      `chown root ${CONF_DIR}`,
      `chown avishkar ${CONF_DIR}`,
      'routes',
      /chown avishkar \/etc\/nginx\/conf\.d/,
    ],
    [
      'the line that reads routes',
      "sed -i.old 's|include /etc/nginx/conf.d|#&|' /etc/nginx/nginx.conf",
      'mv /etc/nginx/nginx.conf.old /etc/nginx/nginx.conf',
      'nginx.conf',
      /include \/etc\/nginx\/conf\.d\/\*\.conf;/,
    ],
    ['NGINX', 'mv /usr/sbin/nginx /nginx', 'mv /nginx /usr/sbin/nginx', 'nginx', /apt-get install nginx/],
    [
      'a place for services',
      'mkdir -p /home/avishkar/Services && chown root /home/avishkar/Services && chmod 755 /home/avishkar/Services',
      'rmdir /home/avishkar/Services',
      'disk',
      /install -d -o avishkar \/home\/avishkar\/Services/,
    ],
    ['awk', 'mv /usr/bin/awk /awk', 'mv /awk /usr/bin/awk', 'programs', /apt-get install mawk/],
    ['tar', 'mv /usr/bin/tar /tar', 'mv /tar /usr/bin/tar', 'programs', /apt-get install tar/],
  ];
  for (const [what, away, back, name, remedy] of LACKS) {
    test(`a machine that lacks ${what} is told so, with what to do`, async () => {
      await sh(away);
      try {
        const found = await failed();
        assert.deepEqual(
          found.map((each) => each.name),
          [name],
        );
        assert.match(found[0]?.remedy ?? '', remedy);
      } finally {
        await sh(back);
      }
    });
  }

  test('a machine whose Docker does not run, or whose disk is full, is told so', async () => {
    await vm.kill('dockerd');
    assert.deepEqual(
      (await failed()).map(({ name, detail }) => `${name}: ${detail}`),
      ['docker: Docker does not run.'],
    );
    await vm.begin('dockerd');
    await vm.fillDisk();
    const found = await failed();
    await vm.freeDisk();
    assert.match(found.find(({ name }) => name === 'disk')?.detail ?? '', /100 % full/);
    const images = found.find(({ name }) => name === 'docker disk');
    assert.match(images?.detail ?? '', /\/var\/lib\/docker is on a disk that is 100 % full/);
  });

  test('a machine that is switched off, or does not know the key, is told so', async () => {
    await sh('mv /home/avishkar/.ssh/authorized_keys /keys');
    const [refused, ...more] = await check();
    assert.deepEqual(more, []);
    assert.match(refused?.detail ?? '', /does not let the user avishkar in with the key .*ssh-copy-id/);
    await sh('mv /keys /home/avishkar/.ssh/authorized_keys');
    await vm.kill('sshd');
    const [lost] = await check();
    assert.match(lost?.detail ?? '', /VM1 .* cannot be reached over SSH/);
    await vm.begin('sshd');
    assert.deepEqual(await failed(), []);
  });
});
