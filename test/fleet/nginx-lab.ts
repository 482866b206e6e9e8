import { systemClock } from '../../src/adapters/clock/system.ts';
import { createNginxProxy, type NginxProxyOptions } from '../../src/adapters/reverse-proxy/nginx/proxy.ts';
import type { Log } from '../../src/ports/log.ts';
import type { ReverseProxyLab } from '../contracts/reverse-proxy.contract.ts';
import { eventually } from '../support/eventually.ts';
import { createSshLab } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

export interface NginxLab extends ReverseProxyLab {
  proxy: ReturnType<typeof createNginxProxy>;
  publicHost: string;
  upstreamHost: string;
  freePort: () => Promise<number>;
  holdPort: (port: number) => Promise<{ port: number; release: () => Promise<void> }>;
  /** What was logged: sentence and fields. */
  said: string[];
  /** How often NGINX has read its files since it was started. */
  reloads: () => Promise<number>;
}

let nextPort = 2000;

/** NGINX on a VM of a fleet, over SSH. `gateway`: this machine's address, as the VM sees it. */
export async function createNginxLab(
  vm: FleetVm,
  gateway: string,
  changes: Partial<NginxProxyOptions> = {},
): Promise<NginxLab> {
  const { host, cleanup } = await createSshLab(vm);
  const said: string[] = [];
  const say = (fields: object, sentence: string): void => void said.push(`${sentence} ${JSON.stringify(fields)}`);
  const log: Log = { debug: say, info: say, warn: say, error: say };
  const proxy = createNginxProxy({ host, clock: systemClock, log, ...changes });
  return {
    proxy,
    publicHost: vm.address,
    upstreamHost: gateway,
    said,
    async freePort() {
      for (;;) {
        const port = nextPort++;
        if (await host.portFree(port)) return port;
      }
    },
    async holdPort(port) {
      const pidFile = `/tmp/holds-${port}`;
      const holding = vm.exec(['sh', '-c', `echo $$ > ${pidFile}; exec busybox nc -ll -p ${port} -e /bin/true`]);
      await eventually(async () => !(await host.portFree(port)));
      return {
        port,
        async release() {
          await vm.exec(['sh', '-c', `kill -9 $(cat ${pidFile})`]);
          await holding;
        },
      };
    },
    async reloads() {
      const { stdout } = await vm.exec(['grep', '-c', 'signal 1 (SIGHUP) received', '/var/log/nginx/error.log']);
      return Number(stdout);
    },
    async cleanup() {
      await proxy.close();
      await cleanup();
    },
  };
}

/** Takes the Lua module out of a VM's NGINX. */
export async function withoutLua(vm: FleetVm): Promise<void> {
  await vm.exec(['sh', '-c', 'rm -f /etc/nginx/modules-enabled/*lua*.conf']);
}
