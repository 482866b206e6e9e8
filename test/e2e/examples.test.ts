import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { zipFolder } from '../../src/main/zip-folder.ts';
import { type Api, signIn } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, ROOT, startPlatform, type TestPlatform } from '../support/platform.ts';

describe('examples', () => {
  let home: Home;
  let platform: TestPlatform;
  let api: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    api = await signIn(platform.url);
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  /** Uploads the folder as the command line does, and deploys it. */
  async function deployed(app: string, runtime: string, config: Record<string, unknown>): Promise<string> {
    const form = new FormData();
    const zip = await buffer((await zipFolder(join(ROOT, 'examples', app))).open());
    form.set('file', new Blob([new Uint8Array(zip)], { type: 'application/zip' }), `${app}.zip`);
    const headers = { authorization: `Bearer ${api.token}` };
    const uploaded = await fetch(`${platform.url}/api/baseApp/upload/`, { method: 'POST', headers, body: form });
    const { manifest } = (await uploaded.json()) as { manifest: { runtime: string; sensors: unknown[] } };
    assert.equal(uploaded.status, 201);
    assert.equal(manifest.runtime, runtime);
    assert.ok(manifest.sensors.length > 0, 'it says which sensors it takes');
    const { endpoint } = await api.reaches(await api.deploy(app, { config }), 'running');
    assert.ok(endpoint);
    return endpoint;
  }

  async function page(url: string): Promise<string> {
    const answer = await fetch(url);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type') ?? '', /^text\/html/);
    const text = await answer.text();
    assert.doesNotMatch(text.replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\//, 'nothing from other hosts');
    return text;
  }

  const json = async <T>(url: string): Promise<T> => (await (await fetch(url)).json()) as T;

  async function endsWell(instance: string, lastWords: string | null): Promise<void> {
    const replica = (await api.instance(instance)).replicas[0];
    assert.equal(replica?.restarts, 0);
    if (lastWords !== null) {
      const { lines } = await api.get<{ lines: { line: string }[] }>(`/api/deployedApps/${instance}/logs`);
      assert.ok(lines.some(({ line }) => line.includes(lastWords)));
    }
    await api.stop(instance);
    await api.reaches(instance, 'stopped');
  }

  test('room-comfort (node) is served, with its settings and its health', async () => {
    const endpoint = await deployed('room-comfort', 'node', { ROOM: 'Atelier', THRESHOLD: 23 });
    assert.match(await page(endpoint), /Room comfort/);
    assert.equal((await fetch(`${endpoint}/health`)).status, 200);
    const now = await json<{ room: string; source: string; limits: { temperature: number } }>(`${endpoint}/api/now`);
    assert.deepEqual([now.room, now.source, now.limits.temperature], ['Atelier', 'simulated', 23]);
    await endsWell('room-comfort-1', 'reading a simulated room');
  });

  test('cold-chain (python) is served, with its settings, its health and a signed report', async () => {
    const key = 'planted-key-of-the-report';
    const config = { FLEET: 'Fjord line', CARGO: 'frozen food', TRANSPORTS: 3, EARLY_WARNING: false, REPORT_KEY: key };
    const endpoint = await deployed('cold-chain', 'python', config);
    assert.match(await page(endpoint), /simulated readings/);
    const health = await fetch(`${endpoint}/health`);
    assert.deepEqual([health.status, await health.text()], [200, 'Ok\n']);
    const now = await json<{
      fleet: string;
      source: string;
      limits: Record<string, unknown>;
      transports: { temperature: number; level: string }[];
    }>(`${endpoint}/api/now`);
    assert.deepEqual([now.fleet, now.source], ['Fjord line', 'simulated']);
    assert.deepEqual(now.limits, { low: -30, high: -18, excursionMinutes: 8, doorMinutes: 4, early: false });
    assert.equal(now.transports.length, 3);
    for (const { temperature } of now.transports) assert.ok(temperature > -40 && temperature < 20);
    const { transports } = await json<{ transports: Record<string, { at: number[] }> }>(`${endpoint}/api/history`);
    assert.ok(Object.values(transports).every(({ at }) => at.length > 1000));
    const report = await fetch(`${endpoint}/report.csv`);
    const bytes = Buffer.from(await report.arrayBuffer());
    assert.match(bytes.toString(), /^transport,what,from,to,worst °C,judged\r\n/);
    const expected = `sha256=${createHmac('sha256', key).update(bytes).digest('hex')}`;
    assert.equal(report.headers.get('x-signature'), expected);
    for (const path of ['/', '/api/now', '/api/history']) {
      assert.ok(!(await (await fetch(`${endpoint}${path}`)).text()).includes(key));
    }
    assert.equal((await fetch(`${endpoint}/`, { method: 'POST', body: 'x' })).status, 405);
    assert.equal((await fetch(`${endpoint}/gone`)).status, 404);
    await endsWell('cold-chain-1', 'reading simulated transports');
  });

  test('replicas of cold-chain tell the same of the past', async () => {
    const instanceName = 'two-watchers';
    await api.deploy('cold-chain', { instanceName, scale: { min: 2, max: 2 } });
    const { endpoint } = await api.reaches(instanceName, 'running');
    await eventually(async () => {
      const { replicas } = await api.instance(instanceName);
      return replicas.length === 2 && replicas.every(({ state }) => state === 'healthy');
    });
    // Right after one another, as a report is of the hours before it; again, should that have been between two samples.
    await eventually(async () => {
      const told = new Map<string, string>();
      for (let asked = 0; asked < 20 && told.size < 2; asked += 1) {
        const answer = await fetch(`${endpoint}/report.csv`, { headers: { connection: 'close' } });
        assert.equal(answer.status, 200);
        told.set(answer.headers.get('x-replica') ?? '', await answer.text());
      }
      assert.equal(told.size, 2, 'one replica gave all the answers');
      const [one, other] = told.values();
      assert.equal(one, other);
      return true;
    });
    await api.stop(instanceName);
    await api.reaches(instanceName, 'stopped');
  });

  test('campus-map (static) is served, with its settings for its page', async () => {
    const endpoint = await deployed('campus-map', 'static', { CAMPUS: 'Hill campus', FAHRENHEIT: true });
    assert.match(await page(endpoint), /simulated readings/);
    const settings = await json(`${endpoint}/avishkar-config.json`);
    const rest = { LAYER: 'temperature', WARM_FROM: 26, STUFFY_FROM: 1000 };
    assert.deepEqual(settings, { CAMPUS: 'Hill campus', FAHRENHEIT: true, ...rest });
    for (const file of ['app.js', 'map.js', 'campus.js', 'readings.js', 'layers.js', 'style.css', 'icon.svg']) {
      assert.equal((await fetch(`${endpoint}/${file}`)).status, 200, file);
    }
    const lost = await fetch(`${endpoint}/gone`);
    assert.deepEqual([lost.status, /Not on the map/.test(await lost.text())], [404, true]);
    await endsWell('campus-map-1', null);
  });
});
