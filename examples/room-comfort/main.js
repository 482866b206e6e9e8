import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { comfort } from './comfort.js';
import { createSource } from './readings.js';

/*
 * Room comfort: reads three sensors, says whether the room feels good, and shows it live.
 *
 *   GET /            the page             GET /api/now       the newest reading with its verdict
 *   GET /stream      live, as SSE         GET /api/history   the last hour
 *   GET /health      200 while it works
 */

const READ_EVERY_MS = 2000;
/** The history has a point every 10 s, on the clock's tens, so that all replicas have the same points. */
const STEP_MS = 10_000;
const HISTORY_MS = 3_600_000;

const { env } = process;
const room = env.ROOM || 'Meeting room';
const limits = { temperature: number(env.THRESHOLD, 26), co2: number(env.CO2_LIMIT, 1000) };
const replica = env.AVISHKAR_REPLICA || 'local';
const source = createSource({ ...env, ROOM: room });
const page = readFileSync(new URL('page.html', import.meta.url));

const history = source.past(tens(Date.now() - HISTORY_MS), Date.now(), STEP_MS);
const streams = new Set();
let now = { room, replica, source: source.kind, limits, reading: null, comfort: null, problem: 'no reading yet' };

const server = createServer((request, response) => {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD', 'content-type': 'text/plain' }).end('Only GET\n');
    return;
  }
  const route = ROUTES.get(request.url.split('?')[0]);
  if (route) route(response, request);
  else response.writeHead(404, { 'content-type': 'text/plain' }).end('There is no such page\n');
});

const ROUTES = new Map([
  ['/', sendPage],
  ['/health', (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end('Ok\n')],
  ['/api/now', (response) => json(response, now)],
  ['/api/history', (response) => json(response, { stepMs: STEP_MS, readings: history })],
  ['/stream', openStream],
]);

function sendPage(response) {
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'content-security-policy':
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:",
  });
  response.end(page);
}

function openStream(response, request) {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  if (request.method === 'HEAD' || stopping) {
    response.end();
    return;
  }
  response.write(`retry: 1500\n\n${event(now)}`);
  streams.add(response);
  response.on('close', () => streams.delete(response));
}

server.listen(number(env.PORT, 8050), () => {
  const from = source.kind === 'simulated' ? 'a simulated room, as no sensors are bound' : 'its bound sensors';
  console.log(`room-comfort serves "${room}" on port ${server.address().port}, reading ${from}`);
  console.log(`limits: ${limits.temperature} °C, ${limits.co2} ppm CO2`);
});

let timer = setTimeout(sample);

async function sample() {
  const at = Date.now();
  const before = now;
  try {
    const reading = await source.read(at);
    now = { ...now, reading, comfort: comfort(reading, limits), problem: null };
    const slot = tens(at);
    if (slot > (history.at(-1)?.at ?? 0)) history.push({ ...reading, at: slot });
    while (history.length > 0 && history[0].at < at - HISTORY_MS) history.shift();
  } catch (error) {
    now = { ...now, problem: `The sensors do not answer: ${error.message}` };
  }
  report(before, now);
  for (const stream of streams) stream.write(event(now));
  if (!stopping) timer = setTimeout(sample, READ_EVERY_MS - (Date.now() % READ_EVERY_MS));
}

/** One line when something changes, not one per reading. */
function report(before, after) {
  if (after.problem) {
    if (after.problem !== before.problem) console.error(after.problem);
  } else if (before.comfort?.title !== after.comfort.title) {
    const { temperature, humidity, co2 } = after.reading;
    console.log(
      `${after.comfort.title}: ${temperature.toFixed(1)} °C, ${Math.round(humidity)} % humidity, ${Math.round(co2)} ppm CO2`,
    );
  }
}

let stopping = false;
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

/** Answers what was asked, ends the live streams (pages come back by themselves) and goes. */
function stop() {
  if (stopping) return;
  stopping = true;
  clearTimeout(timer);
  console.log(streams.size === 0 ? 'stopping' : `stopping; ${streams.size} open page(s) reconnect to another replica`);
  for (const stream of streams) stream.end();
  server.close(() => console.log('stopped'));
}

function json(response, value) {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(value)}\n`);
}

function event(value) {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function tens(at) {
  return Math.floor(at / STEP_MS) * STEP_MS;
}

function number(text, otherwise) {
  const value = Number.parseFloat(text ?? '');
  return Number.isFinite(value) ? value : otherwise;
}
