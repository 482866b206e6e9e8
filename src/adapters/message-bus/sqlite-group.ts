import type { Clock, Timer } from '../../ports/clock.ts';
import type { Delivery, SubscribeOptions } from '../../ports/message-bus.ts';
import type { LoggedMessage, MessageLog, ParkedMessage, Progress } from './sqlite-log.ts';

const BATCH = 256;
const DEFAULT_ATTEMPTS = 10;
const DEFAULT_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 30_000;

export interface GroupReader {
  /** Looks for messages; called after each publish. */
  wake(): void;
  join(member: SubscribeOptions): { leave(): Promise<void> };
  members(): number;
  stop(): Promise<void>;
}

export interface GroupReaderOptions {
  log: MessageLog;
  clock: Clock;
  group: string;
  topic: string;
  onFailure(delivery: Delivery, error: unknown): void;
  /** A message was added to the dead-letter topic. */
  onBuried(): void;
}

interface Member extends SubscribeOptions {
  /** Settles with the handler that runs, if one does. */
  busy: Promise<void>;
}

/**
 * Reads one topic for one group. New messages are handled in batches and acknowledged together, which is what makes
 * the embedded bus fast; a message that fails is parked with the later ones of its key, and the cursor goes on.
 */
export function createGroupReader(options: GroupReaderOptions): GroupReader {
  const { log, clock, group, topic } = options;
  const members: Member[] = [];
  let turn = 0;
  let running: Promise<void> | null = null;
  let wanted = false;
  let stopped = false;
  let timer: Timer | null = null;

  function nextMember(): Member | undefined {
    turn += 1;
    return members[turn % members.length];
  }

  /** Null when it was acknowledged, else how to park it. */
  async function deliver(
    message: LoggedMessage,
    attempts: number,
  ): Promise<{ attempts: number; dueAt: number } | null> {
    const member = nextMember();
    if (!member) return { attempts, dueAt: 0 };
    const delivery: Delivery = {
      topic,
      key: message.key,
      value: message.value,
      offset: String(message.offset),
      attempt: attempts + 1,
      publishedAt: message.publishedAt,
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    member.busy = promise;
    try {
      await member.handler(delivery);
      return null;
    } catch (error) {
      options.onFailure(delivery, error);
      const backoff = Math.min((member.backoffMs ?? DEFAULT_BACKOFF_MS) * 2 ** attempts, LONGEST_BACKOFF_MS);
      return { attempts: attempts + 1, dueAt: clock.now() + backoff };
    } finally {
      resolve();
    }
  }

  async function readNew(): Promise<boolean> {
    const batch = log.unread(group, topic, BATCH);
    if (batch.length === 0) return false;
    const blocked = log.parkedKeys(group, topic);
    const progress: Progress = { cursor: 0, parked: [] };
    for (const message of batch) {
      if (stopped || members.length === 0) break;
      if (blocked.has(message.key)) {
        progress.parked.push({ offset: message.offset, attempts: 0, dueAt: 0 });
      } else {
        const failure = await deliver(message, 0);
        if (failure) {
          blocked.add(message.key);
          progress.parked.push({ offset: message.offset, ...failure });
        }
      }
      progress.cursor = message.offset;
    }
    if (progress.cursor > 0) log.advance(group, topic, progress);
    return progress.cursor > 0;
  }

  async function retry(message: ParkedMessage): Promise<void> {
    const limit = members[0]?.maxAttempts ?? DEFAULT_ATTEMPTS;
    if (message.attempts >= limit) {
      log.bury(group, message, clock.now());
      options.onBuried();
      return;
    }
    const failure = await deliver(message, message.attempts);
    if (failure) log.park(group, topic, { offset: message.offset, ...failure });
    else log.unpark(group, topic, message.offset);
  }

  /** Retries what is due; returns when to look again, or null. */
  async function readParked(): Promise<{ progressed: boolean; nextAt: number | null }> {
    let progressed = false;
    let nextAt: number | null = null;
    for (const head of log.parkedHeads(group, topic)) {
      if (stopped || members.length === 0) break;
      const limit = members[0]?.maxAttempts ?? DEFAULT_ATTEMPTS;
      if (head.dueAt <= clock.now() || head.attempts >= limit) {
        await retry(head);
        progressed = true;
      } else {
        nextAt = Math.min(nextAt ?? Number.POSITIVE_INFINITY, head.dueAt);
      }
    }
    return { progressed, nextAt };
  }

  async function run(): Promise<void> {
    while (!stopped && members.length > 0) {
      wanted = false;
      const fresh = await readNew();
      const parked = await readParked();
      if (fresh || parked.progressed || wanted) continue;
      if (parked.nextAt !== null) {
        timer = clock.after(Math.max(1, parked.nextAt - clock.now()), wake, { background: true });
      }
      return;
    }
  }

  function wake(): void {
    wanted = true;
    timer?.cancel();
    timer = null;
    if (running || stopped || members.length === 0) return;
    running = run()
      .catch((error) => {
        // The log itself failed (a full disk): nothing was acknowledged, so look again later.
        options.onFailure({ topic, key: '', value: '', offset: '', attempt: 0, publishedAt: 0 }, error);
        if (!stopped) timer = clock.after(1000, wake, { background: true });
      })
      .finally(() => {
        running = null;
        if (wanted) wake();
      });
  }

  return {
    wake,
    members: () => members.length,
    join(joining) {
      const member: Member = { ...joining, busy: Promise.resolve() };
      members.push(member);
      wake();
      return {
        async leave() {
          const at = members.indexOf(member);
          if (at >= 0) members.splice(at, 1);
          // The last to leave waits until what was handled is recorded; others go on with it.
          await (members.length === 0 ? running : member.busy);
        },
      };
    },
    async stop() {
      stopped = true;
      timer?.cancel();
      await running;
    },
  };
}
