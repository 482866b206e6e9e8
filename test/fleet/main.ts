// `npm run fleet -- up N`, `cut NAME`, `heal NAME` and `down`.
import { join } from 'node:path';
import { bringUpFleet, noFleet, takeDownFleet } from './fleet.ts';
import { setCable } from './vm.ts';

const USAGE = `usage: npm run fleet -- up N     N fake VMs on this machine (1 to 40)
       npm run fleet -- cut VM   takes a VM's network cable out
       npm run fleet -- heal VM  puts it in again
       npm run fleet -- down     takes them all away`;
/** The operator's own. */
const SLOT = 0;

const [verb, count, ...rest] = process.argv.slice(2);
const vms = Number(count);
if (verb === 'up' && Number.isInteger(vms) && vms >= 1 && vms <= 40 && rest.length === 0) await up();
else if ((verb === 'cut' || verb === 'heal') && /^VM\d+$/.test(count ?? '') && rest.length === 0) {
  setCable(SLOT, count ?? '', verb === 'heal');
  console.log(verb === 'cut' ? `${count} is cut off` : `${count} is back`);
} else if (verb === 'down' && count === undefined) {
  await takeDownFleet(SLOT);
  console.log('the fleet is down');
} else {
  console.error(USAGE);
  process.exit(2);
}

async function up(): Promise<void> {
  const missing = noFleet();
  if (missing) {
    console.error(
      `fleet: ${missing}; on Debian: apt-get install docker.io iproute2 iptables openssh-server nginx sudo busybox-static`,
    );
    process.exit(1);
  }
  // A fleet that was killed while it came up is in the way, and no one else's.
  await takeDownFleet(SLOT);
  const fleet = await bringUpFleet(vms, {
    slot: SLOT,
    keep: true,
    progress: (line) => console.error(`fleet: ${line} …`),
  });
  console.log(JSON.stringify(fleet.vmDetails, null, 2));
  console.error(`fleet: up; its vm-details.json is ${join(fleet.directory, 'vm-details.json')}`);
}
