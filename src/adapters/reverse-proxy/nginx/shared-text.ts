import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { PAGE_STATUSES, PAGES_MAPS } from './pages.ts';

/** How NGINX is told about replicas: by `server` lines alone, or by the Lua module as well. */
export type Variant = 'plain' | 'lua';

/** What routes' files of one variant refer to. */
export interface SharedText {
  /** By file name, below the platform's own folder; the names have a hash, so a new text never changes an old file. */
  files: ReadonlyMap<string, string>;
  /** For `location /`, with what a request and its answer need on their way. */
  proxy: string;
  /** The same for what is large or may take long. */
  streamed: string;
  /** For a `server`: which statuses are answered by which location. */
  errors: string;
  /** For the location that answers by itself. */
  page: string;
  /** The Lua text; null without the module. */
  lua: string | null;
}

/** Idle connections to an app, of each worker, and how long: below the shortest default of app servers in use (2 s). */
export const KEPT = '    keepalive 32;\n    keepalive_timeout 1500ms;\n';

const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

/** What every way to an app says. Own `proxy_set_header` lines end the inheritance of an operator's. */
const HEADERS = `proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Host $http_host;
proxy_set_header Cookie $avishkar_cookie;
proxy_set_header TE "";
proxy_set_header Trailer "";
proxy_set_header Keep-Alive "";
proxy_set_header Proxy-Connection "";
proxy_set_header Proxy-Authorization "";
proxy_redirect off;
proxy_intercept_errors off;
proxy_pass_header Server;
proxy_pass_header Date;
proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset;
# Each part of an answer goes on as it comes.
proxy_buffering off;
proxy_buffer_size 32k;
proxy_buffers 8 32k;
proxy_busy_buffers_size 64k;
# Never for a POST that was sent: NGINX counts those as not to be repeated.
proxy_next_upstream error timeout;
proxy_next_upstream_tries 3;
proxy_connect_timeout 5s;
`;

const PLAIN_PROXY = `${HEADERS}proxy_set_header Connection "";
proxy_set_header Upgrade "";
# Small bodies are read whole, in memory, before a replica is asked.
proxy_request_buffering on;
client_body_buffer_size 128k;
proxy_read_timeout 60s;
proxy_send_timeout 60s;
`;

const STREAMED_PROXY = `${HEADERS}proxy_set_header Connection $avishkar_connection;
proxy_set_header Upgrade $avishkar_upgrade;
proxy_request_buffering off;
proxy_read_timeout 1h;
proxy_send_timeout 1h;
client_body_timeout 1h;
`;

const ERRORS = `error_page 418 = @streamed;
error_page ${PAGE_STATUSES.join(' ')} @avishkar;
recursive_error_pages on;
gzip off;
underscores_in_headers on;
keepalive_timeout 65s;
send_timeout 1h;
client_body_timeout 1h;
`;

const PAGE = `default_type "";
add_header Content-Type $avishkar_page_type always;
add_header Cache-Control no-store always;
add_header X-Content-Type-Options nosniff always;
add_header Retry-After $avishkar_retry_after always;
return 200 $avishkar_page;
`;

const LUA = readFileSync(new URL('./balancer.lua', import.meta.url), 'utf8');

/** A call of the platform's Lua text, which each worker loads once. */
export function luaCall({ lua }: Pick<SharedText, 'lua'>, call: string): string {
  return `(package.loaded.avishkar or dofile("${lua}")).${call}`;
}

/**
 * `dir`: the platform's own folder inside NGINX's, by its absolute path. `cookieFlags`: whether this NGINX knows
 * `proxy_cookie_flags`.
 */
export function sharedText(variant: Variant, dir: string, cookieFlags: boolean): SharedText {
  const files = new Map<string, string>();
  const put = (name: string, extension: string, text: string): string => {
    const file = `${name}-${hash(text)}.${extension}`;
    files.set(file, text);
    return `${dir}/${file}`;
  };
  const lua = variant === 'lua' ? put('balancer', 'lua', LUA) : null;
  const call = (text: string): string => luaCall({ lua }, text);
  const cookie = lua
    ? `header_filter_by_lua_block { ${call('drop_session_cookie()')} }\n`
    : // Taking the line out needs a module; browsers do not take a cookie that is for HTTPS alone from a plain page.
      cookieFlags
      ? 'proxy_cookie_flags avishkar_session secure samesite=strict;\n'
      : '';
  const notes = lua
    ? `set_by_lua_block $avishkar_note_html { return ${call('note("html", ngx.var.avishkar_app, ngx.var.avishkar_note_html)')} }\n` +
      `set_by_lua_block $avishkar_note_json { return ${call('note("json", ngx.var.avishkar_app, ngx.var.avishkar_note_json)')} }\n`
    : '';
  return {
    files,
    proxy: put('proxy', 'inc', PLAIN_PROXY + cookie),
    streamed: put('streamed', 'inc', STREAMED_PROXY + cookie),
    errors: put('errors', 'inc', ERRORS),
    page: put('page', 'inc', notes + PAGE),
    lua,
  };
}

/**
 * Which requests are large or may take long: those that want another protocol or an event stream, and bodies that say no
 * length or one of 100 kB and more.
 */
const STREAMED_MAPS = `map $http_upgrade $avishkar_upgrade {
    default $http_upgrade;
    "~*^h2c$" "";
}
map $avishkar_upgrade $avishkar_connection {
    default upgrade;
    "" "";
}
map $avishkar_upgrade $avishkar_streamed {
    default 1;
    "" $avishkar_streamed_answer;
}
map $http_accept $avishkar_streamed_answer {
    default $avishkar_streamed_body;
    "~*\\btext/event-stream\\b" 1;
}
map $http_transfer_encoding $avishkar_streamed_body {
    default 1;
    "" $avishkar_large_body;
}
map $http_content_length $avishkar_large_body {
    default 0;
    "~^[0-9]{6,}$" 1;
}`;

/**
 * Browsers do not keep the cookies of ports apart, so the platform's session is taken out of what apps get. Each map
 * takes the last one out; if a client sends more of them than any browser would, none of its cookies goes on.
 */
const COOKIE_MAPS = [1, 2, 3, 4]
  .map((step) => {
    const from = step === 1 ? '$http_cookie' : `$avishkar_cookie${step - 1}`;
    return `map ${from} $avishkar_cookie${step} {
    default ${from};
    "~^(?<avishkar_before${step}>.*);\\s*avishkar_session\\s*(?:=[^;]*)?(?<avishkar_after${step}>;.*)?$" $avishkar_before${step}$avishkar_after${step};
    "~^\\s*avishkar_session\\s*(?:=[^;]*)?(?:;\\s*(?<avishkar_rest${step}>.*))?$" $avishkar_rest${step};
}`;
  })
  .concat(`map $avishkar_cookie4 $avishkar_cookie {
    default $avishkar_cookie4;
    "~(?:^|;)\\s*avishkar_session\\s*(?:=|;|$)" "";
}`)
  .join('\n');

/** `lua_shared_dict`: 5,000 routes with their notes need about 5 MB. */
const LUA_MEMORY = 'lua_shared_dict avishkar 16m;\n';

/** What the loopback-only server of the shared file is told apart by. */
export interface ControlSpec {
  port: number;
  /** Whoever wants to change endpoints shows this. */
  token: string;
}

/**
 * The one file of the platform beside those of the routes. `generation`: what the server answers by once it is live;
 * `spares`: the server for routes to come, if there is one.
 */
export function sharedConf(options: {
  variant: Variant;
  shared: SharedText;
  control: ControlSpec;
  generation: string;
  spares: string;
}): string {
  const { variant, shared, control, generation, spares } = options;
  return `${STREAMED_MAPS}
${COOKIE_MAPS}
${PAGES_MAPS}
${variant === 'lua' ? LUA_MEMORY : ''}server {
    listen 127.0.0.1:${control.port};
    access_log off;
    default_type text/plain;
    # So that they are known when no app sets them.
    set $avishkar_app "";
    set $avishkar_limit "";
    set $avishkar_note_html "";
    set $avishkar_note_json "";
    client_body_buffer_size 8m;
    client_max_body_size 8m;
${controlLocations(shared, control, generation)}
}
${spares}`;
}

function controlLocations(shared: SharedText, control: ControlSpec, generation: string): string {
  if (shared.lua === null) return `    location = /state { return 200 "${generation} -"; }`;
  return `    location = /state { content_by_lua_block { ${luaCall(shared, `state("${generation}")`)} } }
    location = /endpoints { content_by_lua_block { ${luaCall(shared, `change("${control.token}")`)} } }`;
}
