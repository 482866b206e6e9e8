import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { reverseProxyContract } from '../contracts/reverse-proxy.contract.ts';
import { sessionCookieContract } from '../contracts/reverse-proxy.cookies.ts';
import { ask, route, startUpstream } from '../contracts/reverse-proxy.support.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { createNginxLab, createSpareLab, withoutLua } from './nginx-lab.ts';
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

  reverseProxyContract('NGINX with the Lua module, at its spare ports', {
    create: () => createSpareLab(fleet.vms[0] as FleetVm, fleet.gateway),
    skip,
  });

  sessionCookieContract('NGINX with the Lua module, at its spare ports', {
    create: () => createSpareLab(fleet.vms[0] as FleetVm, fleet.gateway),
  });

  sessionCookieContract('NGINX with the Lua module', {
    create: () => createNginxLab(fleet.vms[0] as FleetVm, fleet.gateway),
  });

  sessionCookieContract('NGINX without the Lua module', {
    create: () => createNginxLab(fleet.vms[1] as FleetVm, fleet.gateway),
    skip: {
      'an app cannot set the platform’s session cookie, but its own ones':
        'NGINX alone can only change a cookie: browsers leave one that is marked Secure out, as the test below has it',
    },
  });

  test('without the Lua module browsers do not take the platform’s session cookie from an app', async (t) => {
    const { proxy, cleanup, freePort, publicHost } = await createNginxLab(fleet.vms[1] as FleetVm, fleet.gateway);
    t.after(cleanup);
    const upstream = await startUpstream({
      ip: fleet.gateway,
      handler: (_, response) => {
        response.setHeader('set-cookie', ['avishkar_session=mine; Path=/', 'own=1']);
        response.end();
      },
    });
    t.after(() => upstream.close());
    const port = await freePort();
    await proxy.apply([route('app', port, [upstream])]);
    const { headers } = await ask(`http://${publicHost}:${port}/`);
    assert.deepEqual(headers['set-cookie'], ['avishkar_session=mine; Path=/; Secure; SameSite=Strict', 'own=1']);
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
