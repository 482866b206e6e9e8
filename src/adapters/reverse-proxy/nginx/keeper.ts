import { randomBytes } from 'node:crypto';
import { AvkError } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/log.ts';
import type { ApplyResult, Rejection, Route } from '../../../ports/reverse-proxy.ts';
import { checkRoutes } from '../route-check.ts';
import { findCulprit, takenPort } from './blame.ts';
import type { Control, Running } from './control.ts';
import { createEndpoints } from './endpoints.ts';
import { createLearner, type Learnt } from './learn.ts';
import type { Changed, Machine, Place, Seen } from './machine.ts';
import { checkConf } from './main-file.ts';
import { mainFileProblems, mostPorts } from './main-file-advice.ts';
import { acceptRoutes, type Difference, difference, filesToTest, isEmpty, isOurs, portsOnDisk, sumOf } from './plan.ts';
import { isSudoRefusal, readRefusal, sudoProblem } from './refusal.ts';
import { type Desired, fileOf, readControl, renderAll } from './render.ts';
import type { ControlSpec } from './shared-text.ts';
import { earlyPorts, renewSpares } from './spare.ts';
import { readSpares } from './spare-conf.ts';
import { createWords } from './words.ts';

export interface KeeperOptions {
  machine: Machine;
  control: Control;
  clock: Clock;
  log: Log;
  confDir: string;
  mainFile: string;
  program: string;
  /** Loopback port of NGINX's own server for the platform; one of the next is taken when it is not free. */
  controlPort: number;
}

/** Brings NGINX to what is wanted. One call at a time. */
export interface Keeper {
  keep(routes: readonly Route[]): Promise<ApplyResult>;
  /**
   * Makes live what NGINX can be told without reading its files: other replicas, and routes at spare ports. Null when
   * that is not all that is wanted. Files are as they were: `keep` is to follow.
   */
  tell(routes: readonly Route[]): Promise<ApplyResult | null>;
  /** What is live, by route name; as far as this keeper has brought it about. */
  readonly live: ReadonlyMap<string, Route>;
  readonly controlPort: number;
  /** Ports that NGINX listens on for routes to come. */
  readonly spares: readonly number[];
  /** Where NGINX writes, as far as it is known. */
  place(): Place;
}

interface Result {
  rejected: Rejection[];
  /** Why NGINX could not be told to read its files. */
  notice?: string;
}

/** One try to bring about what is wanted. */
interface Try {
  learnt: Learnt;
  seen: Seen;
  running: Running | null;
  at: ControlSpec;
  accepted: Route[];
  rejected: Rejection[];
  spares: number[];
  desired: Desired;
  change: Difference;
}

/** A route that NGINX would not take is not tried again before so long, unless it changes. */
const ASIDE_MS = 30_000;
/** The same for a change that was put in place and then not taken over. */
const HOLD_MS = 30_000;
const CONTROL_PORTS = 16;
/** After one of the spare ports could not be had, there are none for so long. */
const WITHOUT_SPARES_MS = 10 * 60_000;

export function createKeeper(options: KeeperOptions): Keeper {
  const { machine, control, clock, log, confDir } = options;
  const learner = createLearner(options);
  const endpoints = createEndpoints(control);
  const words = createWords(machine.name, log);
  const trusted = new Map<string, string>();
  const live = new Map<string, Route>();
  /** Hash of what is live of each route; see `Desired`. */
  const structure = new Map<string, string>();
  const aside = new Map<string, { structure: string; rejection: Rejection; until: number }>();
  let held: { generation: string; until: number; reason: string } | null = null;
  /** What NGINX has read last, as far as this keeper had it do so. */
  let generation: string | null = null;
  let spares: number[] | null = null;
  let withoutSparesUntil = 0;
  /** Spare ports that are some route's, by its name; also for a while after NGINX has read the file of that. */
  let early: ReadonlyMap<string, number> = new Map();
  /** Names of files in NGINX's folder that are not the platform's. */
  let foreign: ReadonlySet<string> = new Set();
  let spec: ControlSpec | null = null;
  /** Whether NGINX has answered at `spec`. */
  let met = false;

  async function keep(routes: readonly Route[]): Promise<ApplyResult> {
    // Each round sets a route aside, or learns anew what NGINX can do.
    for (let round = 0; round <= routes.length + 3; round++) {
      const learnt = await learner.learn();
      const seen = await machine.look(learnt.main);
      if (seen.main !== learnt.sum) {
        learner.forget();
        continue;
      }
      if (!learnt.main.includesConfDir) {
        const [sentence] = mainFileProblems(learnt.main, confDir, routes.length);
        throw new AvkError('AVK_SERVICE_UNAVAILABLE', `On ${machine.name}, ${sentence}`);
      }
      words.advise(mainFileProblems(learnt.main, confDir, routes.length));
      const result = await attempt(routes, learnt, seen);
      if (result === null) continue;
      words.refuse(result.rejected, result.notice);
      return { rejected: result.rejected };
    }
    throw new AvkError('AVK_SERVICE_UNAVAILABLE', `NGINX on ${machine.name} refuses one file after another.`);
  }

  /** Resolves with null when it should be tried again. */
  async function attempt(routes: readonly Route[], learnt: Learnt, first: Seen): Promise<Result | null> {
    const known = spec ?? readControl(first.shared);
    const heard = known ? await control.running(known) : null;
    // What runs and listens there is NGINX; without its word its ports would look like other programs'.
    if (heard === 'unclear' && first.master !== null && first.listening.has(known?.port ?? 0)) throw busy();
    const running = heard === 'unclear' ? null : heard;
    // Its workers may have ended since, and with them what they listened on.
    const seen = first.master === null && !running ? await machine.look(learnt.main) : first;
    met = running !== null || (met && seen.master !== null);
    spec = locate(known, seen, routes);
    const now = prepare(routes, learnt, seen, running, spec);
    const { change, desired } = now;

    const taken = running?.generation === desired.generation;
    if (held && held.generation === desired.generation && held.until > clock.monotonic() && !taken) {
      return withoutReload(now, held.reason);
    }
    held = null;
    for (const { file, how } of change.tampered) words.putBack(`${confDir}/${file}`, how);
    if (seen.master === null && running) {
      await put(now);
      return withoutReload(now, orphans());
    }
    if (seen.master !== null && taken && running && !change.unsure) {
      await put(now);
      await say(now, running);
      settle(now);
      return { rejected: now.rejected };
    }
    const files = filesToTest(seen, confDir, change.files.keys(), change.removed);
    const check = checkConf(learnt.main, confDir, files, false);
    const then = seen.master === null ? 'start' : 'reload';
    const changed = await machine.change({ ...change, check }, learnt.main, then);
    if (changed.refusal !== null) return refused(changed.refusal, now);
    if (isSudoRefusal(changed.said)) throw sudoProblem(machine.name, changed.said);
    return finish(changed, then, now);
  }

  /** Where the server for the platform is, or is to be. */
  function locate(known: ControlSpec | null, seen: Seen, routes: readonly Route[]): ControlSpec {
    const token = known?.token || randomBytes(24).toString('hex');
    if (known && (met || !seen.listening.has(known.port))) return { port: known.port, token };
    for (let port = options.controlPort; port < options.controlPort + CONTROL_PORTS; port++) {
      if (!seen.listening.has(port) && !routes.some((route) => route.publicPort === port)) return { port, token };
    }
    const range = `${options.controlPort} to ${options.controlPort + CONTROL_PORTS - 1}`;
    throw new AvkError('AVK_NO_PORT', `None of the ports ${range} is free on ${machine.name} for NGINX’s answers.`);
  }

  function prepare(
    routes: readonly Route[],
    learnt: Learnt,
    seen: Seen,
    running: Running | null,
    at: ControlSpec,
  ): Try {
    const own = running ? portsOnDisk(seen) : new Set<number>();
    if (running) for (const route of live.values()) own.add(route.publicPort);
    if (running) for (const port of spares ?? readSpares(seen.shared)) own.add(port);
    const most = mostPorts(learnt.main);
    const checked = acceptRoutes(routes, seen, { trusted, own, controlPort: at.port, confDir, most });
    const ready = learnt.variant === 'lua' && clock.monotonic() >= withoutSparesUntil;
    const current = spares ?? readSpares(seen.shared);
    const ports = ready
      ? renewSpares({
          current: running ? current : [],
          routes: checked.accepted,
          taken: (port) => port === at.port || seen.written.has(port) || (seen.listening.has(port) && !own.has(port)),
          room: most.ports - checked.accepted.length,
        })
      : [];
    const all = renderAll(checked.accepted, learnt.variant, learnt.shared, at, ports);
    const rejected = [...checked.rejected];
    const accepted = checked.accepted.filter((route) => {
      const before = aside.get(route.name);
      const same = before?.structure === all.structure.get(route.name);
      if (!before || !same || before.until <= clock.monotonic()) return true;
      rejected.push(before.rejection);
      return false;
    });
    const whole = accepted.length === checked.accepted.length;
    const desired = whole ? all : renderAll(accepted, learnt.variant, learnt.shared, at, ports);
    const change = difference(desired, learnt.shared, seen, trusted);
    return { learnt, seen, running, at, accepted, rejected, spares: ports, desired, change };
  }

  /** After NGINX was told to read its files, or was started. */
  async function finish(changed: Changed, then: 'reload' | 'start', now: Try): Promise<Result | null> {
    const { at, accepted, desired, rejected } = now;
    // Also a change that seems not to be taken over may only have taken longer than it was waited for.
    const done = changed.outcome === 'live' || changed.outcome === 'not taken over';
    const running = done ? await control.running(at) : null;
    // All is in place: the next look sees what has become of it.
    if (running === 'unclear' && changed.outcome === 'live') throw busy();
    if (running !== 'unclear' && running?.generation === desired.generation) {
      met = true;
      await say(now, running);
      settle(now);
      if (then === 'start') log.warn({ machine: machine.name }, 'NGINX did not run and was started');
      else log.info({ machine: machine.name, routes: accepted.length }, 'NGINX has read its files anew');
      return { rejected };
    }
    const refusal = readRefusal(changed.said, confDir);
    // Somebody else is at the files at this very moment: once more, with what is there now.
    if (then === 'reload' && !(await isAsPut(now))) return null;
    // What was started stays: nothing is live that it could harm.
    if (then === 'reload') await machine.revert();
    const port = takenPort(refusal);
    const taken = port === null ? undefined : accepted.find((route) => route.publicPort === port);
    if (taken) return setAside(new Map([[taken, `port ${port} is taken by another program`]]), desired, true);
    if (now.spares.some((each) => !spares?.includes(each))) {
      // It may be one of the new ones that somebody else has bound; they are a convenience.
      withoutSparesUntil = clock.monotonic() + WITHOUT_SPARES_MS;
      log.warn({ machine: machine.name, reason: refusal.sentence }, 'NGINX is tried without spare ports');
      return null;
    }
    if (then === 'start') {
      const sentence = `NGINX on ${machine.name} does not start: ${refusal.sentence || changed.said || 'it gives no reason'}`;
      throw new AvkError('AVK_SERVICE_UNAVAILABLE', sentence);
    }
    if (changed.outcome === 'not running') return null;
    const reason = `NGINX goes on with what was live before: ${refusal.sentence || 'it did not take the change over'}`;
    held = { generation: desired.generation, until: clock.monotonic() + HOLD_MS, reason };
    return withoutReload(now, reason);
  }

  async function isAsPut({ desired, learnt }: Try): Promise<boolean> {
    const { sums } = await machine.look(learnt.main);
    return [...desired.files].every(([name, text]) => sums.get(name) === sumOf(text));
  }

  /** Finds out whom NGINX's refusal is about, so that only that one is set aside. */
  async function refused(refusal: string, now: Try): Promise<Result | null> {
    if (isSudoRefusal(refusal)) throw sudoProblem(machine.name, refusal);
    const { change, learnt, seen, accepted, desired } = now;
    const routes = accepted.filter((route) => change.files.has(fileOf(route)));
    const ofRoutes = new Set(routes.map(fileOf));
    const others = [...change.files.keys()].filter((name) => !ofRoutes.has(name));
    const ours = (name: string): boolean => change.files.has(name) || isOurs(name, seen, trusted);
    const verdict = await findCulprit({
      ...{ refusal, changed: routes, confDir, mainFile: learnt.main.path },
      fresh: new Set(routes.filter((route) => !structure.has(route.name))),
      test(some, alone) {
        const staged = [...others, ...some.map(fileOf)];
        const files = filesToTest(seen, confDir, staged, change.removed, alone ? ours : undefined);
        return machine.check({ ...change, check: checkConf(learnt.main, confDir, files, alone) });
      },
    });
    if (verdict.kind === 'no lua') {
      learner.forget();
      return null;
    }
    if (verdict.kind === 'routes') return setAside(verdict.bad, desired);
    if (verdict.kind === 'own') {
      const sentence = `NGINX on ${machine.name} refuses the platform’s own files: ${verdict.sentence}`;
      throw new AvkError('AVK_INTERNAL', sentence);
    }
    // Ours are put in place all the same, and live as soon as somebody mends the other.
    await put(now);
    const reason = `NGINX’s files on ${machine.name} are broken, and not by the platform: ${verdict.sentence}. The change is live once that is mended`;
    return withoutReload(now, reason);
  }

  /** What can be live while NGINX does not read its files: replicas, where they can be said. */
  async function withoutReload(now: Try, reason: string): Promise<Result> {
    const { at, running, learnt, accepted, desired, rejected } = now;
    const told = running?.generation === generation ? early : new Map<string, number>();
    const same = accepted.filter(
      ({ name, publicPort }) => structure.get(name) === desired.structure.get(name) || told.get(name) === publicPort,
    );
    if (running) await endpoints.say(at, running, learnt.variant, same, early);
    for (const route of same) live.set(route.name, route);
    const late = accepted.filter((route) => !same.includes(route));
    return { rejected: [...rejected, ...late.map(({ name }) => ({ name, reason, portTaken: false }))], notice: reason };
  }

  function setAside(bad: ReadonlyMap<Route, string>, desired: Desired, portTaken = false): null {
    const until = clock.monotonic() + ASIDE_MS;
    for (const [{ name }, reason] of bad) {
      const rejection = { name, reason, portTaken };
      aside.set(name, { structure: desired.structure.get(name) ?? '', rejection, until });
    }
    return null;
  }

  async function put({ change, desired, learnt }: Try): Promise<void> {
    if (!isEmpty(change)) await machine.write(change);
    trust(desired, learnt);
  }

  function trust(desired: Desired, learnt: Learnt): void {
    trusted.clear();
    for (const [name, text] of desired.files) trusted.set(name, sumOf(text));
    for (const [name, text] of learnt.shared.files) trusted.set(`.avishkar/${name}`, sumOf(text));
  }

  /** Also whose the spare ports were: workers that finish may not have read the files. */
  async function say({ at, learnt, accepted }: Try, running: Running): Promise<void> {
    early = new Map(
      [...early].filter(([name, port]) => accepted.some((each) => each.name === name && each.publicPort === port)),
    );
    await endpoints.say(at, running, learnt.variant, accepted, early);
  }

  async function tell(routes: readonly Route[]): Promise<ApplyResult | null> {
    const learnt = learner.known();
    const { accepted, rejected } = checkRoutes(routes);
    if (learnt?.variant !== 'lua' || !spec || held || rejected.length > 0) return null;
    if (routes.some((route) => aside.has(route.name) || foreign.has(fileOf(route)))) return null;
    const read = new Map([...live].filter(([name]) => structure.has(name)));
    const ports = earlyPorts(accepted, read, spares ?? []);
    if (ports === null) return null;
    const running = await control.running(spec);
    // Else somebody has told NGINX to read its files, or has started it anew.
    if (running === null || running === 'unclear' || running.generation !== generation) return null;
    early = new Map([...early].filter(([name]) => read.has(name)).concat([...ports]));
    await endpoints.say(spec, running, learnt.variant, accepted, early);
    live.clear();
    for (const route of accepted) live.set(route.name, route);
    return { rejected };
  }

  function settle({ desired, accepted, learnt, seen, spares: ports }: Try): void {
    generation = desired.generation;
    spares = ports;
    trust(desired, learnt);
    foreign = new Set(seen.names.filter((name) => !isOurs(name, seen, trusted)));
    structure.clear();
    live.clear();
    for (const [name, sum] of desired.structure) structure.set(name, sum);
    for (const route of accepted) live.set(route.name, route);
    for (const name of aside.keys()) if (structure.has(name)) aside.delete(name);
  }

  function busy(): AvkError {
    const sentence = `NGINX on ${machine.name} runs and does not answer the platform; what is live there stays`;
    return new AvkError('AVK_SERVICE_UNAVAILABLE', sentence);
  }

  /** NGINX's first process is gone and its workers go on: they hold the ports, and only root can end them. */
  function orphans(): string {
    return `NGINX’s first process on ${machine.name} is gone and its workers go on with what they had; as root, \`pkill -x nginx\` ends them, and NGINX is started again`;
  }

  return {
    keep,
    tell,
    live,
    get controlPort() {
      return spec?.port ?? options.controlPort;
    },
    get spares() {
      return spares ?? [];
    },
    place: () => learner.place(),
  };
}
