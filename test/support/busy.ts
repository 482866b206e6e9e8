import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';

const CLIENTS = 4;

/** Clients that never stop asking, over connections that stay. `await using`: they end with the block. */
export function busy(endpoint: string) {
  const over = new AbortController();
  const failures: string[] = [];
  const served = new Set<string>();
  const clients = Array.from({ length: CLIENTS }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!over.signal.aborted) {
      const answer = await answerOf(`${endpoint}/`, agent).catch((error: Error) => `failed: ${error.message}`);
      if (answer.startsWith('200 ')) served.add(answer);
      else failures.push(answer);
    }
    agent.destroy();
  });
  const stop = async (): Promise<void> => {
    over.abort();
    await Promise.all(clients);
  };
  return {
    served,
    async noneFailed() {
      await stop();
      assert.ok(served.size > 0, 'nothing was served');
      assert.deepEqual(failures, []);
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function answerOf(url: string, agent: Agent): Promise<string> {
  const request = httpRequest(url, { agent, timeout: 10_000 });
  request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return `${response.statusCode} ${text}`;
}
