import { AvkError, messageOf } from '../../domain/errors.ts';
import type { Random } from '../../ports/random.ts';
import type { Address } from '../../ports/service-registry.ts';
import type { ServiceContainer, ServiceRuntime } from '../../ports/service-runtime.ts';

/** One run of a service in this process. */
export interface Program {
  /** Resolves once it can be called; a failed start leaves nothing open. */
  start(): Promise<Address>;
  stop(): Promise<void>;
  /** False once it has ended without being asked to. */
  alive(): boolean;
}

interface Run {
  program: Program;
  containerId: string;
  address: Address;
  reason: string | null;
}

/**
 * The platform's services as parts of this process. Each start makes a new one from scratch, with its own tables opened
 * anew, as a new container would.
 *
 * @param make by `service_name`: makes a run of that service, or undefined when there is no such service
 */
export function createInProcessServices(
  make: Readonly<Record<string, (() => Program) | undefined>>,
  random: Random,
): ServiceRuntime {
  const runs = new Map<string, Run>();
  /** Starts and stops of one service come one after the other. */
  const turns = new Map<string, Promise<unknown>>();

  function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = turns.get(name) ?? Promise.resolve();
    const mine = before.then(work, work);
    turns.set(name, mine);
    return mine;
  }

  function containerOf(name: string, run: Run): ServiceContainer {
    const alive = run.program.alive();
    return {
      name,
      containerId: run.containerId,
      address: run.address,
      state: alive ? 'running' : 'exited',
      reason: alive ? null : (run.reason ?? 'it ended by itself'),
    };
  }

  async function end(name: string, run: Run): Promise<void> {
    runs.delete(name);
    await run.program.stop();
  }

  return {
    start: (entry, _node, { signal }) =>
      inTurn(entry.service_name, async () => {
        const name = entry.service_name;
        const present = runs.get(name);
        if (present?.program.alive()) return containerOf(name, present);
        signal.throwIfAborted();
        // What is left of a run that ended holds its port and its tables.
        if (present) await end(name, present);
        const program = make[name]?.();
        if (!program) {
          const known = Object.keys(make).join(', ');
          throw new AvkError('AVK_BAD_CONFIG', `services.json: there is no service ${name}; there are ${known}`);
        }
        const address = await program.start();
        const run: Run = { program, containerId: `in-process-${random.uuid()}`, address, reason: null };
        runs.set(name, run);
        return containerOf(name, run);
      }),
    stop: (name) =>
      inTurn(name, async () => {
        const run = runs.get(name);
        if (!run) return;
        try {
          await end(name, run);
        } catch (error) {
          throw new AvkError('AVK_INTERNAL', `${name} did not stop in order: ${messageOf(error)}`, { cause: error });
        }
      }),
    async inspect(name) {
      const run = runs.get(name);
      return run ? containerOf(name, run) : null;
    },
  };
}
