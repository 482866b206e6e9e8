import { AvkError } from '../../../domain/errors.ts';
import type { Log } from '../../../ports/log.ts';
import type { Machine, Place } from './machine.ts';
import { checkConf, type MainFile, readMainFile } from './main-file.ts';
import { isSudoRefusal, lacksLua, sudoProblem } from './refusal.ts';
import { type SharedText, sharedText, type Variant } from './shared-text.ts';

/** What does not change by itself: the main file and what this NGINX can do. */
export interface Learnt {
  main: MainFile;
  /** As in `Seen.main`. */
  sum: string;
  variant: Variant;
  shared: SharedText;
}

export interface Learner {
  /** Asks the machine only when nothing is known yet. */
  learn(): Promise<Learnt>;
  /** The same without asking; null when nothing is known yet. */
  known(): Learnt | null;
  /** What is known may no longer hold. */
  forget(): void;
  /** Where NGINX writes, as far as it was learnt; asks nobody. */
  place(): Place;
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

export function createLearner(options: {
  machine: Machine;
  log: Log;
  confDir: string;
  mainFile: string;
  program: string;
}): Learner {
  const { machine, log, confDir, mainFile, program } = options;
  let known: Learnt | null = null;
  let place: Place = { pidFile: '', errorLog: '' };
  let said: Variant | null = null;
  return {
    async learn() {
      if (known) return known;
      const facts = await machine.facts();
      if (facts.version === '') {
        throw new AvkError('AVK_COMMAND_NOT_FOUND', `${program} is not on ${machine.name}: NGINX is not installed.`);
      }
      const main = readMainFile(mainFile, facts.main, confDir);
      place = main;
      const files = [`${machine.folder}/stage/new/probe.conf`];
      const refusal = await machine.check({
        files: new Map([['probe.conf', PROBE]]),
        shared: new Map(),
        removed: [],
        replaced: [],
        check: checkConf(main, confDir, files, true),
      });
      if (refusal !== null && isSudoRefusal(refusal)) throw sudoProblem(machine.name, refusal);
      // A main file that is broken itself says nothing of the module.
      const unsure = refusal !== null && !lacksLua(refusal);
      const variant: Variant = unsure ? (said ?? 'plain') : refusal === null ? 'lua' : 'plain';
      if (variant !== said) log.info({ machine: machine.name, variant }, 'how NGINX is told about replicas');
      said = variant;
      const shared = sharedText(variant, machine.folder, atLeast(facts.version, [1, 19, 3]));
      const learnt = { main, sum: facts.sum, variant, shared };
      if (!unsure) known = learnt;
      return learnt;
    },
    known: () => known,
    forget() {
      known = null;
    },
    place: () => place,
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
