import { htmlInConf, jsonInConf } from './escape.ts';

/**
 * What NGINX answers by itself when an app does not, in NGINX's own terms: `$avishkar_app` and the two notes are set
 * where the answer is made, the rest is looked up by the status.
 */
interface Page {
  status: number;
  phrase: string;
  code: string;
  title: string;
  /** With NGINX's variables; the same in HTML and JSON, except for the note. */
  detail: string;
}

const NOTE = '\0note';

const PAGES: Page[] = [
  {
    status: 413,
    phrase: 'Payload Too Large',
    code: 'AVK_TOO_LARGE',
    title: 'Too large',
    detail: 'the request body is larger than $avishkar_limit bytes',
  },
  {
    status: 502,
    phrase: 'Bad Gateway',
    code: 'AVK_SERVICE_UNAVAILABLE',
    title: 'The app did not answer',
    detail: '$avishkar_asked did not answer',
  },
  {
    status: 503,
    phrase: 'Service Unavailable',
    code: 'AVK_SERVICE_UNAVAILABLE',
    title: 'A service of the platform does not answer',
    detail: NOTE,
  },
  {
    status: 504,
    phrase: 'Gateway Timeout',
    code: 'AVK_DEADLINE',
    title: 'It took too long',
    detail: '$avishkar_asked did not answer in time',
  },
];

/** The statuses that `PAGES_MAPS` has a page for. */
export const PAGE_STATUSES = PAGES.map((page) => page.status);

function byStatus(variable: string, value: (page: Page) => string): string {
  const rows = PAGES.map((page) => `    ${page.status} "${value(page)}";`);
  return `map $status ${variable} {\n    default "";\n${rows.join('\n')}\n}`;
}

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

const HTML = `<!doctype html>
<html lang='en'>
<head>
<meta charset='utf-8'>
<meta name='viewport' content='width=device-width, initial-scale=1'>
<title>$avishkar_app: $avishkar_heading</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center;
  background: #f6f7f9; color: #1c2330 }
main { max-width: 36rem; padding: 2rem }
h1 { font-size: 1.5rem; margin: 0 0 .5rem }
p { margin: .5rem 0; overflow-wrap: anywhere }
small { color: #667085 }
@media (prefers-color-scheme: dark) { body { background: #12161d; color: #e6e9ef } small { color: #98a2b3 } }
</style>
</head>
<body>
<main>
<h1>$avishkar_app: $avishkar_title_html</h1>
<p>$avishkar_app: $avishkar_detail_html</p>
<p><small>$avishkar_heading &middot; $avishkar_code</small></p>
</main>
</body>
</html>
`;

const JSON_PAGE = [
  '{\\"type\\":\\"about:blank\\",\\"title\\":\\"$avishkar_title_json\\",\\"status\\":$status,',
  '\\"code\\":\\"$avishkar_code\\",\\"detail\\":\\"$avishkar_app: $avishkar_detail_json\\",\\"app\\":\\"$avishkar_app\\"}',
].join('');

/** For the `http` level: the page for a person's browser, or problem details (RFC 9457) for a program. */
export const PAGES_MAPS = [
  'map $upstream_addr $avishkar_asked {\n    default "no replica";\n    "~^[0-9\\[]" $upstream_addr;\n}',
  byStatus('$avishkar_code', (page) => page.code),
  byStatus('$avishkar_heading', (page) => `${page.status} ${page.phrase}`),
  byStatus('$avishkar_title_html', (page) => htmlInConf(lower(page.title))),
  byStatus('$avishkar_title_json', (page) => jsonInConf(page.title)),
  byStatus('$avishkar_detail_html', (page) => page.detail.replace(NOTE, '$avishkar_note_html')),
  byStatus('$avishkar_detail_json', (page) => page.detail.replace(NOTE, '$avishkar_note_json')),
  'map $status $avishkar_retry_after {\n    default "";\n    503 2;\n}',
  `map $http_accept $avishkar_page {\n    default "${JSON_PAGE}";\n    "~*\\btext/html\\b" "${HTML}";\n}`,
  'map $http_accept $avishkar_page_type {\n    default application/problem+json;\n    "~*\\btext/html\\b" "text/html; charset=utf-8";\n}',
].join('\n');
