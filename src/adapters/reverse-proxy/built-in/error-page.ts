import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { ERRORS, type ErrorCode } from '../../../domain/errors.ts';
import { bodyOf } from './headers.ts';

/** What went wrong with a request, for the person who made it. */
export interface Problem {
  status: 400 | 413 | 502 | 503 | 504;
  code: ErrorCode;
  /** One sentence. */
  detail: string;
}

/** Rest of a refused upload that is read and thrown away, so that the client gets to see the answer. */
const LINGER_MS = 5000;

export interface Rendered {
  contentType: string;
  body: Buffer;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** HTML for browsers, problem details (RFC 9457) for programs. `app`: the route's name. */
export function renderProblem(app: string, problem: Problem, accept: string): Rendered {
  const title = problem.status === 502 ? 'The app did not answer' : ERRORS[problem.code].title;
  if (!/\btext\/html\b/i.test(accept)) {
    const { status, code, detail } = problem;
    const body = JSON.stringify({ type: 'about:blank', title, status, code, detail, app });
    return { contentType: 'application/problem+json', body: Buffer.from(body) };
  }
  const heading = `${problem.status} ${STATUS_CODES[problem.status] ?? ''}`;
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(`${app}: ${heading}`)}</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center;
  background: #f6f7f9; color: #1c2330 }
main { max-width: 36rem; padding: 2rem }
h1 { font-size: 1.5rem; margin: 0 0 .5rem }
p { margin: .5rem 0; overflow-wrap: anywhere }
small { color: #667085 }
@media (prefers-color-scheme: dark) { body { background: #12161d; color: #e6e9ef } small { color: #98a2b3 } }
</style>
</head>
<body>
<main>
<h1>${escapeHtml(app)}: ${escapeHtml(title.charAt(0).toLowerCase() + title.slice(1))}</h1>
<p>${escapeHtml(problem.detail)}</p>
<p><small>${escapeHtml(heading)} &middot; ${problem.code}</small></p>
</main>
</body>
</html>
`;
  return { contentType: 'text/html; charset=utf-8', body: Buffer.from(html) };
}

/** The header lines that go with a problem, as a flat list. */
export function problemHeaders(problem: Problem, rendered: Rendered): string[] {
  const headers = [
    'Content-Type',
    rendered.contentType,
    'Content-Length',
    String(rendered.body.length),
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
  ];
  if (problem.status === 503) headers.push('Retry-After', '2');
  return headers;
}

/**
 * Answers with the problem. When the client is still sending its body, the answer goes out at once but the connection
 * is closed only when the client has stopped, at most 5 s later: closing earlier would reset it before it has read.
 */
export function sendProblem(request: IncomingMessage, response: ServerResponse, app: string, problem: Problem): void {
  const rendered = renderProblem(app, problem, request.headers.accept ?? '');
  const headers = problemHeaders(problem, rendered);
  if (request.complete || request.destroyed || !bodyOf(request).present) {
    response.writeHead(problem.status, headers).end(rendered.body);
    // A body that arrived whole but was not read would keep the connection from going on to the next request.
    request.resume();
    return;
  }
  headers.push('Connection', 'close');
  response.writeHead(problem.status, headers);
  if (request.method !== 'HEAD') response.write(rendered.body);
  else response.flushHeaders();
  const finish = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(finish, LINGER_MS);
  request.once('end', finish).once('close', finish);
  request.resume();
}
