import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Host } from '../../../ports/host.ts';

/** Of the file system that holds Docker's images and containers. */
export interface DiskSpace {
  freeBytes: number;
  /** As df counts: what only root may still use is free to nobody. */
  freePercent: number;
}

/** Below this nothing is built or started: a full disk stops Docker, and with it every app of the machine. */
const REFUSE_PERCENT = 5;
const WARN_PERCENT = 15;
const KNOWN_MS = 5_000;
const WARN_EVERY_MS = 10 * 60_000;
const ASK_MS = 10_000;

/** Looks at the machine's disk before something is put on it. */
export function createDiskGuard(deps: {
  host: Host;
  clock: Clock;
  /** Docker's own folder on the machine. */
  folder: (signal: AbortSignal) => Promise<string>;
  log: (message: string) => void;
}) {
  const { host, clock, folder, log } = deps;
  let last: { at: number; space: Promise<DiskSpace | null> } | null = null;
  let warnedAt = Number.NEGATIVE_INFINITY;

  async function ask(): Promise<DiskSpace | null> {
    const late = new AbortController();
    const timer = clock.after(ASK_MS, () => {
      late.abort(new AvkError('AVK_HOST_UNREACHABLE', `df on ${host.name} did not end within ${ASK_MS / 1000} s.`));
    });
    try {
      const path = await folder(late.signal);
      const { exitCode, stdout, stderr } = await host.run(['df', '-P', '-k', path], { signal: late.signal });
      const space = exitCode === 0 ? readDf(stdout) : null;
      if (!space) log(`the free space of ${path} on ${host.name} could not be read: ${stderr.trim() || stdout.trim()}`);
      return space;
    } finally {
      timer.cancel();
    }
  }

  return {
    /** @throws AvkError AVK_DISK_FULL, AVK_HOST_UNREACHABLE */
    async check(): Promise<void> {
      const now = clock.monotonic();
      if (!last || now - last.at > KNOWN_MS) {
        const asking = ask();
        last = { at: now, space: asking };
        asking.catch(() => {
          last = null;
        });
      }
      const space = await last.space;
      if (!space || space.freePercent >= WARN_PERCENT) return;
      const percent = Math.round(space.freePercent * 10) / 10;
      const left = `${percent} % (${Math.round(space.freeBytes / 1024 / 1024)} MiB)`;
      if (space.freePercent < REFUSE_PERCENT) {
        throw new AvkError(
          'AVK_DISK_FULL',
          `The disk of ${host.name} is full: ${left} of the file system with Docker's images is free, and ${REFUSE_PERCENT} % have to be. Free space there.`,
        );
      }
      if (now - warnedAt < WARN_EVERY_MS) return;
      warnedAt = now;
      log(
        `the disk of ${host.name} is nearly full: ${left} is free; below ${REFUSE_PERCENT} % nothing is started there.`,
      );
    },
    /** What was known is out of date. */
    forget(): void {
      last = null;
    },
  };
}

/** Reads what `df -P -k PATH` prints; null when that is something else. */
export function readDf(text: string): DiskSpace | null {
  const fields = /\s(\d+)\s+(\d+)\s+(-?\d+)\s+\d+%\s/.exec(text.trim().split('\n').at(-1) ?? '');
  if (!fields) return null;
  const used = Number(fields[2]);
  const free = Math.max(0, Number(fields[3]));
  return { freeBytes: free * 1024, freePercent: used + free > 0 ? (free / (used + free)) * 100 : 0 };
}

/** Docker's own words for it. */
export function saysDiskFull(error: unknown): boolean {
  return /no space left on device|disk quota exceeded|ENOSPC/i.test(messageOf(error));
}
