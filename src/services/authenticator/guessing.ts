import { AvkError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { createThrottle } from './throttle.ts';

/** Who tries a password, and from which address. */
export interface Attempt {
  username: string;
  from: string;
}

/** Lets passwords be tried, but not guessed. */
export interface Guessing {
  /**
   * Runs `attempt`, which tells whether the password was right. One after the other for each source: a burst of
   * guesses is counted like a row of them.
   *
   * @throws AvkError AVK_TOO_MANY_REQUESTS with the seconds to wait
   */
  allow(who: Attempt, attempt: () => Promise<boolean>): Promise<boolean>;
  /** After a refusal: whether it was the first one since attempts of this kind are refused. */
  firstRefusal(who: Attempt): boolean;
  /** Counts something else that a stranger may do only so often, such as registering. */
  count(from: string): void;
}

const FAILURES_PER_USER = 10;
/** One source that tries one password with many users. An office behind one address stays below it. */
const FAILURES_PER_SOURCE = 50;

export function createGuessing(clock: Clock): Guessing {
  const byUser = createThrottle(clock, FAILURES_PER_USER);
  const bySource = createThrottle(clock, FAILURES_PER_SOURCE);
  const underWay = new Map<string, Promise<unknown>>();

  async function inTurn<T>(key: string, attempt: () => Promise<T>): Promise<T> {
    const before = underWay.get(key);
    const mine = before ? before.then(attempt, attempt) : attempt();
    underWay.set(key, mine);
    try {
      return await mine;
    } finally {
      if (underWay.get(key) === mine) underWay.delete(key);
    }
  }

  function refuseWhile(seconds: number): void {
    if (seconds === 0) return;
    throw new AvkError('AVK_TOO_MANY_REQUESTS', `too many failed attempts; try again in ${seconds} s`, {
      retryAfterSeconds: seconds,
    });
  }

  const keyOf = ({ username, from }: Attempt): string => `${username.toLowerCase()} ${from}`;

  return {
    allow(who, attempt) {
      const { from } = who;
      const key = keyOf(who);
      return inTurn(from, async () => {
        refuseWhile(Math.max(byUser.waitSeconds(key), bySource.waitSeconds(from)));
        const right = await attempt();
        if (right) {
          byUser.succeeded(key);
        } else {
          byUser.failed(key);
          bySource.failed(from);
        }
        return right;
      });
    },
    firstRefusal(who) {
      return bySource.waitSeconds(who.from) > 0 ? bySource.firstRefusal(who.from) : byUser.firstRefusal(keyOf(who));
    },
    count(from) {
      refuseWhile(bySource.waitSeconds(from));
      bySource.failed(from);
    },
  };
}
