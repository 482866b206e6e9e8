import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import send from '@fastify/send';

export interface StaticSite {
  /** The unpacked app. */
  folder: string;
  /** The page of the app. What is beside and below it is served. */
  entry: string;
  /** What `/avishkar-config.json` tells the page. */
  settings: Record<string, string | number | boolean>;
  /** Told when a file that is there cannot be read. */
  onError: (path: string, error: string) => void;
}

/** The settings; a file of that name in the bundle stands in for them where the page is tried without the platform. */
const SETTINGS_PATH = '/avishkar-config.json';

const SENTENCES: Record<number, string> = {
  400: 'The address cannot be read.\n',
  404: 'There is no such page.\n',
  405: 'Only GET and HEAD are served here.\n',
  412: 'The file is not the one that was expected.\n',
  416: 'The file has no such part.\n',
  500: 'The file could not be read.\n',
};

/** Serves a static app: files, folders by their index.html, and its settings. Nothing that begins with a dot, nor app.json. */
export function createStaticHandler(site: StaticSite): RequestListener {
  const root = join(site.folder, dirname(site.entry));
  const manifest = join(site.folder, 'app.json');
  const index = [...new Set([basename(site.entry), 'index.html'])];
  const settings = Buffer.from(`${JSON.stringify(site.settings)}\n`);
  const missingPage = read(join(root, '404.html'));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return refuse(response, 405);
    }
    const [path = '/', query] = (request.url ?? '/').split(/\?(.*)/s);
    if (path === SETTINGS_PATH) {
      response.setHeader('cache-control', 'no-store');
      return whole(response, 200, 'application/json; charset=utf-8', settings);
    }
    const found = await send(request, path, { root, index, dotfiles: 'ignore' });
    if (found.type === 'error' || (found.type === 'file' && found.metadata.path === manifest)) {
      found.stream.destroy();
      const part = found.headers['Content-Range'];
      if (found.statusCode === 416 && part) response.setHeader('content-range', part);
      if (found.statusCode >= 500) site.onError(path, 'the file system refused it');
      return refuse(response, found.type === 'file' ? 404 : found.statusCode);
    }
    if (found.type === 'directory' && query !== undefined) found.headers.Location += `?${query}`;
    response.writeHead(found.statusCode, found.headers);
    await pipeline(found.stream, response);
  }

  function refuse(response: ServerResponse, status: number): void {
    // A folder without a page is as good as none.
    const told = status === 403 ? 404 : status;
    if (told === 404 && missingPage) whole(response, 404, 'text/html; charset=utf-8', missingPage);
    else whole(response, told, 'text/plain; charset=utf-8', Buffer.from(SENTENCES[told] ?? SENTENCES[500] ?? ''));
  }

  return (request, response) => {
    response.setHeader('x-content-type-options', 'nosniff');
    answer(request, response).catch((error: NodeJS.ErrnoException) => {
      // The browser went away, which is no fault.
      if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') site.onError(request.url ?? '', error.message);
      if (response.headersSent) response.destroy();
      else refuse(response, 500);
    });
  };
}

/** Null when there is none. */
function read(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function whole(response: ServerResponse, status: number, type: string, body: Buffer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': body.length });
  response.end(body);
}
