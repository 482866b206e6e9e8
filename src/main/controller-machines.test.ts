import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../adapters/clock/system.ts';
import { vmEntrySchema } from '../domain/service-entry.ts';
import { readConfig } from './config.ts';
import { controllerMachines } from './controller-machines.ts';
import { takeHome } from './home.ts';

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };

test('a machine whose key is gone is a machine all the same, and says so when it is signed in to', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-machines-'));
  const home = takeHome(join(folder, 'home'));
  const { SSH_AUTH_SOCK: agent } = process.env;
  delete process.env.SSH_AUTH_SOCK;
  const entry = (name: string, address: string, key: string) =>
    vmEntrySchema.parse({
      vm_name: name,
      vm_ip: address,
      vm_username: 'avishkar',
      vm_key_path: key,
      vm_service_path: '/home/avishkar/Services',
    });
  const gone = join(folder, 'gone');
  const entries = [entry('VM1', '127.0.0.1', gone), entry('VM2', '127.0.0.2', '')];
  const { vms, loadBalancer, ...config } = readConfig({ home: home.path(), vms: entries, loadBalancer: { vm: 'VM1' } });
  assert.ok(vms && loadBalancer);
  const options = { config: { ...config, vms, loadBalancer }, entries, home, clock: systemClock, log };
  const { machines, proxy } = controllerMachines(options);
  try {
    const signal = new AbortController().signal;
    for (const [name, why] of [
      ['VM1', `there is no private key at ${gone}`],
      ['VM2', 'there is no SSH agent'],
    ] as const) {
      await assert.rejects(
        machines.get(name).host.run(['true'], { signal }),
        ({ code, message }: Error & { code: string }) => {
          assert.equal(code, 'AVK_HOST_REFUSED');
          return message.includes(name) && message.includes(why);
        },
      );
    }
    // One that is to be taken in needs its key.
    for (const key of [gone, '']) {
      assert.throws(() => machines.open(entry('VM3', '127.0.0.3', key)), {
        code: 'AVK_UNACCEPTABLE',
        message: /^vm_key_path: /,
      });
    }
  } finally {
    if (agent !== undefined) process.env.SSH_AUTH_SOCK = agent;
    await proxy.close();
    await Promise.all(machines.list().map(({ host }) => machines.remove(host.name)));
    home.release();
    rmSync(folder, { recursive: true });
  }
});

test('users are told the address that is for them, and that of NGINX’s machine where there is none', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-machines-'));
  const home = takeHome(join(folder, 'home'));
  const vm = {
    vm_name: 'VM1',
    vm_ip: '127.0.0.1',
    vm_username: 'avishkar',
    vm_key_path: join(folder, 'none'),
    vm_service_path: '/home/avishkar/Services',
  };
  try {
    for (const [address, told] of [
      [undefined, '127.0.0.1'],
      ['apps.example.org', 'apps.example.org'],
    ] as const) {
      const balancer = { vm: 'VM1', ...(address === undefined ? {} : { address }) };
      const { vms, loadBalancer, ...config } = readConfig({ home: home.path(), vms: [vm], loadBalancer: balancer });
      assert.ok(vms && loadBalancer);
      const engines = controllerMachines({
        config: { ...config, vms, loadBalancer },
        entries: vms,
        home,
        clock: systemClock,
        log,
      });
      assert.equal(engines.publicAddress, told);
      await engines.proxy.close();
      await engines.machines.remove('VM1');
    }
  } finally {
    home.release();
    rmSync(folder, { recursive: true });
  }
});
