import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ReverseProxyContractOptions, ReverseProxyLab } from './reverse-proxy.contract.ts';
import { ask, exchange, freePort, route, startUpstream, type TestUpstream } from './reverse-proxy.support.ts';

const PLANTED = 'planted-session-token';

/** What the client sends, and what of it is the app's business. */
const CASES: [sent: string, passedOn: string][] = [
  [`avishkar_session=${PLANTED}`, ''],
  [`a=1; avishkar_session=${PLANTED}; b=2`, 'a=1; b=2'],
  [`avishkar_session=${PLANTED}; b=2`, 'b=2'],
  [`a=1;avishkar_session=${PLANTED}`, 'a=1'],
  [`a=1;  avishkar_session =${PLANTED};avishkar_session=${PLANTED}`, 'a=1'],
  [
    'avishkar_sessions=1; my_avishkar_session=2; a=avishkar_session',
    'avishkar_sessions=1; my_avishkar_session=2; a=avishkar_session',
  ],
];

/** What every ReverseProxy does with the cookie of the platform's own session. */
export function sessionCookieContract(name: string, options: ReverseProxyContractOptions): void {
  describe(`ReverseProxy and the session cookie: ${name}`, () => {
    let lab: ReverseProxyLab;
    let upstream: TestUpstream;
    let host = '127.0.0.1';
    let port = 0;
    before(async () => {
      lab = await options.create();
      host = lab.publicHost ?? host;
      // Answers, and upgrades, with the Cookie header it got.
      upstream = await startUpstream({
        ip: lab.upstreamHost ?? '127.0.0.1',
        handler: (request, response) => {
          response.setHeader('set-cookie', ['avishkar_session=mine; Path=/api', 'avishkar_sessions=kept', 'own=1']);
          response.end(JSON.stringify(request.headers.cookie ?? null));
        },
        upgrade: (request, socket) =>
          socket.end(
            `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\nX-Got: [${request.headers.cookie ?? ''}]\r\n\r\n`,
          ),
      });
      port = await (lab.freePort?.() ?? freePort(host));
      assert.deepEqual(await lab.proxy.apply([route('room-comfort-1', port, [upstream])]), { rejected: [] });
    });
    after(async () => {
      await lab.cleanup();
      await upstream.close();
    });
    const check = (title: string, fn: () => Promise<void>): void => {
      test(title, { skip: options.skip?.[title] ?? false, timeout: 60_000 }, fn);
    };

    check('an app is not sent the platform’s session cookie, but all others', async () => {
      for (const [sent, passedOn] of CASES) {
        const { body } = await ask(`http://${host}:${port}/api/x`, { headers: { Cookie: sent } });
        assert.equal(JSON.parse(body.toString()) ?? '', passedOn, sent);
      }
      const twice = `GET / HTTP/1.1\r\nHost: a\r\nCookie: avishkar_session=${PLANTED}\r\ncOOkie: c=3\r\n\r\n`;
      const { text, socket } = await exchange(host, port, twice);
      socket.destroy();
      assert.match(text, /"c=3"/);
      assert.ok(!text.includes(PLANTED));
      // However many an app has had the browser send along, to hide the right one among them.
      const many = `${'avishkar_session=x; '.repeat(30)}avishkar_session=${PLANTED}`;
      const { body } = await ask(`http://${host}:${port}/`, { headers: { Cookie: many } });
      assert.ok(!body.includes('avishkar_session') && !body.includes(PLANTED));
    });

    check('an app that upgrades is not sent the platform’s session cookie either', async () => {
      for (const [sent, passedOn] of CASES) {
        const bytes = `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nCookie: ${sent}\r\n\r\n`;
        const { text, socket } = await exchange(host, port, bytes);
        socket.destroy();
        assert.match(text, /^HTTP\/1.1 101 /);
        assert.ok(text.includes(`X-Got: [${passedOn}]`), `${sent}: ${text}`);
      }
    });

    check('an app cannot set the platform’s session cookie, but its own ones', async () => {
      const { headers } = await ask(`http://${host}:${port}/`);
      assert.deepEqual(headers['set-cookie'], ['avishkar_sessions=kept', 'own=1']);
    });
  });
}
