import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { messageOf } from '../../../domain/errors.ts';
import { type Problem, sendProblem } from './error-page.ts';
import { isLostConnection, isUnsendable, problemOf, unavailable } from './failure.ts';
import { bodyOf, pathOf, requestHeaders, responseHeaders } from './headers.ts';
import { type ForwardContext, pickNext, type RouteHolder } from './live-route.ts';
import { BodyStream, readWhole } from './request-body.ts';
import type { Target } from './upstream-set.ts';

/** Methods whose repetition has the effect of doing it once (RFC 9110, 9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY']);

/**
 * Bodies up to this length are read whole before an upstream is chosen: slow clients then hold no upstream, and the
 * request can be sent again if the upstream turns out to be gone.
 */
const SMALL_BODY_BYTES = 64 * 1024;

/** How often a request is sent again because its connection was lost before any byte of an answer. */
const MAX_REPLAYS = 2;

/** Starts forwarding one request. `awaitsContinue`: the client waits for `100 Continue` before it sends the body. */
export function forward(
  context: ForwardContext,
  holder: RouteHolder,
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
): void {
  new Exchange(context, holder, request, response).start(awaitsContinue);
}

function flushHeaders(response: ServerResponse): void {
  // Not when a body chunk has taken them along already.
  if (!response.writableEnded && !response.destroyed) response.flushHeaders();
}

/** One request and its answer, over one or more attempts. A class because there is one per request on the hot path. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #context: ForwardContext;
  readonly #holder: RouteHolder;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #path = '/';
  #headers: string[] = [];
  #wholeBody: Buffer | null = null;
  #streamsBody = false;
  /** Of the present attempt. */
  #bodyStream: BodyStream | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  #target: Target | null = null;
  /** True once the present attempt has been handed to a connection: before that, nothing was sent. */
  #started = false;
  /** Those that could not be connected to. */
  readonly #tried: Target[] = [];
  #replays = 0;
  /** The failure to report if no other target is left. */
  #failure: { target: Target; error: unknown } | null = null;
  /** True once the head of the answer went to the client: from then on there is no way back. */
  #answered = false;
  #clientGone = false;

  constructor(context: ForwardContext, holder: RouteHolder, request: IncomingMessage, response: ServerResponse) {
    this.#context = context;
    this.#holder = holder;
    this.#request = request;
    this.#response = response;
  }

  start(awaitsContinue: boolean): void {
    this.#response.on('close', () => this.#onClose());
    const problem = this.#check();
    if (problem) {
      this.#refuse(problem);
      return;
    }
    this.#headers = requestHeaders(this.#request);
    if (awaitsContinue) this.#response.writeContinue();
    const body = bodyOf(this.#request);
    if (body.present && body.length !== null && body.length <= SMALL_BODY_BYTES) {
      readWhole(this.#request, (whole) => {
        this.#wholeBody = whole;
        this.#send();
      });
      return;
    }
    this.#streamsBody = body.present;
    this.#send();
  }

  /** What can be said before any of the body is read. */
  #check(): Problem | null {
    const { route, targets } = this.#holder.live;
    const path = pathOf(this.#request.url ?? '/');
    if (path === null) {
      const detail = `${route.name}: expected a path, got ${this.#request.url}`;
      return { status: 400, code: 'AVK_BAD_REQUEST', detail };
    }
    this.#path = path;
    const { length } = bodyOf(this.#request);
    if (route.maxBodyBytes > 0 && length !== null && length > route.maxBodyBytes) {
      const detail = `${route.name}: the request body is larger than ${route.maxBodyBytes} bytes`;
      return { status: 413, code: 'AVK_TOO_LARGE', detail };
    }
    return targets.length === 0 ? unavailable(route) : null;
  }

  #send(): void {
    if (this.#clientGone) return;
    const target = pickNext(this.#context, this.#holder, this.#tried);
    if (target === null) {
      this.#giveUp();
      return;
    }
    this.#target = target;
    this.#started = false;
    this.#controller = null;
    if (this.#streamsBody) {
      const stream = new BodyStream(this.#request, this.#holder.live.route.maxBodyBytes);
      stream.on('error', () => {
        // undici reports it through onResponseError; it may also come when undici no longer listens.
      });
      this.#bodyStream = stream;
    }
    this.#context.upstreams.begin(target);
    target.pool.dispatch(
      {
        path: this.#path,
        method: this.#request.method ?? 'GET',
        headers: this.#headers,
        body: this.#bodyStream ?? this.#wholeBody,
      },
      this,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#started = true;
    if (this.#clientGone) controller.abort(new Error('the client went away'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _: unknown, statusText?: string): void {
    const raw = Array.isArray(controller.rawHeaders) ? controller.rawHeaders : [];
    if (status < 200) {
      this.#passInterim(status, raw);
      return;
    }
    const response = this.#response;
    if (this.#holder.closing) response.shouldKeepAlive = false;
    response.writeHead(status, statusText ?? '', responseHeaders(raw, status));
    this.#answered = true;
    // The head goes out together with the first bytes of the body if they are here already, else now (event streams).
    process.nextTick(flushHeaders, response);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once('drain', () => controller.resume());
  }

  onResponseEnd(): void {
    this.#settle();
    this.#response.end();
    // The upstream answered without reading all of the body: the rest must not block the connection.
    if (!this.#request.complete) this.#request.resume();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const target = this.#target;
    if (target === null) return;
    const consumed = this.#bodyStream?.consumed ?? false;
    this.#settle();
    if (this.#clientGone) return;
    if (this.#answered) {
      // The only way to tell the client that what it has is not all.
      this.#response.destroy(error);
      return;
    }
    this.#failure = { target, error };
    if (!this.#started && !isUnsendable(error)) {
      this.#context.upstreams.avoid(target);
      this.#tried.push(target);
      this.#send();
    } else if (isLostConnection(error) && !consumed && this.#mayReplay()) {
      this.#replays++;
      this.#send();
    } else {
      this.#giveUp();
    }
  }

  #mayReplay(): boolean {
    return this.#replays < MAX_REPLAYS && IDEMPOTENT.has(this.#request.method ?? '');
  }

  #giveUp(): void {
    const { route } = this.#holder.live;
    if (this.#failure === null) {
      this.#refuse(unavailable(route));
      return;
    }
    const { target, error } = this.#failure;
    const problem = problemOf(route.name, target, error, this.#context.firstByteTimeoutMs / 1000);
    if (problem.status >= 500) this.#context.log(`${problem.detail} (${messageOf(error)})`);
    this.#refuse(problem);
  }

  #refuse(problem: Problem): void {
    sendProblem(this.#request, this.#response, this.#holder.live.route.name, problem);
  }

  /** Ends the present attempt's account; comes before anything that could start another. */
  #settle(): void {
    if (this.#target === null) return;
    this.#context.upstreams.end(this.#target);
    this.#target = null;
    this.#bodyStream?.destroy();
    this.#bodyStream = null;
  }

  #onClose(): void {
    if (this.#response.writableFinished) return;
    this.#clientGone = true;
    this.#controller?.abort(new Error('the client went away'));
  }

  /** 102 and 103; others have no meaning that could be kept. HTTP/1.0 has no interim answers. */
  #passInterim(status: number, raw: readonly (Buffer | string)[]): void {
    if (this.#request.httpVersionMajor === 1 && this.#request.httpVersionMinor === 0) return;
    if (status === 102) this.#response.writeProcessing();
    if (status !== 103) return;
    const links: string[] = [];
    for (let index = 0; index < raw.length; index += 2) {
      if (String(raw[index]).toLowerCase() === 'link') links.push(String(raw[index + 1]));
    }
    try {
      if (links.length > 0) this.#response.writeEarlyHints({ link: links });
    } catch (error) {
      // Hints are optional: one that node does not accept is left out, and the answer follows.
      this.#context.log(`${this.#holder.live.route.name}: early hints left out: ${messageOf(error)}`);
    }
  }
}
