import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { eventually } from './eventually.ts';
import { PASSWORD } from './platform.ts';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
const ARGUMENTS = ['--no-sandbox', '--disable-background-networking', '--disable-dev-shm-usage'];
/** Generous, for a machine that is busy with other tests. */
const PATIENCE_MS = 40_000;

/** Resolves when no colour and no place is on its way to another. */
const SETTLED = `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  .then(() => Promise.all(document.getAnimations()
  .filter(({ effect }) => effect.getComputedTiming().iterations !== Infinity)
  .map(({ finished }) => finished.catch(() => null)))).then(() => null)`;

function findChromium(): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter);
  for (const path of PROGRAMS.flatMap((program) => folders.map((folder) => join(folder, program)))) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return null;
}

const PATH = findChromium();

/** Why suites that need a browser are skipped; false where there is one, and in CI, where a missing one is a failure. */
export const NO_BROWSER: string | false =
  PATH !== null || process.env.CI === 'true' ? false : `there is none of ${PROGRAMS.join(', ')} on this machine`;

export async function openBrowser(): Promise<Browser> {
  if (PATH === null) throw new Error(`none of ${PROGRAMS.join(', ')} is installed: apt-get install chromium`);
  return chromium.launch({ executablePath: PATH, args: ARGUMENTS });
}

/** Somebody with a browser of their own, who notes all that goes wrong in it. */
export interface Visitor {
  page: Page;
  context: BrowserContext;
  /** What the browser complains of when `status` is answered to a request whose address has this in it. */
  provokes(status: number | string, address: string): void;
  /** Fails when the browser complained of anything that was not provoked. */
  assertQuiet(): void;
  goto(path: string): Promise<void>;
  /** Signs in at the address that is open. */
  signIn(username?: string, password?: string): Promise<void>;
  heading(name: string | RegExp): Locator;
  button(name: string | RegExp): Locator;
  link(name: string | RegExp): Locator;
  dialog(): Locator;
  /** Text that is to be seen somewhere. */
  sees(text: string | RegExp): Promise<void>;
}

export interface VisitorOptions {
  /** Default: reduced, so that nothing fades while it is looked at. */
  reducedMotion?: 'reduce' | 'no-preference';
}

export async function newVisitor(browser: Browser, url: string, options: VisitorOptions = {}): Promise<Visitor> {
  const context = await browser.newContext({
    baseURL: url,
    viewport: { width: 1280, height: 860 },
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    reducedMotion: options.reducedMotion ?? 'reduce',
  });
  await context.addInitScript(`document.addEventListener('securitypolicyviolation', (event) =>
    console.error('Content-Security-Policy: ' + event.violatedDirective + ' ' + event.blockedURI));`);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints: string[] = [];
  // Whether anybody is signed in is found out by asking.
  const provoked: { status: number | string; address: string }[] = [{ status: 401, address: '/api/users/me/' }];
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${message.text()} ${message.location().url}`);
  });
  const isProvoked = (complaint: string): boolean =>
    provoked.some(
      ({ status, address }) =>
        complaint.includes(typeof status === 'number' ? `status of ${status} ` : status) && complaint.includes(address),
    );
  return {
    page,
    context,
    provokes: (status, address) => provoked.push({ status, address }),
    assertQuiet() {
      assert.deepEqual(
        complaints.filter((complaint) => !isProvoked(complaint)),
        [],
      );
    },
    goto: async (path) => {
      await page.goto(path);
    },
    async signIn(username = 'admin', password = PASSWORD) {
      await page.getByLabel('Username').fill(username);
      await page.getByLabel('Password', { exact: true }).fill(password);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('button', { name: `Account of ${username}` }).waitFor();
    },
    heading: (name) => page.getByRole('heading', { name }),
    button: (name) => page.getByRole('button', { name, exact: true }),
    link: (name) => page.getByRole('link', { name }),
    dialog: () => page.getByRole('dialog'),
    sees: (text) => page.getByText(text).first().waitFor(),
  };
}

type Step = (context: TestContext) => Promise<void>;

/**
 * The steps of a story, each of which begins where the one before ended: after one that failed the others are not
 * tried. A failure says what was to be seen.
 */
export function newStory(visitor: () => Visitor): (step: () => Promise<void>) => Step {
  let failed = false;
  return (step) => async (context) => {
    if (failed) {
      context.skip('a step before it failed');
      return;
    }
    try {
      await step();
      visitor().assertQuiet();
    } catch (error) {
      failed = true;
      throw new Error(`${error instanceof Error ? error.message : error}\n\n${await shown(visitor().page)}`, {
        cause: error,
      });
    }
  };
}

async function shown(page: Page): Promise<string> {
  try {
    return `Shown at ${page.url()}:\n${await page.locator('body').ariaSnapshot({ timeout: 5000 })}`;
  } catch (error) {
    return `What is shown at ${page.url()} could not be read: ${error}`;
  }
}

interface Violation {
  id: string;
  impact: string | null;
  help: string;
  nodes: { html: string; failureSummary?: string }[];
}

/** In light and in dark nothing serious is wrong for people who need help to see or to type; at 360 px nothing is cut off. */
export async function inspect({ page }: Visitor, name: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor();
    await page.evaluate(SETTLED);
    await page.evaluate(axe.source);
    const violations = await page.evaluate<Violation[]>(
      `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)`,
    );
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    assert.deepEqual(
      grave.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join('; ')}`),
      [],
      `${name} in ${colorScheme}`,
    );
  }
  await page.emulateMedia({ colorScheme: 'light' });
  const before = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 740 });
  await eventually(
    async () => {
      const beyond = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      assert.equal(beyond, 0, `${name} is ${beyond} px too wide for 360 px`);
      return true;
    },
    // What floats finds its place in the next moments.
    { deadlineMs: 5000 },
  );
  if (before) await page.setViewportSize(before);
}
