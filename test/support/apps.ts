/** Bundles for tests: path to text. */
export type Files = Record<string, string>;

/** An app that serves its replica's name, its answers on /health and says once that it started. */
export function webApp(name: string, more: Record<string, unknown> = {}): Files {
  return appOf(
    name,
    `const http = require('node:http');
console.log('started', process.env.AVISHKAR_REPLICA);
http.createServer((q, s) => s.end(process.env.AVISHKAR_REPLICA)).listen(process.env.PORT);
process.on('SIGTERM', () => process.exit(0));`,
    { health: { path: '/health', startSeconds: 20 }, ...more },
  );
}

export function appOf(name: string, main: string, more: Record<string, unknown> = {}): Files {
  return {
    'app.json': JSON.stringify({ name, version: '1.0.0', runtime: 'node', entry: 'main.js', ...more }),
    'main.js': main,
  };
}
