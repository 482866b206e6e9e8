import { randomBytes } from 'node:crypto';
import { AvkError } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/log.ts';
import type { ApplyResult, Route } from '../../../ports/reverse-proxy.ts';
import type { Control, Running } from './control.ts';
import { createLearner, type Learner, type Learnt } from './learn.ts';
import type { Changed, Machine, Seen } from './machine.ts';
import { checkConf } from './main-file.ts';
import { acceptRoutes, type Difference, difference, filesToTest, isEmpty, isOurs, portsOnDisk, sumOf } from './plan.ts';
import { findBad, isSudoRefusal, lacksLua, readRefusal } from './refusal.ts';
import { type Desired, endpointLine, fileOf, readControl, renderAll } from './render.ts';
import type { ControlSpec } from './shared-text.ts';

export interface KeeperOptions {
  machine: Machine;
  control: Control;
  clock: Clock;
  log: Log;
  confDir: string;
  mainFile: string;
  /** Loopback port of NGINX's own server for the platform; the next ones are taken when it is not free. */
  controlPort: number;
}

/** Brings NGINX to what is wanted. One call at a time. */
export interface Keeper {
  keep(routes: readonly Route[]): Promise<ApplyResult>;
  /** What is live, by route name; as far as this keeper has brought it about. */
  readonly live: ReadonlyMap<string, Route>;
  readonly controlPort: number;
  pidFile(): Promise<string>;
}

type Rejected = ApplyResult['rejected'];

/** A route that NGINX would not take is not tried again before so long, unless it changes. */
const ASIDE_MS = 30_000;
/** The same for what was put in place and then not taken over. */
const HOLD_MS = 30_000;
const CONTROL_PORTS = 16;

export function createKeeper(options: KeeperOptions): Keeper {
  const { machine, control, clock, log, confDir } = options;
  const learner: Learner = createLearner(options);
  const trusted = new Map<string, string>();
  const live = new Map<string, Route>();
  /** Hash of what is live of each route; see `Desired`. */
  const structure = new Map<string, string>();
  const aside = new Map<string, { structure: string; reason: string; until: number }>();
  const posted = new Map<string, string>();
  let revision: string | null = null;
  let spec: ControlSpec | null = null;
  let held: { generation: string; until: number; rejected: Rejected } | null = null;
  let said = '';

  /** Where the server for the platform is, or is to be. */
  function locate(seen: Seen, routes: readonly Route[]): ControlSpec {
    const present = spec ?? readControl(seen.shared);
    const token = present?.token || randomBytes(24).toString('hex');
    const free = (port: number): boolean =>
      !seen.listening.has(port) && !routes.some((route) => route.publicPort === port);
    if (present && !(seen.master === null && seen.listening.has(present.port))) return { port: present.port, token };
    for (let port = options.controlPort; port < options.controlPort + CONTROL_PORTS; port++) {
      if (free(port)) return { port, token };
    }
    throw new AvkError('AVK_NO_PORT', `None of 16 ports from ${options.controlPort} on is free on ${machine.name}.`);
  }

  async function keep(routes: readonly Route[]): Promise<ApplyResult> {
    const learnt = await learner.learn();
    const seen = await machine.look(learnt.main.pidFile);
    if (seen.main !== learnt.sum) {
      learner.forget();
      return keep(routes);
    }
    if (!learnt.main.includesConfDir) throw notIncluded(learnt);
    const before = spec ?? readControl(seen.shared);
    let running = before ? await control.running(before) : null;
    spec = running && before ? { ...before, token: before.token || newToken() } : locate(seen, routes);
    if (seen.master === null && running) return orphaned(routes);
    for (let round = 0; round <= routes.length + 1; round++) {
      const tried = await attempt(routes, learnt, seen, running, spec);
      if (tried !== 'again') return report(tried);
      if (learner.forgotten()) return keep(routes);
      running = before ? running : null;
    }
    throw new AvkError('AVK_INTERNAL', `NGINX on ${machine.name} refuses one route after another.`);
  }

  /** One try; `again` when a route was set aside and the others are to go on. */
  async function attempt(
    routes: readonly Route[],
    learnt: Learnt,
    seen: Seen,
    running: Running | null,
    at: ControlSpec,
  ): Promise<Rejected | 'again'> {
    const own = running ? ownPorts(seen) : new Set<number>();
    const checked = acceptRoutes(routes, seen, { trusted, own, controlPort: at.port, confDir });
    const all = renderAll(checked.accepted, learnt.variant, learnt.shared, at);
    const rejected = [...checked.rejected];
    const accepted = checked.accepted.filter((route) => {
      const known = aside.get(route.name);
      if (!known || known.structure !== all.structure.get(route.name) || known.until <= clock.monotonic()) return true;
      rejected.push({ name: route.name, reason: known.reason });
      return false;
    });
    const desired =
      accepted.length === checked.accepted.length ? all : renderAll(accepted, learnt.variant, learnt.shared, at);
    if (held && held.generation === desired.generation && held.until > clock.monotonic()) return held.rejected;
    held = null;
    const change = difference(desired, learnt.shared, seen, trusted);
    for (const { file, how } of change.tampered) tell(file, how);

    const reload = running?.generation !== desired.generation || change.unsure;
    if (seen.master !== null && !reload) {
      if (!isEmpty(change)) await machine.write({ ...change, check: '' });
      settle(desired, accepted, learnt);
      await post(learnt, running, at, accepted);
      return rejected;
    }
    const check = checkConf(
      learnt.main,
      confDir,
      filesToTest(seen, confDir, change.files.keys(), change.removed),
      false,
    );
    const then = seen.master === null ? 'start' : 'reload';
    const changed = await machine.change({ ...change, check }, learnt.main.pidFile, then);
    if (changed.refusal !== null)
      return refused(changed.refusal, { change, learnt, seen, accepted, desired, rejected });
    return finish(changed, then, { change, learnt, seen, accepted, desired, rejected, at });
  }

  interface Work {
    change: Difference;
    learnt: Learnt;
    seen: Seen;
    accepted: Route[];
    desired: Desired;
    rejected: Rejected;
  }

  /** After NGINX was told to read its files, or started. */
  async function finish(
    changed: Changed,
    then: 'reload' | 'start',
    work: Work & { at: ControlSpec },
  ): Promise<Rejected | 'again'> {
    const { desired, accepted, learnt, rejected, at } = work;
    if (isSudoRefusal(changed.said)) throw sudoProblem(changed.said);
    const now = changed.outcome === 'live' ? await control.running(at) : null;
    if (now?.generation === desired.generation) {
      settle(desired, accepted, learnt);
      if (then === 'start') log.warn({ machine: machine.name }, 'NGINX did not run and was started');
      else log.info({ machine: machine.name, routes: accepted.length }, 'NGINX has read its files anew');
      await post(learnt, now, at, accepted);
      return rejected;
    }
    if (then === 'start') {
      // The files stay: nothing else is live that they could harm.
      throw new AvkError(
        'AVK_SERVICE_UNAVAILABLE',
        `NGINX on ${machine.name} does not start: ${readRefusal(changed.said, confDir).sentence}`,
        { retryable: true },
      );
    }
    await machine.revert();
    const after = await machine.look(learnt.main.pidFile);
    if (after.master === null) {
      throw new AvkError('AVK_SERVICE_UNAVAILABLE', `NGINX on ${machine.name} ended while it was told of a change.`);
    }
    const reason =
      changed.outcome === 'refused'
        ? `NGINX would not read its files: ${readRefusal(changed.said, confDir).sentence}`
        : 'NGINX did not take the change over; what was live before goes on';
    const late = accepted.filter((route) => !isLive(route, desired));
    held = {
      generation: desired.generation,
      until: clock.monotonic() + HOLD_MS,
      rejected: [...rejected, ...late.map(({ name }) => ({ name, reason }))],
    };
    return held.rejected;
  }

  /** Finds out whom NGINX's refusal is about, so that only that one is set aside. */
  async function refused(refusal: string, work: Work): Promise<Rejected | 'again'> {
    if (isSudoRefusal(refusal)) throw sudoProblem(refusal);
    const { change, learnt, seen, accepted, desired } = work;
    if (learnt.variant === 'lua' && lacksLua(refusal)) {
      learner.forget();
      return 'again';
    }
    const staged = accepted.filter((route) => change.files.has(fileOf(route)));
    const found = readRefusal(refusal, confDir);
    if (found.surplus > 0) {
      const reason = `${found.sentence}: raise worker_connections in ${learnt.main.path}`;
      const surplus = staged.filter((route) => !structure.has(route.name)).slice(-found.surplus);
      if (surplus.length > 0) return setAside(surplus, () => reason, desired);
    }
    const named = staged.find((route) => found.file === `${confDir}/${fileOf(route)}`);
    const test = (some: readonly Route[], alone: boolean): Promise<string | null> => {
      const files = [...change.files.keys()].filter((name) => !staged.some((route) => fileOf(route) === name));
      const ours = (name: string): boolean => change.files.has(name) || isOurs(name, seen, trusted);
      const list = filesToTest(
        seen,
        confDir,
        [...files, ...some.map(fileOf)],
        change.removed,
        alone ? ours : undefined,
      );
      return machine.check({ ...change, check: checkConf(learnt.main, confDir, list, alone) });
    };
    // Named, and wrong also without what others have put there: its own fault.
    if (named && (await test([named], true)) !== null) return setAside([named], () => found.sentence, desired);
    const foreign = await test([], false);
    if (foreign === null) {
      const bad = await findBad(staged, (some) => test(some, false));
      const words = new Map(bad.map((each) => [each.candidate, readRefusal(each.refusal, confDir).sentence]));
      if (bad.length > 0) return setAside([...words.keys()], (route) => words.get(route) ?? found.sentence, desired);
    }
    const bad = await findBad(staged, (some) => test(some, true));
    if (bad.length > 0) {
      const words = new Map(bad.map((each) => [each.candidate, readRefusal(each.refusal, confDir).sentence]));
      return setAside([...words.keys()], (route) => words.get(route) ?? found.sentence, desired);
    }
    if (foreign === null) {
      throw new AvkError(
        'AVK_INTERNAL',
        `NGINX on ${machine.name} refuses the platform’s own files: ${found.sentence}`,
      );
    }
    return waitFor(readRefusal(foreign, confDir).sentence, work);
  }

  function setAside(routes: readonly Route[], reason: (route: Route) => string, desired: Desired): 'again' {
    for (const route of routes) {
      const until = clock.monotonic() + ASIDE_MS;
      aside.set(route.name, { structure: desired.structure.get(route.name) ?? '', reason: reason(route), until });
    }
    return 'again';
  }

  /** Somebody else's file breaks the whole: ours are put in place, and live as soon as that one is mended. */
  async function waitFor(sentence: string, work: Work): Promise<Rejected> {
    const { change, seen, learnt, accepted, desired, rejected } = work;
    if (!isEmpty(change)) await machine.write({ ...change, check: '' });
    trust(desired, learnt);
    const known = spec ?? readControl(seen.shared);
    const running = known ? await control.running(known) : null;
    if (running && known)
      await post(
        learnt,
        running,
        known,
        accepted.filter((route) => structure.has(route.name)),
      );
    const reason = `NGINX’s files on ${machine.name} are broken, not by the platform: ${sentence}. The change is live once that is mended`;
    for (const route of accepted) {
      if (isLive(route, desired)) live.set(route.name, route);
      else rejected.push({ name: route.name, reason });
    }
    return rejected;
  }

  const isLive = (route: Route, desired: Desired): boolean =>
    structure.get(route.name) === desired.structure.get(route.name);

  function trust(desired: Desired, learnt: Learnt): void {
    trusted.clear();
    for (const [name, text] of desired.files) trusted.set(name, sumOf(text));
    for (const [name, text] of learnt.shared.files) trusted.set(`.avishkar/${name}`, sumOf(text));
  }

  function settle(desired: Desired, accepted: readonly Route[], learnt: Learnt): void {
    trust(desired, learnt);
    structure.clear();
    live.clear();
    for (const [name, sum] of desired.structure) structure.set(name, sum);
    for (const route of accepted) live.set(route.name, route);
  }

  /** Says the replicas to NGINX's workers, where they can be told; only what they have not heard. */
  async function post(
    learnt: Learnt,
    running: Running | null,
    at: ControlSpec,
    accepted: readonly Route[],
  ): Promise<void> {
    if (learnt.variant !== 'lua' || running === null) return;
    if (running.revision === null || running.revision !== revision) posted.clear();
    const lines: string[] = [];
    const wanted = new Map(accepted.map((route) => [route.name, endpointLine(route)]));
    for (const [name, line] of wanted) if (posted.get(name) !== line) lines.push(line);
    for (const name of posted.keys()) if (!wanted.has(name)) lines.push(`forget\t${name}`);
    if (lines.length === 0) return;
    const next = randomBytes(8).toString('hex');
    await control.change(at, [...lines, `revision\t${next}`]);
    revision = next;
    posted.clear();
    for (const [name, line] of wanted) posted.set(name, line);
  }

  function ownPorts(seen: Seen): Set<number> {
    const ports = portsOnDisk(seen);
    for (const route of live.values()) ports.add(route.publicPort);
    return ports;
  }

  /** NGINX's first process is gone and its workers go on: they hold the ports, and only root can end them. */
  function orphaned(routes: readonly Route[]): ApplyResult {
    const reason = `NGINX’s first process on ${machine.name} is gone, and its workers go on with what they had; end them as root (pkill -x nginx) and NGINX is started again`;
    return report(routes.filter((route) => !live.has(route.name)).map(({ name }) => ({ name, reason })));
  }

  function tell(file: string, how: 'edited' | 'deleted'): void {
    const sentence =
      how === 'deleted'
        ? 'a file of NGINX’s was deleted and is put back'
        : 'a file of NGINX’s was changed by hand and is put back';
    log.warn({ machine: machine.name, file: `${confDir}/${file}` }, sentence);
  }

  /** Says once what is set aside. */
  function report(rejected: Rejected): ApplyResult {
    const text = rejected.map(({ name, reason }) => `${name}: ${reason}`).join('\n');
    if (text !== said && text !== '') {
      for (const { name, reason } of rejected)
        log.warn({ machine: machine.name, app: name, reason }, 'NGINX does not serve a route');
    }
    said = text;
    return { rejected };
  }

  function sudoProblem(text: string): AvkError {
    const sentence = text.split('\n').find((line) => line.startsWith('sudo: ')) ?? text;
    return new AvkError(
      'AVK_SERVICE_UNAVAILABLE',
      `The platform’s user may not run NGINX on ${machine.name} (${sentence}).`,
    );
  }

  function notIncluded(learnt: Learnt): AvkError {
    const sentence = `${learnt.main.path} on ${machine.name} does not read the platform’s files: add \`include ${confDir}/*.conf;\` inside \`http { … }\`.`;
    return new AvkError('AVK_SERVICE_UNAVAILABLE', sentence);
  }

  return {
    keep,
    live,
    get controlPort() {
      return spec?.port ?? options.controlPort;
    },
    pidFile: async () => (await learner.learn()).main.pidFile,
  };
}

function newToken(): string {
  return randomBytes(24).toString('hex');
}
