import { AvkError } from '../../../domain/errors.ts';

/** What NGINX says about files that it would not take. */
export interface Refusal {
  /** Its sentence, with the paths that files have once they are in place; empty when it gives none. */
  sentence: string;
  /** Path of the file that it names, if it names one. */
  file: string | null;
  line: number | null;
  /** How many listening sockets are too many for `worker_connections`; 0 when that is not what is wrong. */
  surplus: number;
}

/** Reads what `nginx -t` printed. `confDir`: where files go; those under test wait below it. */
export function readRefusal(text: string, confDir: string): Refusal {
  const lines = text.split('\n').filter(Boolean);
  const said =
    lines.find((line) => /\[(emerg|crit|alert)\]/.test(line)) ??
    lines.find((line) => !/\[(notice|info|warn)\]/.test(line)) ??
    '';
  const sentence = said
    .replace(/^.*?\[(emerg|crit|alert)\]\s*/, '')
    .replace(/^\d+#\d+:\s*/, '')
    .replaceAll(`${confDir}/.avishkar/stage/new/`, `${confDir}/`)
    .replaceAll(`${confDir}/.avishkar/check.conf`, 'the main file');
  const place = / in (\/\S+):(\d+)$/.exec(sentence);
  const sockets = /^(\d+) worker_connections are not enough for (\d+) listening sockets/.exec(sentence);
  return {
    sentence,
    file: place?.[1] ?? null,
    line: place?.[2] ? Number(place[2]) : null,
    surplus: sockets ? Number(sockets[2]) + 1 - Number(sockets[1]) : 0,
  };
}

/** True when sudo refused, not NGINX. */
export function isSudoRefusal(text: string): boolean {
  return /^sudo: /m.test(text);
}

/** True when NGINX lacks the Lua module that files count on. */
export function lacksLua(text: string): boolean {
  return /unknown directive "\w*(_by_lua|lua_)\w*"|resty\.core|ngx_http_lua_module/.test(text);
}

export function sudoProblem(machine: string, text: string): AvkError {
  const sentence = text.split('\n').find((line) => line.startsWith('sudo: ')) ?? text;
  return new AvkError(
    'AVK_SERVICE_UNAVAILABLE',
    `The platform’s user may not run NGINX on ${machine} (${sentence}); avishkar nodes check ${machine} says which line sudo lacks.`,
  );
}
