import type { FleetVm } from './vm.ts';

/** Takes away what platforms under test left on a VM, so that the next one finds it as new. */
export async function cleanVm(vm: FleetVm): Promise<void> {
  const script = `
    docker ps --all --quiet | xargs -r docker rm --force > /dev/null
    docker images --format '{{.Repository}}:{{.Tag}} {{.ID}}' | grep -vE '^(node:24-slim|python:3.13-slim) ' |
      cut -d' ' -f2 | sort -u | xargs -r docker rmi --force > /dev/null
    rm -rf /etc/nginx/conf.d/* /etc/nginx/conf.d/.avishkar "$1"
    [ ! -f /run/nginx.pid ] || { /usr/sbin/nginx -s quit; while [ -f /run/nginx.pid ]; do sleep 0.02; done; }
    /usr/sbin/nginx
  `;
  const { exitCode, stderr } = await vm.exec(['sh', '-c', script, 'sh', vm.servicePath]);
  if (exitCode !== 0) throw new Error(`${vm.name} could not be cleaned: ${stderr}`);
}
