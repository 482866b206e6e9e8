import { messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/log.ts';
import type { Upstream } from '../../../ports/reverse-proxy.ts';
import type { Keeper } from './keeper.ts';
import { kernelAddress, type Machine } from './machine.ts';

/** How often the machine is asked while somebody waits. */
const ASK_EVERY_MS = 200;

/**
 * When NGINX has nothing under way on an upstream any more. The rule: it is in no live route, and no worker has a
 * connection to it. Workers that finish have no idle ones, as they close those first; the others keep idle ones to an
 * upstream that is in no route for 1.5 s at most.
 */
export function createDrainWatch(options: { machine: Machine; clock: Clock; log: Log; keeper: Keeper }): {
  drained(upstream: Upstream, deadlineMs: number): Promise<void>;
} {
  const { machine, clock, log, keeper } = options;
  const waiting = new Map<string, Set<() => void>>();
  let asking = false;

  function routed(address: string): boolean {
    for (const route of keeper.live.values()) {
      if (route.upstreams.some(({ ip, port }) => kernelAddress(ip, port) === address)) return true;
    }
    return false;
  }

  /** One question for all who wait. */
  async function ask(): Promise<void> {
    asking = true;
    let trouble = '';
    while (waiting.size > 0) {
      const addresses = [...waiting.keys()].filter((address) => !routed(address));
      try {
        const busy = addresses.length > 0 ? await machine.connected(addresses, keeper.place()) : new Set();
        // What was routed again meanwhile is not drained.
        for (const address of addresses) if (!busy.has(address) && !routed(address)) release(address);
      } catch (error) {
        const reason = messageOf(error);
        if (reason !== trouble) log.warn({ machine: machine.name, reason }, 'what is under way cannot be seen');
        trouble = reason;
      }
      if (waiting.size > 0) await clock.sleep(ASK_EVERY_MS);
    }
    asking = false;
  }

  function release(address: string): void {
    for (const done of [...(waiting.get(address) ?? [])]) done();
  }

  return {
    drained({ ip, port }, deadlineMs) {
      const address = kernelAddress(ip, port);
      return new Promise((resolve) => {
        const others = waiting.get(address) ?? new Set();
        waiting.set(address, others);
        const done = (): void => {
          timer.cancel();
          others.delete(done);
          if (others.size === 0 && waiting.get(address) === others) waiting.delete(address);
          resolve();
        };
        const timer = clock.after(deadlineMs, done);
        others.add(done);
        if (!asking) void ask();
      });
    },
  };
}
