import { PassThrough, type Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Clock } from '../../ports/clock.ts';

/** Types of answers without an end, for `schema.produces`. */
export const EVENT_STREAM = 'text/event-stream';
export const NDJSON = 'application/x-ndjson';

/** Sends newline-delimited JSON as it comes. */
export function ndjson(reply: FastifyReply, stream: Readable): FastifyReply {
  return reply.header('content-type', NDJSON).header('cache-control', 'no-store').send(stream);
}

export interface ServerSentEvent {
  event?: string;
  /** Sent as JSON. */
  data: unknown;
}

/** A comment is sent so often that no proxy on the way thinks the connection dead. */
const HEARTBEAT_MS = 15_000;
/** An ended session gets no more events after this and the time that its last verdict holds. */
const RECHECK_MS = 4000;

/**
 * Sends events as they come. `open` gets a function to send with, and returns what to do when the client has gone;
 * a client that does not keep up is let go, and comes back by itself.
 */
export function sendEvents(
  reply: FastifyReply,
  clock: Clock,
  open: (send: (event: ServerSentEvent) => void, end: () => void) => () => void,
): FastifyReply {
  const stream = new PassThrough({ highWaterMark: 1024 * 1024 });
  let timer = clock.after(HEARTBEAT_MS, beat, { background: true });
  function beat(): void {
    stream.write(': still here\n\n');
    timer = clock.after(HEARTBEAT_MS, beat, { background: true });
  }
  let check = clock.after(RECHECK_MS, recheck, { background: true });
  async function recheck(): Promise<void> {
    if (!(await reply.request.goesOn())) return void stream.end();
    if (!stream.destroyed) check = clock.after(RECHECK_MS, recheck, { background: true });
  }
  stream.write(': connected\n\n');
  const close = open(
    ({ event, data }) => {
      if (stream.destroyed || stream.writableEnded) return;
      const head = event ? `event: ${event}\n` : '';
      if (!stream.write(`${head}data: ${JSON.stringify(data)}\n\n`)) stream.destroy();
    },
    () => stream.end(),
  );
  reply.server.openStreams.add(stream);
  stream.on('close', () => {
    reply.server.openStreams.delete(stream);
    timer.cancel();
    check.cancel();
    close();
  });
  reply.raw.on('close', () => stream.destroy());
  return reply
    .header('content-type', `${EVENT_STREAM}; charset=utf-8`)
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .send(stream);
}
