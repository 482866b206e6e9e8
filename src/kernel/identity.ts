import { z } from 'zod';
import { AvkError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { type Principal, ROLES, type Tokens } from './auth.ts';
import { SCOPES } from './scopes.ts';

/** What a caller shows that only the authenticator can judge. */
export type Credential = { session: string } | { apiToken: string };

/** The authenticator's word on a credential that is good. Of a session only that it goes on. */
export const verdictSchema = z.object({
  name: z.string(),
  role: z.enum(ROLES),
  token: z.object({ id: z.string(), name: z.string() }).optional(),
  scopes: z.array(z.enum(SCOPES)).optional(),
  /** Milliseconds since the epoch. */
  expiresAt: z.number().nullable(),
});
export type Verdict = z.infer<typeof verdictSchema>;

/** Asks the authenticator. Null: ended, revoked, expired or never there. Rejects when it does not answer. */
export type Inspect = (credential: Credential) => Promise<Verdict | null>;

export interface Identity {
  /** @throws AvkError AVK_UNAUTHENTICATED; AVK_SERVICE_UNAVAILABLE for an API token nobody can judge now */
  identify(bearer: string): Promise<Principal>;
}

export const API_TOKEN_PREFIX = 'avk_';
/** So long a verdict holds: an ended session is refused everywhere after this and the time of one question. */
const FRESH_MS = 3000;
/** When the authenticator does not answer it is asked again after this, not by every request. */
const RETRY_MS = 2000;
const MOST = 5000;

interface Entry {
  answer: Promise<Verdict | null>;
  /** The last word that was heard; undefined: none yet. */
  known: Verdict | null | undefined;
  until: number;
}

/**
 * Tells who shows a token. Login tokens are checked by their signature, then, like API tokens, with the authenticator,
 * whose word is remembered for seconds.
 *
 * When the authenticator does not answer, a login token whose signature is good and that has not expired is accepted,
 * and an API token keeps its last verdict: nothing can be revoked while the authenticator is stopped, and its stop must
 * not lock everybody out.
 */
export function createIdentity(tokens: Tokens, inspect: Inspect, clock: Clock): Identity {
  const entries = new Map<string, Entry>();

  function ask(key: string, credential: Credential): Promise<Verdict | null> {
    const before = entries.get(key);
    if (before && before.until > clock.monotonic()) return before.answer;
    const entry: Entry = {
      // Until the answer is there everybody waits for this one question.
      until: Number.POSITIVE_INFINITY,
      known: before?.known,
      answer: inspect(credential).then(
        (verdict) => {
          entry.known = verdict;
          entry.until = clock.monotonic() + FRESH_MS;
          return verdict;
        },
        (cause) => {
          entry.until = clock.monotonic() + RETRY_MS;
          if (entry.known !== undefined) return entry.known;
          throw new AvkError('AVK_SERVICE_UNAVAILABLE', 'the authenticator does not answer', { cause });
        },
      ),
    };
    // Whoever asked gets the failure; that nobody else does is no fault of the process.
    entry.answer.catch(() => undefined);
    makeRoom(key);
    entries.set(key, entry);
    return entry.answer;
  }

  function makeRoom(key: string): void {
    entries.delete(key);
    if (entries.size < MOST) return;
    const now = clock.monotonic();
    for (const [old, { until }] of entries) if (until <= now) entries.delete(old);
    for (const old of entries.keys()) {
      if (entries.size < MOST) break;
      entries.delete(old);
    }
  }

  async function apiToken(bearer: string): Promise<Principal> {
    const verdict = await ask(bearer, { apiToken: bearer });
    if (!verdict?.token || (verdict.expiresAt !== null && verdict.expiresAt <= clock.now())) {
      throw new AvkError('AVK_UNAUTHENTICATED', 'the API token is unknown, revoked or has expired');
    }
    const { name, role, token, scopes } = verdict;
    return { kind: 'user', name, role, token, ...(scopes ? { scopes } : {}) };
  }

  async function goesOn(session: string): Promise<boolean> {
    try {
      return (await ask(`session ${session}`, { session })) !== null;
    } catch (error) {
      if (error instanceof AvkError && error.code === 'AVK_SERVICE_UNAVAILABLE') return true;
      throw error;
    }
  }

  return {
    async identify(bearer) {
      if (bearer.startsWith(API_TOKEN_PREFIX)) return apiToken(bearer);
      const principal = await tokens.verify(bearer);
      if (principal.kind === 'user' && principal.session && !(await goesOn(principal.session))) {
        throw new AvkError('AVK_UNAUTHENTICATED', 'this sign-in was ended; sign in again');
      }
      return principal;
    },
  };
}
