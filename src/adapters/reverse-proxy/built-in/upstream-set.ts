import { Pool } from 'undici';
import type { Clock } from '../../../ports/clock.ts';
import type { Upstream } from '../../../ports/reverse-proxy.ts';

/** One upstream with its connections. Routes that name the same address share it. */
export interface Target {
  readonly ip: string;
  readonly port: number;
  /** `127.0.0.1:20003`, `[::1]:20003`. */
  readonly address: string;
  readonly pool: Pool;
  /** Requests, tunnels included, that were sent to it and have not ended. */
  underWay: number;
  /** Monotonic milliseconds until which others are preferred, because a connect failed. */
  avoidUntil: number;
  /** False once no route names it; it then lives only until its last request has ended. */
  live: boolean;
}

export interface PoolLimits {
  connectTimeoutMs: number;
  firstByteTimeoutMs: number;
  idleTimeoutMs: number;
}

/** How long an upstream that refused a connection is passed over while there are others. */
const AVOID_MS = 1000;

/**
 * How long an idle connection is kept when the upstream does not say (`Keep-Alive: timeout=n`). Below the shortest
 * default in use (gunicorn: 2 s), because a POST that meets an upstream's closing connection cannot be sent again.
 */
const IDLE_CONNECTION_MS = 1500;

function addressOf(upstream: Upstream): string {
  return `${upstream.ip.includes(':') ? `[${upstream.ip}]` : upstream.ip}:${upstream.port}`;
}

/** All upstreams that are in a route, or are not but still have requests under way. */
export class UpstreamSet {
  readonly #clock: Clock;
  readonly #limits: PoolLimits;
  readonly #targets = new Map<string, Target>();
  readonly #closing = new Set<Promise<void>>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(clock: Clock, limits: PoolLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** The target of that address: the present one with its connections, also when it was about to go, or a new one. */
  use(upstream: Upstream): Target {
    const address = addressOf(upstream);
    const known = this.#targets.get(address);
    if (known) {
      // At once, lest it be let go between now and `retain`.
      known.live = true;
      return known;
    }
    const target: Target = {
      ip: upstream.ip,
      port: upstream.port,
      address,
      pool: new Pool(`http://${address}`, {
        connections: null,
        pipelining: 1,
        connectTimeout: this.#limits.connectTimeoutMs,
        headersTimeout: this.#limits.firstByteTimeoutMs,
        bodyTimeout: this.#limits.idleTimeoutMs,
        keepAliveTimeout: IDLE_CONNECTION_MS,
        keepAliveTimeoutThreshold: 1000,
        keepAliveMaxTimeout: 60_000,
        maxHeaderSize: 64 * 1024,
        allowH2: false,
      }),
      underWay: 0,
      avoidUntil: 0,
      live: true,
    };
    this.#targets.set(address, target);
    return target;
  }

  /** Says which targets the routes name now. The others take no new requests and are let go once their last one ended. */
  retain(wanted: ReadonlySet<Target>): void {
    for (const target of this.#targets.values()) {
      target.live = wanted.has(target);
      this.#settle(target);
    }
  }

  /** Next in turn from `start` that was not tried: one whose last connect worked, else any. */
  pick(targets: readonly Target[], start: number, tried: readonly Target[]): Target | null {
    const count = targets.length;
    if (count === 0) return null;
    let fallback: Target | null = null;
    for (let step = 0; step < count; step++) {
      const target = targets[(start + step) % count];
      if (target === undefined || (tried.length > 0 && tried.includes(target))) continue;
      if (target.avoidUntil === 0) return target;
      if (target.avoidUntil <= this.#clock.monotonic()) {
        target.avoidUntil = 0;
        return target;
      }
      fallback ??= target;
    }
    return fallback;
  }

  avoid(target: Target): void {
    target.avoidUntil = this.#clock.monotonic() + AVOID_MS;
  }

  begin(target: Target): void {
    target.underWay++;
  }

  end(target: Target): void {
    target.underWay--;
    if (!target.live) this.#settle(target);
  }

  /** Resolves when that upstream is in no route and has nothing under way, or after `deadlineMs`. */
  drained(upstream: Upstream, deadlineMs: number): Promise<void> {
    const address = addressOf(upstream);
    if (!this.#targets.has(address)) return Promise.resolve();
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(address) ?? new Set();
      this.#waiting.set(address, waiting);
      const done = (): void => {
        timer.cancel();
        waiting.delete(done);
        if (waiting.size === 0 && this.#waiting.get(address) === waiting) this.#waiting.delete(address);
        resolve();
      };
      const timer = this.#clock.after(deadlineMs, done);
      waiting.add(done);
    });
  }

  /** Ends every connection, also those in use. */
  async destroy(): Promise<void> {
    for (const target of this.#targets.values()) {
      target.live = false;
      this.#forget(target, target.pool.destroy());
    }
    await Promise.all(this.#closing);
  }

  #settle(target: Target): void {
    if (target.live || target.underWay > 0) return;
    this.#forget(target, target.pool.close());
  }

  #forget(target: Target, closing: Promise<void>): void {
    if (this.#targets.get(target.address) === target) this.#targets.delete(target.address);
    const gone = closing
      .catch(() => {
        // Closing twice, when destroy() meets a pool that is closing: gone is gone.
      })
      .finally(() => this.#closing.delete(gone));
    this.#closing.add(gone);
    for (const done of [...(this.#waiting.get(target.address) ?? [])]) done();
  }
}
