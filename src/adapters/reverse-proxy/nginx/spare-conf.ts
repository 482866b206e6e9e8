import { KEPT, luaCall, type SharedText } from './shared-text.ts';

/** No other line of the shared file says it like this. */
const SPARE_LISTEN = 'listen 0.0.0.0:';

/** The limit of bodies at a spare port, as nobody knows whose it will be: none, which is what apps have by default. */
export const SPARE_BODY_BYTES = 0;

/** Listens on the spare ports for routes to come; see `renewSpares`. Empty without ports. */
export function spareServer(spares: readonly number[], shared: SharedText): string {
  if (spares.length === 0) return '';
  const call = (text: string): string => luaCall(shared, text);
  const passTo = (include: string, door: string): string =>
    `        include ${include};
        access_by_lua_block { ${call(`${door}()`)} }
        proxy_pass http://avishkar_spare;`;
  return `upstream avishkar_spare {
    server 0.0.0.1:1;
    balancer_by_lua_block { ${call('balance_spare()')} }
${KEPT}}
server {
${spares.map((port) => `    ${SPARE_LISTEN}${port};`).join('\n')}
    client_max_body_size ${SPARE_BODY_BYTES};
    include ${shared.errors};
    location / {
${passTo(shared.proxy, 'enter_spare')}
    }
    location @streamed {
${passTo(shared.streamed, 'admit_spare')}
    }
    location @avishkar {
        set_by_lua_block $avishkar_app { return ${call('owner()')} }
        set $avishkar_limit "${SPARE_BODY_BYTES}";
        set $avishkar_note_html "";
        set $avishkar_note_json "";
        include ${shared.page};
    }
}
`;
}

/** The ports on which the shared file that is there has NGINX listen for routes to come. */
export function readSpares(text: string): number[] {
  return text
    .split(SPARE_LISTEN)
    .slice(1)
    .map((rest) => Number.parseInt(rest, 10));
}
