import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { builtInLab } from '../../../../test/contracts/broken/reverse-proxy-lab.ts';
import { ask, exchange, freePort, route, startUpstream } from '../../../../test/contracts/reverse-proxy.support.ts';

const ip = '127.0.0.1';
const PLANTED = 'planted-session-token';

/** A proxy before an app that answers, and upgrades, with the Cookie header it got. */
async function start(t: TestContext): Promise<number> {
  const upstream = await startUpstream({
    ip,
    handler: (request, response) => {
      response.setHeader('set-cookie', ['avishkar_session=mine; Path=/api', 'avishkar_sessions=kept', 'own=1']);
      response.end(JSON.stringify(request.headers.cookie ?? null));
    },
    upgrade: (request, socket) =>
      socket.end(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\nX-Got: [${request.headers.cookie ?? ''}]\r\n\r\n`,
      ),
  });
  t.after(() => upstream.close());
  const { proxy, cleanup } = await builtInLab();
  t.after(cleanup);
  const port = await freePort(ip);
  assert.deepEqual(await proxy.apply([route('room-comfort-1', port, [upstream])]), { rejected: [] });
  return port;
}

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

test('an app is not sent the platform’s session cookie, but all others', async (t) => {
  const port = await start(t);
  for (const [sent, passedOn] of CASES) {
    const { body } = await ask(`http://${ip}:${port}/api/x`, { headers: { Cookie: sent } });
    assert.equal(JSON.parse(body.toString()) ?? '', passedOn, sent);
  }
  const twice = `GET / HTTP/1.1\r\nHost: a\r\nCookie: avishkar_session=${PLANTED}\r\ncOOkie: c=3\r\n\r\n`;
  const { text, socket } = await exchange(ip, port, twice);
  socket.destroy();
  assert.match(text, /"c=3"/);
  assert.ok(!text.includes(PLANTED));
});

test('an app that upgrades is not sent the platform’s session cookie either', async (t) => {
  const port = await start(t);
  for (const [sent, passedOn] of CASES) {
    const bytes = `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nCookie: ${sent}\r\n\r\n`;
    const { text, socket } = await exchange(ip, port, bytes);
    socket.destroy();
    assert.match(text, /^HTTP\/1.1 101 /);
    assert.ok(text.includes(`X-Got: [${passedOn}]`), `${sent}: ${text}`);
  }
});

test('an app cannot set the platform’s session cookie, but its own ones', async (t) => {
  const port = await start(t);
  const { headers } = await ask(`http://${ip}:${port}/`);
  assert.deepEqual(headers['set-cookie'], ['avishkar_sessions=kept', 'own=1']);
});
