import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { readConfig } from './config.ts';
import { readConfigFile } from './config-file.ts';

describe('avishkar.yml', () => {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-config-'));
  after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'key'), privateKey, { mode: 0o600 });

  const read = (text: string, environment: Record<string, string> = {}, name = 'avishkar.yml') => {
    writeFileSync(join(folder, name), text);
    return readConfigFile(join(folder, name), environment);
  };
  const vm = (name: string, ip: string, more = ''): string =>
    `  - vm_name: ${name}\n    vm_ip: ${ip}\n    vm_username: azureuser\n    vm_key_path: ./key\n    vm_service_path: /home/azureuser/Services\n${more}`;
  const two = `vms:\n${vm('VM1', '10.0.0.1')}${vm('VM2', '10.0.0.2')}`;
  const refused = (text: string, expected: RegExp, environment?: Record<string, string>): void => {
    assert.throws(() => read(text, environment), { code: 'AVK_BAD_CONFIG', message: expected });
  };

  test('machines inline, paths relative to the file, values from the environment', () => {
    const settings = read(
      `# ours\n${two}loadBalancer: { vm: VM2, firstPort: 3000 }\nlogLevel: \${LEVEL}\nhome: ./state\n`,
      { LEVEL: 'warn' },
    );
    const config = readConfig(settings);
    assert.equal(config.logLevel, 'warn');
    assert.equal(config.home, join(folder, 'state'));
    assert.equal(config.firstPort, 3000);
    assert.equal(config.vms?.[0]?.vm_key_path, join(folder, 'key'));
    assert.deepEqual(config.loadBalancer, { vm: 'VM2', confDir: '/etc/nginx/conf.d', firstPort: 3000 });
    assert.equal(config.placement.replicas, 'spread');
    assert.equal(config.baseImages.node, 'node:24-slim');
  });

  test('machines in the starting document’s vm-details.json, with its ports', () => {
    const entry = {
      vm_name: 'VM2',
      vm_ip: '20.173.88.38',
      vm_username: 'azureuser',
      vm_key_path: './key',
      vm_service_path: '/home/azureuser/Services',
      latestAvailablePort: 21_000,
      hosted_apps: ['room-comfort-1'],
    };
    writeFileSync(
      join(folder, 'vm-details.json'),
      JSON.stringify([entry, { ...entry, vm_name: 'VM3', vm_ip: '::2', ports: '21000-21999' }]),
    );
    const settings = read('vms: ./vm-details.json\nloadBalancer: { vm: VM2 }\n');
    const { vms } = readConfig(settings);
    assert.equal(vms?.[0]?.latestAvailablePort, 21_000);
    assert.deepEqual(vms?.[1]?.ports, { first: 21_000, last: 21_999 });
  });

  test('what the environment says is what is expected at its place: text, a number, true or false', () => {
    const environment = { PORT: '9000', YES: 'true', DIGITS: '007', LAST: '21999', EMPTY: '', TEXT: 'a: b # c' };
    const settings = read(
      `port: \${PORT}\nbuildSeconds: "\${PORT}"\nopenRegistration: \${YES}\nhome: /srv/\${DIGITS}\nvms:\n${vm('VM1', '10.0.0.1', `    ports: { first: 21000, last: "\${LAST}" }\n    labels: { rack: "\${DIGITS}", lit: "\${YES}", none: "\${EMPTY}", said: "\${TEXT}" }\n`)}loadBalancer: { vm: VM1, firstPort: "\${PORT}" }\n`,
      environment,
    );
    const config = readConfig(settings);
    assert.deepEqual([config.port, config.buildSeconds, config.firstPort], [9000, 9000, 9000]);
    assert.equal(config.openRegistration, true);
    assert.equal(config.home, '/srv/007');
    assert.deepEqual(config.vms?.[0]?.ports, { first: 21_000, last: 21_999 });
    assert.deepEqual(config.vms?.[0]?.labels, { rack: '007', lit: 'true', none: '', said: 'a: b # c' });
  });

  test('what the environment says is refused with its line, and never told', () => {
    for (const value of ['s3cret', '', '80 10', '80 # 10', '[1]', 'null', '"8010"', '99999']) {
      for (const quote of ['', '"']) {
        assert.throws(
          () => read(`# ours\nport: ${quote}\${P}${quote}\n`, { P: value }),
          ({ message }: Error) => {
            assert.match(message, /avishkar\.yml, line 2: port is not right: .*, got "\$\{P\}"$/);
            return value === '' || !message.includes(value);
          },
          value,
        );
      }
    }
    refused(`legacy:\n  allowFrom: \${P}\n`, /line 2: legacy\.allowFrom is not right: .*array.*got "\$\{P\}"$/, {
      P: 's3cret',
    });
    refused('port: "9000"\n', /line 1: port is not right: .*number.*got "9000"/);
  });

  test('what is not written is left to flags and defaults', () => {
    assert.deepEqual(read('port: 9000\n'), { port: 9000 });
    assert.deepEqual(read(''), {});
  });

  test('each mistake is refused with its line and what was expected', () => {
    const balancer = 'loadBalancer: { vm: VM1 }\n';
    refused('prot: 9000\n', /avishkar\.yml, line 1: prot is not known; did you mean port\?/);
    refused('port: many\n', /line 1: port is not right: .*number.*got "many"/);
    refused(
      `vms:\n${vm('VM1', '10.0.0.1', '    vm_usrname: x\n')}${balancer}`,
      /line 7: vms\[0\]\.vm_usrname is not known; did you mean vm_username\?/,
    );
    refused(
      `vms:\n  - vm_name: VM1\n    vm_ip: 10.0.0.1\n${balancer}`,
      /line 2: vms\[0\]\.vm_username is not right: .*missing/,
    );
    refused(
      `vms:\n${vm('VM1', '10.0.0.1')}${vm('VM2', '10.0.0.1')}${balancer}`,
      /line 8: vms\[1\]\.vm_ip 10\.0\.0\.1 is that of VM1/,
    );
    refused(
      `vms:\n${vm('VM1', '10.0.0.1')}${vm('vm1', '10.0.0.2')}${balancer}`,
      /line 7: vms\[1\]\.vm_name vm1 is that of VM1/,
    );
    refused(
      `${two}loadBalancer: { vm: VM9 }\n`,
      /line 12: loadBalancer\.vm is VM9, which is none of the machines \(VM1, VM2\)/,
    );
    refused(
      `${two}loadBalancer: { vm: VM1, address: "http://apps.example.org" }\n`,
      /line 12: loadBalancer\.address is not right: expected an IPv4 address or a host name, got "http:/,
    );
    refused(two, /no loadBalancer/);
    refused(balancer, /line 1: loadBalancer is for machines of your own/);
    refused('kafka: { brokers: [] }\n', /line 1: kafka is a setting of a cluster/);
    refused('port: [1\n', /avishkar\.yml, line \d/);
    refused(`logLevel: \${NOT_THERE}\n`, /line 1: the environment has no NOT_THERE/);
    refused('vms: ./nowhere.json\nloadBalancer: { vm: VM1 }\n', /nowhere\.json cannot be read/);
    assert.throws(() => readConfigFile(join(folder, 'none.yml'), {}), {
      code: 'AVK_BAD_CONFIG',
      message: /none\.yml cannot be read/,
    });
  });

  test('an address that is none, or that another machine has in another spelling, is refused with its line', () => {
    const balancer = 'loadBalancer: { vm: VM1 }\n';
    const of = (first: string, second: string): string => `vms:\n${vm('VM1', first)}${vm('VM2', second)}${balancer}`;
    for (const bad of ['vm2.example.org', '10.0.0', '10.0.0.0/24', 'fe80::1%eth0']) {
      refused(of('10.0.0.1', bad), /line 8: vms\[1\]\.vm_ip is not right: expected an IPv4 or IPv6 address, got "/);
    }
    for (const other of ['2001:db8::1', '2001:DB8:0:0::1', '"2001:0db8:0:0:0:0:0:1"']) {
      refused(of('2001:db8::1', other), /line 8: vms\[1\]\.vm_ip 2001:db8::1 is that of VM1/);
    }
    refused(of('10.0.0.1', '::ffff:10.0.0.1'), /line 8: vms\[1\]\.vm_ip 10\.0\.0\.1 is that of VM1/);
  });

  test('a host key that is none, and a key that is missing where no SSH agent is, are refused with their lines', () => {
    const balancer = 'loadBalancer: { vm: VM1 }\n';
    refused(
      `vms:\n${vm('VM1', '10.0.0.1', '    hostKey: SHA256:short\n')}${balancer}`,
      /line 7: vms\[0\]\.hostKey is not right: expected SHA256:… or the line of a public key.*got "SHA256:short"/,
    );
    const keyless = `vms:\n${vm('VM1', '10.0.0.1')}${vm('VM2', '10.0.0.2').replace('./key', "''")}${balancer}`;
    refused(keyless, /line 10: vms\[1\]\.vm_key_path of VM2 is missing, and there is no SSH agent/);
    refused(keyless.replace("    vm_key_path: ''\n", ''), /line 7: vms\[1\]\.vm_key_path of VM2 is missing/);
    assert.equal(readConfig(read(keyless, { SSH_AUTH_SOCK: '/run/agent' })).vms?.[1]?.vm_key_path, '');
  });

  test('a key file that others can read is refused with the line and the fix', () => {
    writeFileSync(join(folder, 'open-key'), 'a private key');
    chmodSync(join(folder, 'open-key'), 0o644);
    refused(
      `${two.replace('./key', './open-key')}loadBalancer: { vm: VM1 }\n`,
      /line 5: vms\[0\]\.vm_key_path .*open-key.*chmod/,
    );
    refused(`${two.replace('./key', './no-key')}loadBalancer: { vm: VM1 }\n`, /line 5: vms\[0\]\.vm_key_path .*no-key/);
  });
});
