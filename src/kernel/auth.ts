import { type CryptoKey, importJWK, type JWK, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { AvkError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Scope } from './scopes.ts';

/** Each role may do what the ones before it may. */
export const ROLES = ['user', 'developer', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who asks. */
export type Principal = UserPrincipal | { kind: 'service'; name: string };

export interface UserPrincipal {
  kind: 'user';
  name: string;
  role: Role;
  /** The sign-in it belongs to. None: the platform itself acts for the user, for minutes. */
  session?: string;
  /** The API token shown instead of a sign-in. */
  token?: { id: string; name: string };
  /** What that token is limited to; absent: all that the role may. */
  scopes?: readonly Scope[];
}

/**
 * Who may use a route. `open`: anyone. `service`: the platform's own services, and an administrator.
 * A role: users of that role or a higher one, and services.
 */
export type Access = 'open' | 'service' | Role;

export function allows(access: Access, principal: Principal): boolean {
  if (access === 'open' || principal.kind === 'service') return true;
  const needed: Role = access === 'service' ? 'admin' : access;
  return ROLES.indexOf(principal.role) >= ROLES.indexOf(needed);
}

export interface Tokens {
  /** Signs a token that is good for `seconds`. */
  issue(principal: Principal, seconds: number): Promise<{ token: string; expiresAt: number }>;
  /** @throws AvkError AVK_UNAUTHENTICATED */
  verify(token: string): Promise<Principal>;
}

const claims = z.union([
  z.object({ kind: z.literal('user'), sub: z.string(), role: z.enum(ROLES), sid: z.string().optional() }),
  z.object({ kind: z.literal('service'), sub: z.string() }),
]);

const ALGORITHM = 'EdDSA';
const ISSUER = 'avishkar';
/** Verified tokens are remembered for this long, so that a busy caller costs one signature check. */
const REMEMBER_MS = 10_000;
const REMEMBER_MOST = 1000;

/** @param key an Ed25519 private key as JWK; it never leaves the process */
export async function createTokens(key: JWK, clock: Clock): Promise<Tokens> {
  const privateKey = (await importJWK(key, ALGORITHM)) as CryptoKey;
  const { d: _secret, ...publicPart } = key;
  const publicKey = (await importJWK(publicPart, ALGORITHM)) as CryptoKey;
  const remembered = new Map<string, { principal: Principal; until: number }>();

  async function check(token: string): Promise<{ principal: Principal; expiresAt: number }> {
    try {
      const { payload } = await jwtVerify(token, publicKey, {
        issuer: ISSUER,
        algorithms: [ALGORITHM],
        currentDate: new Date(clock.now()),
        requiredClaims: ['exp'],
      });
      const claim = claims.parse(payload);
      const principal: Principal =
        claim.kind === 'user'
          ? { kind: 'user', name: claim.sub, role: claim.role, ...(claim.sid ? { session: claim.sid } : {}) }
          : { kind: 'service', name: claim.sub };
      return { principal, expiresAt: Number(payload.exp) * 1000 };
    } catch (cause) {
      throw new AvkError('AVK_UNAUTHENTICATED', 'the token is not valid or has expired; sign in again', { cause });
    }
  }

  return {
    async issue(principal, seconds) {
      const now = Math.floor(clock.now() / 1000);
      const claim =
        principal.kind === 'user'
          ? { role: principal.role, ...(principal.session ? { sid: principal.session } : {}) }
          : {};
      const token = await new SignJWT({ kind: principal.kind, ...claim })
        .setProtectedHeader({ alg: ALGORITHM })
        .setIssuer(ISSUER)
        .setSubject(principal.name)
        .setIssuedAt(now)
        .setExpirationTime(now + seconds)
        .sign(privateKey);
      return { token, expiresAt: (now + seconds) * 1000 };
    },
    async verify(token) {
      const known = remembered.get(token);
      if (known && known.until > clock.now()) return known.principal;
      const { principal, expiresAt } = await check(token);
      if (remembered.size >= REMEMBER_MOST) remembered.clear();
      remembered.set(token, { principal, until: Math.min(clock.now() + REMEMBER_MS, expiresAt) });
      return principal;
    },
  };
}

/** The token a service shows to others, renewed before it runs out. */
export function createServiceToken(tokens: Tokens, service: string, clock: Clock): () => Promise<string> {
  const seconds = 600;
  let current: { token: string; expiresAt: number } | null = null;
  return async () => {
    if (!current || current.expiresAt - clock.now() < (seconds * 1000) / 2) {
      current = await tokens.issue({ kind: 'service', name: service }, seconds);
    }
    return current.token;
  };
}
