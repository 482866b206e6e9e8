import type { Log } from '../../../ports/log.ts';
import type { Rejection } from '../../../ports/reverse-proxy.ts';

/** What the operator reads about NGINX in the log, each thing once and not at every look. */
export interface Words {
  /** What the main file lacks; it is the operator's. */
  advise(sentences: readonly string[]): void;
  /** Which routes are not live, and `notice`: why NGINX could not be told to read its files. */
  refuse(rejected: readonly Rejection[], notice?: string): void;
  /** A file of the platform's that somebody has changed. */
  putBack(path: string, how: 'edited' | 'deleted'): void;
}

export function createWords(machine: string, log: Log): Words {
  const advised = new Set<string>();
  let refused = '';
  return {
    advise(sentences) {
      for (const sentence of sentences) {
        if (!advised.has(sentence)) log.warn({ machine }, sentence);
        advised.add(sentence);
      }
    },
    refuse(rejected, notice) {
      const others = rejected.filter(({ reason }) => reason !== notice);
      const text = [notice ?? '', ...others.map(({ name, reason }) => `${name}: ${reason}`)].join('\n');
      if (text === refused) return;
      refused = text;
      if (notice) log.warn({ machine, reason: notice }, 'NGINX cannot be changed');
      for (const { name, reason } of others) log.warn({ machine, app: name, reason }, 'NGINX does not serve a route');
    },
    putBack(file, how) {
      const sentence = how === 'deleted' ? 'was deleted' : 'was changed by hand';
      log.warn({ machine, file }, `a file of the platform’s ${sentence} and is put back`);
    },
  };
}
