import { VERSION } from './version.ts';

/** What one sees at the printed address when the front end could not be built: that it works, and what to type next. */
export function landingPage(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Avishkar</title>
<style>
  :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
  body { font: 16px/1.55 system-ui, sans-serif; max-width: 44rem; margin: 0 auto; padding: 3rem 1.25rem; }
  h1 { font-size: 1.9rem; margin: 0; }
  .lead { margin-top: .4rem; opacity: .8; }
  ol { padding: 0; list-style: none; counter-reset: step; }
  li { border-top: 1px solid var(--line); padding: 1rem 0; }
  li p { margin: 0 0 .4rem; }
  code { display: block; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: .5rem; overflow-x: auto; white-space: pre; }
  a { color: inherit; }
  footer { border-top: 1px solid var(--line); padding-top: 1rem; opacity: .75; font-size: .9rem; }
</style>
</head>
<body>
<main>
  <h1>Avishkar is running</h1>
  <p class="lead">Your platform for distributed IoT apps, version ${VERSION}. The address of the sample app was printed in the terminal.</p>
  <ol>
    <li><p>Sign in with the password that the first start printed:</p><code>npx avishkar login --user admin</code></li>
    <li><p>Upload an app, a zip with an app.json at its root, or its folder:</p><code>npx avishkar upload examples/room-comfort</code></li>
    <li><p>Deploy it and wait until it serves:</p><code>npx avishkar deploy room-comfort</code></li>
    <li><p>See what runs, and read along:</p><code>npx avishkar ps
npx avishkar logs -f room-comfort-1</code></li>
  </ol>
</main>
<footer><a href="/docs">API reference</a> · <a href="/openapi.json">OpenAPI document</a> · <a href="/health">Health</a></footer>
</body>
</html>
`;
}
