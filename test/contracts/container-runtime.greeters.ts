import type { Runtime } from '../../src/domain/manifest.ts';

const NODE_MAIN = `
process.on('SIGTERM', () => process.exit(0));
require('node:http').createServer((request, response) => response.end('hello ' + process.env.GREETED)).listen(process.env.PORT);
`;

const PYTHON_MAIN = `
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(('hello ' + os.environ['GREETED']).encode())
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('python is up')
http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()
`;

/** An app of each runtime that greets GREETED, and how it is asked to. */
export const GREETERS: {
  runtime: Runtime;
  entry: string;
  path: string;
  answer: RegExp;
  files: Record<string, string>;
}[] = [
  { runtime: 'node', entry: 'main.js', path: '/', answer: /^hello world$/, files: { 'main.js': NODE_MAIN } },
  { runtime: 'python', entry: 'main.py', path: '/', answer: /^hello world$/, files: { 'main.py': PYTHON_MAIN } },
  {
    runtime: 'static',
    entry: 'index.html',
    path: '/avishkar-config.json',
    answer: /^{"GREETED":"world"}\s*$/,
    files: { 'index.html': '<p>hello</p>' },
  },
  // A machine with Docker has some image to begin with; which one is for its own suite to say.
  { runtime: 'dockerfile', entry: 'Dockerfile', path: '/', answer: /^/, files: { Dockerfile: 'FROM scratch' } },
];
