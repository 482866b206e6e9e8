import { posix } from 'node:path';

interface Pattern {
  matches: RegExp;
  /** Brings back what an earlier one left out. */
  exception: boolean;
}

/**
 * What a .dockerignore leaves out of the context. Docker's own command line applies it before it sends anything, and so
 * has whoever else asks the Engine to build. The last pattern that matches a path, or a folder above it, decides.
 */
export function ignoredBy(dockerignore: string, always: readonly string[]): (path: string) => boolean {
  const patterns = dockerignore
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .flatMap((line) => readPattern(line) ?? []);
  return (path) => {
    if (always.includes(path)) return false;
    const parts = path.split('/');
    const paths = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    const last = patterns.findLast(({ matches }) => paths.some((each) => matches.test(each)));
    return last !== undefined && !last.exception;
  };
}

function readPattern(line: string): Pattern | null {
  if (line.startsWith('#')) return null;
  const trimmed = line.trim();
  const exception = trimmed.startsWith('!');
  const path = posix.normalize((exception ? trimmed.slice(1) : trimmed).trim()).replace(/^\/|\/$/g, '');
  if (trimmed === '' || path === '' || path === '.') return null;
  const matches = toRegExp(path);
  return matches && { matches, exception };
}

/** Null when it is no pattern: Docker's command line refuses that, here it leaves nothing out. */
function toRegExp(pattern: string): RegExp | null {
  const source = pattern.replaceAll(/\*\*\/?|\*|\?|\\(.)|\[[^\]]*\]|[^*?\\[]/gs, (token, escaped?: string) => {
    if (token === '**/') return '(?:.*/)?';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.startsWith('[')) return token;
    return (escaped ?? token).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  try {
    return new RegExp(`^${source}$`, 's');
  } catch {
    return null;
  }
}
