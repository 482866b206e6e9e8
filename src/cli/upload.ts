import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { AvkError, messageOf } from '../domain/errors.ts';
import { zipFolder } from '../main/zip-folder.ts';
import { uploadAnswer } from './answers.ts';
import { clock } from './clock.ts';
import { clientCommand, contextOf } from './command.ts';
import { bytes } from './format.ts';

interface Parcel {
  name: string;
  /** Of the zip; unknown before a folder is packed. */
  size: number | null;
  open(): Readable;
}

/** `avishkar upload`: a zip, or the folder that becomes one. */
export function uploadCommand(): Command {
  return clientCommand('upload', 'Uploads a version of an app: its zip, or its folder')
    .argument('<path>', 'a .zip, or a folder with an app.json')
    .addHelpText(
      'after',
      '\nOf a folder, node_modules, files that begin with a dot, and what .avishkarignore names (one name or path a line) stay behind.',
    )
    .action(async (path: string, options: { url?: string; json?: boolean }) => {
      const { client, out } = contextOf(options);
      const parcel = await pack(path);
      const progress = createProgress(parcel);
      try {
        const file = { name: parcel.name, content: progress.counted() };
        const { status, body } = await client.upload('/api/baseApp/upload/', file, uploadAnswer);
        progress.end();
        if (out.json) out.document(body);
        const already = status === 200 ? ', which was there already with the same content' : '';
        out.say(`Uploaded ${body.name} ${body.version} (${bytes(body.sizeBytes)})${already}.`);
        out.hint(`Deploy it with: npx avishkar deploy ${body.name}`);
      } finally {
        progress.end();
      }
    });
}

async function pack(path: string): Promise<Parcel> {
  const found = await stat(path).catch((cause) => {
    throw new AvkError('AVK_NOT_FOUND', `${path} cannot be read: ${messageOf(cause)}`, { cause });
  });
  const name = basename(resolve(path));
  if (found.isDirectory()) {
    const zip = await zipFolder(path);
    return { name: `${name}.zip`, size: null, open: () => zip.open() };
  }
  if (!found.isFile()) throw new AvkError('AVK_BAD_ZIP', `${path} is neither a zip nor a folder`);
  return { name, size: found.size, open: () => createReadStream(path) };
}

const SHOW_AFTER_MS = 1000;
const SHOW_EVERY_MS = 100;

/** Counts what goes out, and shows it to a person who has waited for a second. */
function createProgress(parcel: Parcel) {
  const began = clock.monotonic();
  let sent = 0;
  let shownAt = 0;
  function show(): void {
    const now = clock.monotonic();
    if (!process.stderr.isTTY || now - began < SHOW_AFTER_MS || now - shownAt < SHOW_EVERY_MS) return;
    shownAt = now;
    const of = parcel.size === null ? '' : ` of ${bytes(parcel.size)}, ${Math.floor((sent / parcel.size) * 100)} %`;
    process.stderr.write(`\r\u001b[KUploading ${parcel.name}: ${bytes(sent)}${of}`);
  }
  return {
    async *counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of parcel.open() as AsyncIterable<Uint8Array>) {
        yield chunk;
        sent += chunk.length;
        show();
      }
    },
    end(): void {
      if (shownAt > 0) process.stderr.write('\r\u001b[K');
      shownAt = 0;
    },
  };
}
