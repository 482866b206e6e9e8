import { z } from 'zod';

/** Values of a stream of JSON objects, one a line, as Docker tells events and progress. Others are passed over. */
export async function* jsonLines<T>(stream: AsyncIterable<Uint8Array>, schema: z.ZodType<T>): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of stream) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield* parsed(line, schema);
  }
  yield* parsed(rest, schema);
}

function parsed<T>(line: string, schema: z.ZodType<T>): T[] {
  if (line.trim() === '') return [];
  const result = z.string().transform(toJson).pipe(schema).safeParse(line);
  return result.success ? [result.data] : [];
}

function toJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
