import { readdirSync, readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of the build context. */
export interface ContextFile {
  path: string;
  data: Buffer;
}

const SOURCES = ['static-server', 'static-files'];
const PROCESS = fileURLToPath(new URL('../process/', import.meta.url));
/** What the server imports of others. */
const PACKAGE = '@fastify/send';
const LEFT_OUT = /^(\.github|node_modules|tests?|benchmarks?|examples?)$/;

let made: ContextFile[] | null = null;

/**
 * The server of static apps as the embedded runtime has it, as plain JavaScript with what it imports: `static-server.mjs`,
 * `static-files.mjs`, `node_modules/…`. Needs nothing but a Node where it runs.
 */
export function staticServerFiles(): ContextFile[] {
  made ??= [...SOURCES.map(compiled), ...packageFiles(PACKAGE)];
  return made;
}

function compiled(name: string): ContextFile {
  const source = stripped(readFileSync(join(PROCESS, `${name}.ts`), 'utf8'));
  // Types are gone; the one import of a file of ours that is left is among these.
  const code = source.replaceAll(/(from '\.\/static-[a-z]+)\.ts'/g, "$1.mjs'");
  return { path: `${name}.mjs`, data: Buffer.from(code) };
}

/** Node warns that the function may change, on the platform's stderr; the tests of static apps would notice that. */
function stripped(source: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** A package and those that it needs, each once, and below the one that needs it where versions differ. */
function packageFiles(name: string): ContextFile[] {
  const files: ContextFile[] = [];
  const placed = new Map<string, string>();
  const place = (wanted: string, from: string, below: string): void => {
    const folder = packageFolder(wanted, from);
    if (placed.get(wanted) === folder) return;
    const at = placed.has(wanted) ? join(below, 'node_modules', wanted) : join('node_modules', wanted);
    if (!placed.has(wanted)) placed.set(wanted, folder);
    for (const path of codeFiles(folder)) {
      files.push({ path: join(at, relative(folder, path)), data: readFileSync(path) });
    }
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const each of Object.keys(dependencies)) place(each, join(folder, 'package.json'), at);
  };
  place(name, fileURLToPath(import.meta.url), '');
  return files;
}

/** Where Node finds a package. Its package.json may not be among what it exports, so it is looked for from its main file. */
function packageFolder(name: string, from: string): string {
  for (let folder = dirname(createRequire(from).resolve(name)); ; folder = dirname(folder)) {
    if (folder.endsWith(join('node_modules', name))) return folder;
    if (folder === dirname(folder)) throw new Error(`the package ${name} was not found`);
  }
}

function codeFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return LEFT_OUT.test(entry.name) ? [] : codeFiles(path);
    return /\.(js|cjs|mjs|json)$|^licen[cs]e/i.test(entry.name) ? [path] : [];
  });
}
