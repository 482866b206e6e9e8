import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildFrontEnd } from './front-end.mjs';
import { ROOT } from './run.mjs';

/** The oldest Node that has all the platform uses. An older one fetches a newer one for itself, below the checkout. */
const NEEDED = [24, 9];
const FETCHED = 24;

/**
 * Makes sure of a fitting Node and of the packages, and returns the Node's path. Does nothing when all is there.
 *
 * @param {{ development: boolean, frontEnd?: boolean }} options whether to install what tests and checks need, too;
 *   whether the front end is to be built
 */
export async function prepare({ development, frontEnd = false }) {
  const node = findNode();
  installPackages(node, development);
  if (frontEnd) buildFrontEnd(node);
  return node;
}

function findNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(ROOT, '.node');
  const binary = join(folder, 'node_modules', name, 'bin', 'node');
  if (existsSync(binary)) return binary;
  console.error(`avishkar: this is Node ${process.versions.node}; fetching Node ${FETCHED} for the platform alone …`);
  mkdirSync(folder, { recursive: true });
  npm(
    process.execPath,
    ['install', '--prefix', folder, '--no-save', '--no-package-lock', `${name}@${FETCHED}`],
    folder,
  );
  if (!existsSync(binary)) fail(`there is no ${name}; install Node ${FETCHED} yourself and try again`);
  return binary;
}

function installPackages(node, development) {
  const lock = readFileSync(join(ROOT, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).digest('hex');
  const stamp = join(ROOT, 'node_modules', '.avishkar');
  const [hash, kind] = existsSync(stamp) ? readFileSync(stamp, 'utf8').split(' ') : [];
  if (hash === wanted && (kind === 'development' || !development)) return;
  // What `npm install` put there by hand is as good as what we would.
  if (hash === undefined && existsSync(join(ROOT, 'node_modules', 'typescript')) && installedMatches(lock)) {
    writeStamp(stamp, `${wanted} development`);
    return;
  }
  console.error(`avishkar: installing packages${development ? ' for running and testing' : ''} …`);
  const rest = development ? [] : ['--omit=dev'];
  // Not `npm ci`: it refuses a lock file without the binaries of platforms other than the one that wrote it.
  // No package needs its install script; those of ssh2 would spend a minute on compiling what is optional.
  npm(node, ['install', '--no-save', '--ignore-scripts', ...rest], ROOT);
  writeStamp(stamp, `${wanted} ${development ? 'development' : 'running'}`);
}

function installedMatches(lock) {
  const installed = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const packages = (text) => {
    const { '': _root, ...rest } = JSON.parse(text).packages;
    return rest;
  };
  const present = packages(readFileSync(installed, 'utf8'));
  return Object.entries(packages(lock)).every(
    ([path, entry]) => entry.optional || present[path]?.version === entry.version,
  );
}

function writeStamp(stamp, text) {
  writeFileSync(`${stamp}.new`, text);
  renameSync(`${stamp}.new`, stamp);
}

function npm(node, args, cwd) {
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` };
  // Under `npm start` npm tells its scripts about itself; a nested npm must not take that for its own settings.
  for (const key of Object.keys(env))
    if (/^npm_(config_(prefix|local_prefix)|package_|lifecycle_)/i.test(key)) delete env[key];
  const result = spawnSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    env,
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (result.error) fail(`npm cannot be run: ${result.error.message}`);
  if (result.status !== 0) {
    rmSync(join(cwd, 'node_modules', '.avishkar'), { force: true });
    fail(`npm ${args[0]} failed; its output is above`);
  }
}

function fail(message) {
  console.error(`avishkar: ${message}`);
  process.exit(1);
}
