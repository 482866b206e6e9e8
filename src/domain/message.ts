import { z } from 'zod';
import { messageOf } from './errors.ts';
import { parsePythonLiteral } from './python-literal.ts';

/** Topics of the starting document. */
export const TOPICS = ['Bootstrapper', 'first_topic', 'DeploymentManager', 'NodeManager', 'Scheduler'] as const;
export type Topic = (typeof TOPICS)[number];

/** The envelope of every message; `request_id` stays the same through a whole chain. */
export interface Envelope {
  to_topic: Topic;
  from_topic: string;
  request_id: string;
  /** A text of the starting document, or one of ours in its manner. */
  msg: string;
  /** What the text has no room for. */
  data?: Record<string, unknown>;
}

/**
 * Verbs and what follows them, separated by `$`. The last field takes the rest of the text, so that a reason may
 * hold any character. `progress deploy`, `state app`, `state platform` and `rollout app` are ours: they tell the
 * application manager of steps, of changes that nobody asked for, and of what becomes of a new version. So are the last
 * three: a start that was left out, a schedule that was refused, and one that was deleted.
 */
const TEXTS = {
  'start platform': [],
  'stop platform': [],
  'YES start platform': ['detail'],
  'NO start platform': ['detail'],
  'YES stop platform': ['detail'],
  'NO stop platform': ['detail'],
  'state platform': ['state', 'reason'],
  'deploy app': ['name'],
  'stop app': ['name'],
  'give best node': ['name'],
  'ans-node': ['node'],
  'done deployed': ['name', 'endpoint'],
  'done stopped': ['name'],
  'error deploy': ['name', 'reason'],
  'error stop': ['name', 'reason'],
  'progress deploy': ['name', 'state'],
  'state app': ['name', 'state', 'reason'],
  'rollout app': ['name', 'state', 'reason'],
  'schedule app': ['name', 'start', 'end'],
  'done schedule app': ['name'],
  'its time': ['name'],
  'its end time': ['name'],
  'skipped its time': ['name', 'reason'],
  'error schedule': ['name', 'reason'],
  'unschedule app': ['name'],
} as const satisfies Record<string, readonly string[]>;

export type Verb = keyof typeof TEXTS;
export type Fields<V extends Verb> = Record<(typeof TEXTS)[V][number], string>;
/** A text taken apart; a union over all verbs, so that `verb` narrows `fields`. */
export type Text = { [V in Verb]: { verb: V; fields: Fields<V> } }[Verb];

const LAST_FIRST = Object.keys(TEXTS) as Verb[];

/** `formatText('done deployed', {name: 'a', endpoint: '1.2.3.4:2000'})` -> `done deployed$a$1.2.3.4:2000`. */
export function formatText<V extends Verb>(verb: V, fields: Fields<V>): string {
  const names: readonly string[] = TEXTS[verb];
  return [verb, ...names.map((name) => (fields as Record<string, string>)[name] ?? '')].join('$');
}

/** Null when it is none of ours. Missing fields at the end are empty, as in `schedule app$x$2026-01-01T00:00:00Z`. */
export function parseText(msg: string): Text | null {
  const head = msg.split('$', 1)[0]?.trim() ?? '';
  const verb = LAST_FIRST.find((known) => known === head);
  if (!verb) return null;
  const names: readonly string[] = TEXTS[verb];
  let rest = msg.includes('$') ? msg.slice(msg.indexOf('$') + 1) : '';
  const fields: Record<string, string> = {};
  names.forEach((name, index) => {
    const cut = index === names.length - 1 ? -1 : rest.indexOf('$');
    fields[name] = cut < 0 ? rest : rest.slice(0, cut);
    rest = cut < 0 ? '' : rest.slice(cut + 1);
  });
  return { verb, fields } as Text;
}

/** What the message is about: an instance's name, or nothing for the platform as a whole. */
export function subjectOf(text: Text): string {
  return 'name' in text.fields ? text.fields.name : '';
}

const envelopeSchema = z.object({
  to_topic: z.enum(TOPICS),
  from_topic: z.string().max(200),
  request_id: z.string().min(1).max(200),
  msg: z.string().max(1_000_000),
  data: z.record(z.string(), z.unknown()).optional(),
});

/**
 * Reads an envelope in JSON or in Python's quotes.
 *
 * @throws Error that names the field and what was expected
 */
export function parseEnvelope(text: string): Envelope {
  const parsed = envelopeSchema.safeParse(parseEither(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(`message refused: ${issue?.path.join('.') || 'envelope'}: ${issue?.message ?? 'not readable'}`);
}

export function formatEnvelope(envelope: Envelope): string {
  return JSON.stringify(envelope);
}

const foundNode = z.object({
  node_ip: z.string().min(1),
  port: z.coerce.number().int().min(1).max(65_535),
  app_name: z.string().min(1),
  node_name: z.string().min(1),
});
/** Ours: the starting document has no text for "there is none". The reason stands in `data`. */
const noNode = z.object({ error: z.enum(['AVK_NO_NODE', 'AVK_NO_PORT']), app_name: z.string().min(1) });
const nodeAnswer = z.union([foundNode, noNode]);

/** What `ans-node$` carries. `port` is reserved on that machine for this app. */
export type NodeAnswer = z.infer<typeof nodeAnswer>;

/** @throws Error when it is neither JSON nor Python's, or a field is missing */
export function parseNodeAnswer(text: string): NodeAnswer {
  return nodeAnswer.parse(parseEither(text));
}

function parseEither(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (json) {
    try {
      return parsePythonLiteral(text);
    } catch (python) {
      throw new Error(`neither JSON (${messageOf(json)}) nor a Python literal (${messageOf(python)})`);
    }
  }
}
