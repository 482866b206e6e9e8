import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';

const table = z.record(z.string(), z.unknown()).default({});
const packageSchema = z.object({
  dependencies: table,
  optionalDependencies: table,
  peerDependencies: table,
  scripts: table,
  workspaces: z.unknown().optional(),
});

/** With one of these, npm installs exactly what it says. */
export const NPM_LOCK_FILES = ['package-lock.json', 'npm-shrinkwrap.json'];

/** What `npm install` runs of the app itself, dependencies or not. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'];

/**
 * Whether a package.json asks for anything to be installed.
 *
 * @throws AvkError AVK_BUILD_FAILED when npm could not read it
 */
export function wantsNpm(packageJson: string): boolean {
  let parsed: z.infer<typeof packageSchema>;
  try {
    // npm accepts a byte order mark, and editors on Windows write one.
    parsed = packageSchema.parse(JSON.parse(packageJson.replace(/^\uFEFF/, '')));
  } catch (error) {
    throw new AvkError('AVK_BUILD_FAILED', 'The package.json of the app is not valid.', { cause: error });
  }
  const wanted = { ...parsed.dependencies, ...parsed.optionalDependencies, ...parsed.peerDependencies };
  return (
    Object.keys(wanted).length > 0 ||
    parsed.workspaces !== undefined ||
    INSTALL_SCRIPTS.some((name) => parsed.scripts[name] !== undefined)
  );
}

/** The command that installs what an app asks for, with or without a lock file. */
export function npmInstall(locked: boolean): [string, ...string[]] {
  return ['npm', locked ? 'ci' : 'install', '--omit=dev', '--no-audit', '--no-fund', '--no-update-notifier'];
}

/** Whether there is anything but comments in a requirements.txt. */
export function wantsPip(requirements: string): boolean {
  return requirementLines(requirements).length > 0;
}

export function requirementLines(requirements: string): string[] {
  return requirements
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => !/^\s*(#.*)?$/.test(line));
}

/** The arguments after `pip`. */
export const PIP_INSTALL = [
  'install',
  '--no-input',
  '--no-color',
  '--progress-bar',
  'off',
  '--disable-pip-version-check',
];
