import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isNode, isPair, isScalar, LineCounter, type Node, parseDocument, type Scalar, visit } from 'yaml';
import { z } from 'zod';
import { checkKeyFile } from '../adapters/host/ssh/key-file.ts';
import { AvkError, messageOf } from '../domain/errors.ts';
import { nearest } from '../domain/nearest.ts';
import { type VmEntry, vmEntrySchema } from '../domain/service-entry.ts';
import { configSchema } from './config.ts';

/** Of the cluster's settings, which this way of running does not have. */
const CLUSTER_KEYS = ['services', 'kafka', 'zookeeper', 'postgres', 'blobs'];

const fileSchema = z.strictObject({
  ...configSchema.shape,
  vms: z.union([z.string().min(1), z.array(vmEntrySchema).min(1, 'expected at least one machine')]).optional(),
});

/**
 * Reads avishkar.yml into the options of `up`. `${NAME}` in a value is taken from the environment, and is then what is
 * expected at its place: text, a number, true or false. Paths in it are relative to the file; `vms` may name a
 * vm-details.json.
 *
 * @throws AvkError AVK_BAD_CONFIG that names file, line, key, value and what was expected
 */
export function readConfigFile(path: string, environment: NodeJS.ProcessEnv): Record<string, unknown> {
  const file = resolve(path);
  const source = open(file, environment);
  const cluster = CLUSTER_KEYS.find((key) => Object.hasOwn(Object(source.value), key));
  if (cluster) {
    throw source.error([cluster], 'is a setting of a cluster, which `avishkar up` is not; take it out');
  }
  const settings: Record<string, unknown> = source.read(fileSchema);
  for (const key of Object.keys(settings)) {
    // What was not written has no say, so that flags and defaults have theirs.
    if (!Object.hasOwn(source.value as object, key)) delete settings[key];
  }
  const { home } = Object(source.value) as { home?: string };
  if (home !== undefined) settings.home = resolve(dirname(file), home);
  const balancer = settings.loadBalancer as { vm: string; firstPort?: number } | undefined;
  if (balancer?.firstPort !== undefined) settings.firstPort = balancer.firstPort;
  if (settings.vms === undefined) {
    if (balancer) throw source.error(['loadBalancer'], 'is for machines of your own; say which in vms');
    return settings;
  }
  if (!balancer) {
    throw source.error([], 'says vms but no loadBalancer; say on which of them NGINX runs: loadBalancer: { vm: NAME }');
  }
  const given = settings.vms as string | VmEntry[];
  const vms =
    typeof given === 'string' ? open(resolve(dirname(file), given), environment) : { ...source, at: ['vms'] as Path };
  const entries =
    typeof given === 'string' ? vms.read(z.array(vmEntrySchema).min(1, 'expected at least one machine')) : given;
  settings.vms = checkMachines(entries, vms, environment.SSH_AUTH_SOCK);
  if (!entries.some(({ vm_name }) => vm_name === balancer.vm)) {
    const names = entries.map(({ vm_name }) => vm_name).join(', ');
    throw source.error(['loadBalancer', 'vm'], `is ${balancer.vm}, which is none of the machines (${names})`);
  }
  return settings;
}

type Path = (string | number)[];

interface Source {
  file: string;
  /** Where the list of machines begins in it. */
  at: Path;
  value: unknown;
  read<T>(schema: z.ZodType<T>): T;
  error(path: Path, problem: string): AvkError;
}

/** Reads YAML, of which JSON is a part, and remembers which line says what. */
function open(file: string, environment: NodeJS.ProcessEnv): Source {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AvkError('AVK_BAD_CONFIG', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineOf = (offset: number): string => `${file}, line ${lines.linePos(offset).line}`;
  const [broken] = document.errors;
  if (broken) throw new AvkError('AVK_BAD_CONFIG', `${lineOf(broken.pos[0])}: ${broken.message}`);
  // For messages: what came from the environment may be a secret.
  const written: unknown = document.toJS();
  const filled = new Set<Scalar>();
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string') return;
      node.value = node.value.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_whole, name: string) => {
        const value = environment[name];
        if (value === undefined) {
          throw new AvkError('AVK_BAD_CONFIG', `${lineOf(node.range?.[0] ?? 0)}: the environment has no ${name}`);
        }
        filled.add(node);
        return value;
      });
    },
  });
  // An empty file says nothing.
  let value: unknown = document.toJS() ?? {};
  /** Takes what came from the environment for more than text where text will not do. Whether there was any such. */
  const readAgain = (issues: readonly z.core.$ZodIssue[]): boolean => {
    let any = false;
    for (const path of issues.flatMap((issue) => wantingNoText(issue))) {
      const node = document.getIn(path, true);
      const reading = isScalar(node) && filled.delete(node) ? readPlain(String(node.value)) : null;
      if (reading === null) continue;
      document.setIn(path, reading);
      any = true;
    }
    if (any) value = document.toJS();
    return any;
  };
  const error = (path: Path, problem: string, key?: string): AvkError => {
    const whole = [...path, ...(key === undefined ? [] : [key])];
    const message = `${lineOf(offsetOf(document.contents, whole))}: ${name(whole)} ${problem}`;
    return new AvkError('AVK_BAD_CONFIG', message, { errors: [{ path: name(whole), message: problem }] });
  };
  return {
    file,
    at: [],
    get value() {
      return value;
    },
    error,
    read(schema) {
      const parsed = schema.safeParse(value);
      if (parsed.success) return parsed.data;
      if (readAgain(parsed.error.issues)) return this.read(schema);
      const issue = deepest(parsed.error.issues[0] as z.core.$ZodIssue);
      const path = issue.path as Path;
      if (issue.code === 'unrecognized_keys') {
        const [key = ''] = issue.keys;
        const known = keysOf(schema, path);
        const meant = nearest(key, known);
        const hint = meant ? `did you mean ${meant}?` : `known are ${known.join(', ')}`;
        throw error(path, `is not known; ${hint}`, key);
      }
      const received = path.reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], written);
      const got = received === undefined ? 'it is missing' : `got ${JSON.stringify(received)}`;
      throw error(path, `is not right: ${issue.message}, ${got}`);
    },
  };
}

/** Where a number, true or false is expected, and something else is there. */
function wantingNoText(issue: z.core.$ZodIssue, above: PropertyKey[] = []): PropertyKey[][] {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_union') return issue.errors.flat().flatMap((inner) => wantingNoText(inner, path));
  return issue.code === 'invalid_type' && ['number', 'int', 'boolean'].includes(issue.expected) ? [path] : [];
}

/** A number, true or false as YAML reads them without quotes; null for anything else. */
function readPlain(text: string): number | boolean | null {
  const { contents } = parseDocument(text);
  if (!isScalar(contents) || contents.source !== text.trim()) return null;
  return typeof contents.value === 'number' || typeof contents.value === 'boolean' ? contents.value : null;
}

/** Of a choice none of whose branches fits, what is wrong with the one that comes closest. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const inner = issue.errors.map((branch) => branch[0]).filter((each) => each !== undefined);
  const longest = inner.toSorted((a, b) => b.path.length - a.path.length)[0];
  return longest && longest.path.length > 0
    ? deepest({ ...longest, path: [...issue.path, ...longest.path] } as z.core.$ZodIssue)
    : issue;
}

/** What an object at that place may hold. */
function keysOf(schema: z.ZodType, path: Path): string[] {
  let at: unknown = schema;
  const unwrap = (): void => {
    for (;;) {
      const def = (at as { def?: { innerType?: unknown; options?: unknown[] } }).def;
      if (def?.innerType) at = def.innerType;
      else if (def?.options) at = def.options.find((option) => option instanceof z.ZodArray) ?? def.options[0];
      else return;
    }
  };
  unwrap();
  for (const step of path) {
    at = at instanceof z.ZodArray ? at.element : (at as z.ZodObject).shape?.[step];
    unwrap();
  }
  return Object.keys((at as z.ZodObject | undefined)?.shape ?? {});
}

function offsetOf(contents: Node | null, path: Path): number {
  let at: unknown = contents;
  let offset = contents?.range?.[0] ?? 0;
  for (const step of path) {
    const items = (at as { items?: unknown[] } | null)?.items;
    const item =
      typeof step === 'number'
        ? items?.[step]
        : items?.find((each) => isPair(each) && isScalar(each.key) && each.key.value === step);
    if (item === undefined) break;
    const node = isPair(item) ? item.key : item;
    if (isNode(node)) offset = node.range?.[0] ?? offset;
    at = isPair(item) ? item.value : item;
  }
  return offset;
}

function name(path: Path): string {
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  return text.replace(/^\./, '') || 'the whole';
}

/** Each machine once, by name and by address, with a key that can be used and that nobody else can read, or an agent. */
function checkMachines(entries: readonly VmEntry[], source: Source, agent: string | undefined): VmEntry[] {
  const names = new Map<string, number>();
  const addresses = new Map<string, number>();
  return entries.map((entry, index) => {
    const at = (field: keyof VmEntry): Path => [...source.at, index, field];
    const twice = (field: 'vm_name' | 'vm_ip', seen: Map<string, number>): void => {
      const value = entry[field].toLowerCase();
      const before = seen.get(value);
      if (before !== undefined) {
        const other = entries[before]?.vm_name;
        throw source.error(at(field), `${entry[field]} is that of ${other}, too; each machine needs its own`);
      }
      seen.set(value, index);
    };
    twice('vm_name', names);
    twice('vm_ip', addresses);
    if (entry.vm_key_path === '') {
      if (agent) return entry;
      const problem = `of ${entry.vm_name} is missing, and there is no SSH agent (SSH_AUTH_SOCK); name a private key`;
      throw source.error(at('vm_key_path'), problem);
    }
    const key = resolve(dirname(source.file), entry.vm_key_path);
    const problem = checkKeyFile(key);
    if (problem) throw source.error(at('vm_key_path'), problem);
    return { ...entry, vm_key_path: key };
  });
}
