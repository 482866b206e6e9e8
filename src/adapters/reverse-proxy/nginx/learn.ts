import type { Log } from '../../../ports/log.ts';
import type { Machine } from './machine.ts';
import { checkConf, type MainFile, readMainFile } from './main-file.ts';
import { sumOf } from './plan.ts';
import { type SharedText, sharedText, type Variant } from './shared-text.ts';

/** What does not change by itself: the main file and what this NGINX can do. */
export interface Learnt {
  main: MainFile;
  /** SHA-256 of the main file. */
  sum: string;
  variant: Variant;
  shared: SharedText;
}

export interface Learner {
  /** Asks the machine only when nothing is known yet. */
  learn(): Promise<Learnt>;
  /** What is known may no longer hold. */
  forget(): void;
  /** True between `forget` and the next `learn`. */
  forgotten(): boolean;
}

/** Uses all that the platform's files need of the module. Taken only where the module and its Lua library are there. */
const PROBE = `lua_shared_dict avishkar 1m;
upstream avishkar_probe {
    server 0.0.0.1;
    balancer_by_lua_block { require("ngx.balancer").set_current_peer("127.0.0.1", 1) }
    keepalive 1;
}
server {
    listen 127.0.0.1:1;
    location / {
        set_by_lua_block $avishkar_probe { return ngx.ctx.probe }
        header_filter_by_lua_block { ngx.header["X"] = nil }
        proxy_pass http://avishkar_probe;
    }
}
`;

export function createLearner(options: { machine: Machine; log: Log; confDir: string; mainFile: string }): Learner {
  const { machine, log, confDir, mainFile } = options;
  let known: Learnt | null = null;
  return {
    async learn() {
      if (known) return known;
      const facts = await machine.facts();
      const main = readMainFile(mainFile, facts.main, confDir);
      const files = [`${machine.folder}/stage/new/probe.conf`];
      const refusal = await machine.check({
        files: new Map([['probe.conf', PROBE]]),
        shared: new Map(),
        removed: [],
        replaced: [],
        check: checkConf(main, confDir, files, true),
      });
      const variant: Variant = refusal === null ? 'lua' : 'plain';
      log.info({ machine: machine.name, variant }, 'how NGINX is told about replicas');
      const shared = sharedText(variant, machine.folder, atLeast(facts.version, [1, 19, 3]));
      known = { main, sum: sumOf(facts.main), variant, shared };
      return known;
    },
    forget() {
      known = null;
    },
    forgotten: () => known === null,
  };
}

/** Whether `nginx version: nginx/1.22.1 …` says that one or a newer one. */
function atLeast(version: string, least: readonly number[]): boolean {
  const found = /nginx\/(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? [];
  for (const [index, wanted] of least.entries()) {
    const part = found[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}
