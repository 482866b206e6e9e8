import { AvkError } from '../../../domain/errors.ts';
import type { Manifest } from '../../../domain/manifest.ts';
import { NPM_LOCK_FILES, npmInstall, PIP_INSTALL, requirementLines, wantsNpm, wantsPip } from '../dependencies.ts';
import { BUILD_LABEL } from './labels.ts';

/** Images that apps are built on, as in `FROM`. */
export interface BaseImages {
  node: string;
  python: string;
  /** Of static apps; it has a Node, too. Default: that of Node apps. */
  static?: string;
}

/** What of an app decides how it is built. */
export interface AppFiles {
  has: (path: string) => boolean;
  /** Null when there is no such file. Only of those in `READ`. */
  text: (path: (typeof READ)[number]) => string | null;
}

export const READ = ['package.json', 'package-lock.json', 'npm-shrinkwrap.json', 'requirements.txt'] as const;

/** Who apps run as: nobody that the machine knows. */
const USER = '10001:10001';
const COPIED = `COPY --chown=${USER}`;
/** A registry's address is needed while an app is built; it is not kept in the image. */
const NPM_ARGUMENTS = ['NPM_CONFIG_REGISTRY'];
const PIP_ARGUMENTS = ['PIP_INDEX_URL', 'PIP_EXTRA_INDEX_URL', 'PIP_TRUSTED_HOST'];
const IMAGE = /^[a-z0-9][A-Za-z0-9._/:@-]{0,254}$/;

/**
 * The Dockerfile of an app without one of its own. Its context has the app below `app/` and what is ours below
 * `avishkar/`. What differs from app to app stands in JSON strings only.
 *
 * @throws AvkError AVK_BUILD_FAILED, AVK_BAD_CONFIG
 */
export function renderDockerfile(
  manifest: Pick<Manifest, 'runtime' | 'entry' | 'config'>,
  files: AppFiles,
  baseImages: BaseImages,
): string {
  const lines = linesOf(manifest, files, baseImages);
  return `${lines.join('\n')}\n`;
}

function linesOf(
  manifest: Pick<Manifest, 'runtime' | 'entry' | 'config'>,
  files: AppFiles,
  baseImages: BaseImages,
): string[] {
  switch (manifest.runtime) {
    case 'node':
      return [
        ...head(baseImages.node),
        ...nodeApp(files),
        'ENV NODE_ENV=production',
        `CMD ${JSON.stringify(['node', manifest.entry])}`,
      ];
    case 'python':
      return [
        ...head(baseImages.python),
        'ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1',
        ...pythonApp(files),
        `USER ${USER}`,
        `CMD ${JSON.stringify(['python3', '-u', manifest.entry])}`,
      ];
    case 'static':
      return [
        ...head(baseImages.static ?? baseImages.node),
        'COPY ["avishkar/","/avishkar/"]',
        'COPY ["app/","/app/"]',
        'WORKDIR /app',
        `USER ${USER}`,
        `CMD ${JSON.stringify(['node', '/avishkar/static-server.mjs', JSON.stringify(staticOptions(manifest))])}`,
      ];
    case 'dockerfile':
      throw new AvkError('AVK_INTERNAL', 'An app with runtime dockerfile has a Dockerfile of its own.');
  }
}

/** The label comes first, so that whatever a build leaves behind can be told to be ours. */
function head(image: string): string[] {
  if (!IMAGE.test(image)) {
    const received = JSON.stringify(image.slice(0, 200));
    throw new AvkError('AVK_BAD_CONFIG', `baseImages: ${received} is not the name of an image.`);
  }
  return [`FROM ${image}`, `LABEL ${BUILD_LABEL}=1`, 'ENV LANG=C.UTF-8 HOME=/tmp TMPDIR=/tmp'];
}

function nodeApp(files: AppFiles): string[] {
  const packageJson = files.text('package.json');
  const whole = [`${COPIED} ["app/","/app/"]`, 'WORKDIR /app', `USER ${USER}`];
  if (packageJson === null || !wantsNpm(packageJson)) return whole;
  const locks = NPM_LOCK_FILES.filter((name) => files.has(name));
  // The cache would stay in the image, and nothing would ever read it.
  const install = `RUN ${npmInstall(locks.length > 0).join(' ')} && rm -rf /tmp/.npm`;
  const args = NPM_ARGUMENTS.map((name) => `ARG ${name}`);
  if (!installsAlone(packageJson, files)) return [...args, ...whole, install];
  const wanted = ['package.json', ...locks, ...['.npmrc'].filter((name) => files.has(name))];
  return [
    ...args,
    `${COPIED} ${JSON.stringify([...wanted.map((name) => `app/${name}`), '/app/'])}`,
    'WORKDIR /app',
    `USER ${USER}`,
    install,
    `${COPIED} ["app/","/app/"]`,
  ];
}

/**
 * Whether npm needs no more of the app than what says its dependencies: then the layer with them is made once for all
 * versions that have the same. Rather no than wrong.
 */
function installsAlone(packageJson: string, files: AppFiles): boolean {
  const { scripts, workspaces } = JSON.parse(packageJson.replace(/^\uFEFF/, ''));
  const locks = NPM_LOCK_FILES.map((name) => files.text(name as (typeof READ)[number]) ?? '');
  const local = [packageJson, ...locks].some((text) => /"(file|link|workspace):|"link":|"\.{1,2}\/|"[~/]/.test(text));
  const hooks = /^((pre|post)?(install|prepare)|prepublish|dependencies)$/;
  return (
    !local &&
    workspaces === undefined &&
    !Object.keys(scripts ?? {}).some((name) => hooks.test(name)) &&
    !files.has('binding.gyp') &&
    !files.has('node_modules')
  );
}

function pythonApp(files: AppFiles): string[] {
  const requirements = files.text('requirements.txt');
  const whole = [`${COPIED} ["app/","/app/"]`, 'WORKDIR /app'];
  if (requirements === null || !wantsPip(requirements)) return whole;
  const pip = ['/venv/bin/python', '-I', '-m', 'pip', ...PIP_INSTALL, '--no-cache-dir', '-r', 'requirements.txt'];
  const install = [
    // `-I`: nothing of the app is taken for a module of Python's own.
    'RUN python3 -I -m venv /venv',
    `RUN ${pip.join(' ')}`,
    'ENV VIRTUAL_ENV=/venv PATH=/venv/bin:$PATH',
  ];
  const args = PIP_ARGUMENTS.map((name) => `ARG ${name}`);
  // Anything but names and versions may lead to another file of the app.
  const alone = requirementLines(requirements).every((line) =>
    /^\s*[A-Za-z0-9][\w.-]*(\[[\w.,\s-]*\])?\s*([<>=!~][\w.,<>=!~*+\s]*)?(;[^/]*)?(\s#.*)?$/.test(line),
  );
  return alone
    ? [...args, `${COPIED} ["app/requirements.txt","/app/"]`, 'WORKDIR /app', ...install, `${COPIED} ["app/","/app/"]`]
    : [...args, ...whole, ...install];
}

/** What the server of a static app is told, as process/static.ts tells it: nothing that is secret. */
function staticOptions({ entry, config }: Pick<Manifest, 'entry' | 'config'>) {
  const told = config.filter(({ secret }) => !secret).map(({ key, type }) => ({ key, type }));
  return { entry, address: '0.0.0.0', config: told };
}

/** Settings of the operator that a build needs to reach a registry. Docker itself knows the first ones. */
const PASSED_ON = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  ...NPM_ARGUMENTS,
  'npm_config_registry',
  ...PIP_ARGUMENTS,
];

/**
 * Build arguments out of the platform's environment. What names this machine means another one over there, and what
 * holds a password would be readable in the image's history: both are left out.
 */
export function buildArguments(environment: NodeJS.ProcessEnv): Record<string, string> {
  const args: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = environment[name];
    if (value === undefined || /[\r\n]/.test(value)) continue;
    if (!/^no_proxy$/i.test(name) && (/@/.test(value) || /\/\/(localhost|127\.|\[::1\])/i.test(value))) continue;
    args[name === 'npm_config_registry' ? 'NPM_CONFIG_REGISTRY' : name] = value;
  }
  return args;
}
