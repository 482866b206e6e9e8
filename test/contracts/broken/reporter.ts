import type { TestEvent } from 'node:test/reporters';

/** One line of JSON per finished test (not per suite): `{name, outcome, message?}`. Read by `broken.ts`. */
export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    if (event.data.details.type === 'suite') continue;
    const outcome = event.data.skip ? 'skipped' : event.type === 'test:pass' ? 'passed' : 'failed';
    const error = event.type === 'test:fail' ? event.data.details.error : undefined;
    // node:test wraps what a test threw.
    const cause = error?.cause instanceof Error ? error.cause.message : error?.message;
    yield `${JSON.stringify({ name: event.data.name, outcome, message: cause })}\n`;
  }
}
