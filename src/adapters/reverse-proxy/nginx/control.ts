import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Host } from '../../../ports/host.ts';
import type { Machine } from './machine.ts';
import type { ControlSpec } from './shared-text.ts';

/** What NGINX itself says is live in it. */
export interface Running {
  /** Of the configuration that its workers have. */
  generation: string;
  /** Of the replicas in its shared dictionary; null when that is empty or not there. */
  revision: string | null;
}

/** Longer than NGINX needs for anything here; a connection that is made and not answered is one too many. */
const ANSWER_MS = 10_000;
/** How often it is asked for its state: one that is busy may break a connection off, or not take it. */
const MOST_TRIES = 3;
const PAUSE_MS = 250;

class NoAnswer extends AvkError {
  constructor(message: string, cause: unknown) {
    super('AVK_SERVICE_UNAVAILABLE', message, { cause });
  }
}

/** NGINX's loopback-only server, reached through its machine. */
export interface Control {
  /** Null when nothing of the platform's answers there. `unclear`: something listens, and answers broken or not at all. */
  running(spec: ControlSpec): Promise<Running | 'unclear' | null>;
  /** Says replicas and notes. @throws AvkError AVK_SERVICE_UNAVAILABLE with NGINX's answer, or without one */
  change(spec: ControlSpec, lines: readonly string[]): Promise<void>;
}

export function createControl(host: Host, machine: Machine, clock: Clock): Control {
  async function ask(spec: ControlSpec, path: string, body?: string): Promise<{ status: number; body: string }> {
    const deadline = machine.within(ANSWER_MS);
    try {
      const connection = await host.connect({ ip: '127.0.0.1', port: spec.port }, { signal: deadline.signal });
      try {
        return await exchange(connection, path, spec.token, body, deadline.signal);
      } finally {
        connection.destroy();
      }
    } catch (error) {
      if (error instanceof AvkError) throw error;
      throw new NoAnswer(`NGINX on ${host.name} does not answer the platform: ${messageOf(error)}`, error);
    } finally {
      deadline.cancel();
    }
  }

  async function state(spec: ControlSpec): Promise<Running | 'unclear' | null> {
    try {
      const { status, body } = await ask(spec, '/state');
      const match = /^([0-9a-f]{16}) (\S+)$/.exec(body);
      if (!match?.[1]) return status >= 500 ? 'unclear' : null;
      return { generation: match[1], revision: match[2] === '-' ? null : (match[2] ?? null) };
    } catch (error) {
      // If it is the machine that does not answer, nothing is known.
      if (!(error instanceof NoAnswer)) throw error;
      const { code } = error.cause as NodeJS.ErrnoException;
      return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ETIMEDOUT' ? 'unclear' : null;
    }
  }

  return {
    async running(spec) {
      for (let tries = 1; ; tries += 1) {
        const answer = await state(spec);
        if (answer !== 'unclear' || tries === MOST_TRIES) return answer;
        await clock.sleep(PAUSE_MS);
      }
    },
    async change(spec, lines) {
      const { status, body } = await ask(spec, '/endpoints', `${lines.join('\n')}\n`);
      if (status === 200) return;
      throw new AvkError('AVK_SERVICE_UNAVAILABLE', `NGINX did not take the replicas over: ${status} ${body.trim()}`);
    },
  };
}

function exchange(
  connection: Duplex,
  path: string,
  token: string,
  body: string | undefined,
  signal: AbortSignal,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      createConnection: () => connection,
      host: '127.0.0.1',
      path,
      method: body === undefined ? 'GET' : 'POST',
      headers: { Connection: 'close', 'X-Avishkar-Token': token },
      signal,
    });
    outgoing.once('error', (error) => reject(signal.aborted ? signal.reason : error));
    outgoing.once('response', (response) => {
      text(response).then((whole) => resolve({ status: response.statusCode ?? 0, body: whole }), reject);
    });
    outgoing.end(body);
  });
}
