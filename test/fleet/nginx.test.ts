import { after, before, describe } from 'node:test';
import { reverseProxyContract } from '../contracts/reverse-proxy.contract.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { createNginxLab, withoutLua } from './nginx-lab.ts';
import type { FleetVm } from './vm.ts';

describe('NGINX', fleetOrSkip(), () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await bringUpFleet(2);
    await withoutLua(fleet.vms[1] as FleetVm);
  });
  after(() => fleet?.down());

  const skip = {
    'carries on with a large body while its answer comes back already':
      'NGINX stops sending a body once the app has begun to answer',
  };

  reverseProxyContract('NGINX with the Lua module', {
    create: () => createNginxLab(fleet.vms[0] as FleetVm, fleet.gateway),
    skip,
  });

  reverseProxyContract('NGINX without the Lua module', {
    create: () => createNginxLab(fleet.vms[1] as FleetVm, fleet.gateway),
    skip: {
      ...skip,
      'fails no request while upstreams are changed under load':
        'a reload of NGINX closes idle keep-alive connections, so a client may meet one that is just being closed',
    },
  });
});
