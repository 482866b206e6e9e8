import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ROOT } from './run.mjs';

const WEB = join(ROOT, 'web');
const BUILT = join(WEB, 'dist');
const STAMP = '.built-from';
/** Files of these kinds are kept packed, too; smaller ones are not worth it. */
const PACKED = /\.(js|css|html|svg)$/;
const PACKED_BYTES = 1024;

/**
 * Makes sure that `web/dist` is built from the sources as they are. A failure is said and goes no further: the platform
 * works without its front end.
 *
 * @param {string} node the Node to build with
 */
export function buildFrontEnd(node) {
  const wanted = sourcesHash();
  const stamp = join(BUILT, STAMP);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.error('avishkar: building the front end …');
  // Beside the old one, which may be served at this moment, and put in its place whole.
  const fresh = join(WEB, `dist.${process.pid}`);
  try {
    const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js');
    const args = [vite, 'build', '--logLevel', 'error', '--outDir', fresh, '--emptyOutDir'];
    const env = { ...process.env, NODE_ENV: 'production' };
    const result = spawnSync(node, args, { cwd: WEB, env, stdio: ['ignore', process.stderr, process.stderr] });
    if (result.error) throw result.error;
    if (result.status !== 0) throw new Error(`vite ended with ${result.status ?? result.signal}; its output is above`);
    pack(fresh);
    writeFileSync(join(fresh, STAMP), wanted);
    replaceBuilt(fresh);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    const instead = existsSync(stamp) ? 'the one built before is served' : 'the platform starts without it';
    console.error(`avishkar: the front end could not be built, ${instead}: ${error.message}`);
  }
}

function sourcesHash() {
  const hash = createHash('sha256').update(readFileSync(join(ROOT, 'package-lock.json')));
  const files = ['index.html', 'package.json', 'tsconfig.json', 'vite.config.ts', ...below('src'), ...below('public')];
  for (const file of files.sort()) hash.update(`\0${file}\0`).update(readFileSync(join(WEB, file)));
  return hash.digest('hex');
}

function below(folder) {
  return readdirSync(join(WEB, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(WEB, join(entry.parentPath, entry.name)));
}

/** Packed once here, so that serving costs nothing. */
function pack(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !PACKED.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const content = readFileSync(path);
    if (content.length >= PACKED_BYTES) writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
  }
}

function replaceBuilt(fresh) {
  const old = join(WEB, `dist.old.${process.pid}`);
  if (existsSync(BUILT)) renameSync(BUILT, old);
  renameSync(fresh, BUILT);
  rmSync(old, { recursive: true, force: true });
}
