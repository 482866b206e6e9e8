import { createHash } from 'node:crypto';
import { namePattern } from '../../../domain/names.ts';
import type { Route, Upstream } from '../../../ports/reverse-proxy.ts';
import { htmlInConf, jsonInConf, jsonText } from './escape.ts';
import { type ControlSpec, KEPT, luaCall, type SharedText, sharedConf, type Variant } from './shared-text.ts';
import { spareServer } from './spare-conf.ts';

/** The shared file comes first in the folder, and no app can be called so. */
export const SHARED_FILE = '00-avishkar.conf';

/** NGINX reads no word of more than 4 KiB, and each character may take ten. */
const MAX_NOTE = 250;

/** Why no file can be made of the route, or null. */
export function problemWithName(name: string): string | null {
  return namePattern.safeParse(name).success ? null : 'its name cannot be that of a file';
}

export const fileOf = (route: Route): string => `${route.name}.conf`;

/** `10.0.0.1:20000`, `[::1]:20000`. */
export function addressOf({ ip, port }: Upstream): string {
  return `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
}

/** What visitors read. Notes of routes with replicas are for nobody to see, and no reason to write the file anew. */
function noteOf({ note, upstreams }: Route): string {
  return note === '' || upstreams.length > 0 ? 'no replica is running' : note.slice(0, MAX_NOTE);
}

/** The file of a route. Expects what `checkRoutes` and `problemWithName` accept. */
export function renderRoute(route: Route, variant: Variant, shared: SharedText): string {
  const { name, publicPort, maxBodyBytes } = route;
  const unserved = variant === 'plain' && route.upstreams.length === 0;
  // The module sends streamed ones on by itself; each `if` would cost NGINX as much as a location.
  const divide = shared.lua ? '' : '        if ($avishkar_streamed) { return 418; }\n';
  const body = `${unserved ? '' : upstreamBlock(route, shared)}server {
    listen 0.0.0.0:${publicPort};
    client_max_body_size ${maxBodyBytes};
    include ${shared.errors};
    location / {
${unserved ? '        return 503;\n' : divide + passOn(route, shared, shared.proxy, 'enter')}    }
    location @streamed {
${unserved ? '        return 503;\n' : passOn(route, shared, shared.streamed, 'admit')}    }
    location @avishkar {
        set $avishkar_app "${name}";
        set $avishkar_limit "${maxBodyBytes}";
        set $avishkar_note_html "${htmlInConf(noteOf(route))}";
        set $avishkar_note_json "${jsonInConf(noteOf(route))}";
        include ${shared.page};
    }
}
`;
  return withHead(`${name}, port ${publicPort}`, body);
}

const serversOf = (route: Route): string => `${route.name}_servers`;
const listOf = (route: Route): string => route.upstreams.map(addressOf).join(',');

function passOn(route: Route, shared: SharedText, include: string, door: 'enter' | 'admit'): string {
  const admit = shared.lua
    ? `        access_by_lua_block { ${luaCall(shared, `${door}("${route.name}", "${listOf(route)}")`)} }\n`
    : '';
  // Without a path of its own, so that NGINX passes the request's on byte by byte.
  return `        include ${include};\n${admit}        proxy_pass http://${serversOf(route)};\n`;
}

function upstreamBlock(route: Route, shared: SharedText): string {
  const lua = shared.lua !== null;
  // A replica that failed is asked again after a second, not NGINX's ten: when all of an app's restart, it is back at once.
  const lines = route.upstreams.map((each) => `    server ${addressOf(each)}${lua ? '' : ' fail_timeout=1s'};\n`);
  // NGINX wants one; the module never asks it.
  if (lines.length === 0) lines.push('    server 0.0.0.1:1;\n');
  const choose = `    balancer_by_lua_block { ${luaCall(shared, `balance("${route.name}", "${listOf(route)}")`)} }\n`;
  return `upstream ${serversOf(route)} {
${lines.join('')}${lua ? choose : ''}${KEPT}}
`;
}

/** What the platform says last about a route's replicas and note: a line for NGINX's shared dictionary. */
export function endpointLine(route: Route): string {
  const fields = [route.upstreams.map(addressOf).join(','), htmlInConf(noteOf(route)), jsonText(noteOf(route))];
  return `set\t${route.name}\t${fields.join('\t')}`;
}

const MARK = '# Written by Avishkar for';

function withHead(what: string, body: string): string {
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 16);
  return `${MARK} ${what} (${hash}). Changes by hand are put back.\n${body}`;
}

/** What a file's first line says: whose it is, or null when it is not the platform's. */
export function readHead(line: string): { what: string; port: number | null; hash: string } | null {
  const match = /^# Written by Avishkar for (.+) \(([0-9a-f]{16})\)\. /.exec(line);
  if (!match?.[1] || !match[2]) return null;
  const port = /, port (\d+)$/.exec(match[1]);
  return { what: match[1], port: port ? Number(port[1]) : null, hash: match[2] };
}

export interface Desired {
  /** By name in NGINX's folder. */
  files: Map<string, string>;
  /** What is to be live of each route: all of its file, or with the Lua module all but replicas and note. */
  structure: Map<string, string>;
  /** Hash of what a reload makes live. */
  generation: string;
}

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

/** All files that are to be there for these routes. */
export function renderAll(
  routes: readonly Route[],
  variant: Variant,
  shared: SharedText,
  control: ControlSpec,
  spares: readonly number[] = [],
): Desired {
  const files = new Map<string, string>();
  const structure = new Map<string, string>();
  for (const route of routes) {
    const text = renderRoute(route, variant, shared);
    files.set(fileOf(route), text);
    const bare = variant === 'lua' ? renderRoute({ ...route, upstreams: [], note: '' }, variant, shared) : text;
    structure.set(route.name, sha(bare));
  }
  const all = [...structure].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, each]) => `${name} ${each}`);
  const conf = (generation: string): string =>
    sharedConf({ variant, shared, control, generation, spares: spareServer(spares, shared) });
  const generation = sha([variant, sha(conf('')), ...all].join('\n')).slice(0, 16);
  files.set(SHARED_FILE, withHead('the platform', conf(generation)));
  return { files, structure, generation };
}

/** Port and token of the loopback-only server, from the shared file that is there; null when it has none. */
export function readControl(text: string): ControlSpec | null {
  const port = /listen 127\.0\.0\.1:(\d+);/.exec(text);
  const token = /\.change\("([0-9a-f]+)"\)/.exec(text);
  return port ? { port: Number(port[1]), token: token?.[1] ?? '' } : null;
}
