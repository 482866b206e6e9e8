import { dirname, resolve } from 'node:path/posix';
import { type Directive, parseConf } from './conf-text.ts';

/** What matters here of NGINX's main file, which is the operator's and never written. */
export interface MainFile {
  path: string;
  text: string;
  pidFile: string;
  errorLog: string;
  workerConnections: number;
  /** Null: as the system has it. */
  openFiles: number | null;
  hasShutdownTimeout: boolean;
  /** Whether the folder's files are read inside `http`. */
  includesConfDir: boolean;
}

/** What NGINX takes when nothing is said. */
const DEFAULT_CONNECTIONS = 512;
const DEFAULT_PID_FILE = '/run/nginx.pid';
const DEFAULT_LOG = '/var/log/nginx/error.log';

export function readMainFile(path: string, text: string, confDir: string): MainFile {
  const top = parseConf(text);
  const inEvents = top.find((each) => each.name === 'events')?.block ?? [];
  const value = (list: readonly Directive[], name: string): string | null =>
    list.findLast((each) => each.name === name)?.args[0] ?? null;
  const openFiles = value(top, 'worker_rlimit_nofile');
  return {
    path,
    text,
    pidFile: resolve(dirname(path), value(top, 'pid') ?? DEFAULT_PID_FILE),
    errorLog: resolve(dirname(path), value(top, 'error_log') ?? DEFAULT_LOG),
    workerConnections: Number(value(inEvents, 'worker_connections') ?? DEFAULT_CONNECTIONS),
    openFiles: openFiles === null ? null : Number(openFiles),
    hasShutdownTimeout: value(top, 'worker_shutdown_timeout') !== null,
    includesConfDir: confIncludes(top, path, confDir).length > 0,
  };
}

function httpBlock(top: readonly Directive[]): readonly Directive[] {
  return top.find((each) => each.name === 'http')?.block ?? [];
}

function confIncludes(top: readonly Directive[], path: string, confDir: string): Directive[] {
  return httpBlock(top).filter(
    (each) => each.name === 'include' && isConfDirPattern(resolve(dirname(path), each.args[0] ?? ''), confDir),
  );
}

function isConfDirPattern(pattern: string, confDir: string): boolean {
  return pattern === `${confDir}/*.conf` || pattern === `${confDir}/*`;
}

/**
 * The main file as it would be with these files in place of what it reads from the folder, to be tested before anything
 * is put there. `alone`: without what else it includes inside `http`, so that a failure is the files' own.
 */
export function checkConf(main: MainFile, confDir: string, files: readonly string[], alone: boolean): string {
  const top = parseConf(main.text);
  const ours = confIncludes(top, main.path, confDir);
  const dropped = alone
    ? httpBlock(top).filter((each) => each.name === 'include' && !/\bmime\.types$/.test(each.args[0] ?? ''))
    : ours;
  const lines = files.map((file) => `include ${file};`).join('\n');
  let text = main.text;
  for (const each of [...new Set([...ours, ...dropped])].sort((a, b) => b.start - a.start)) {
    text = text.slice(0, each.start) + (each === ours[0] ? lines : '') + text.slice(each.end);
  }
  return text;
}
