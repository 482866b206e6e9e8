import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { resourcesSchema } from '../../../domain/manifest.ts';
import { writeFileAtomic } from '../../host/write-file.ts';

/** container.json: what the container is, written before its process starts. Never its environment: that holds secrets. */
const containerSchema = z.object({
  id: z.string(),
  name: z.string(),
  instance: z.string(),
  generation: z.number(),
  image: z.string(),
  hostPort: z.number(),
  resources: resourcesSchema,
  stopSeconds: z.number(),
  createdAt: z.string(),
});
export type ContainerRecord = z.infer<typeof containerSchema>;

/** process.json: the main process, there while it runs. */
const processSchema = z.object({ pid: z.number(), startTicks: z.number(), bootId: z.string() });

/** exit.json: how the main process ended. */
const exitSchema = z.object({
  pid: z.number().nullable(),
  exitCode: z.number().nullable(),
  exitSignal: z.string().nullable(),
});
export type ExitRecord = z.infer<typeof exitSchema>;

const FILES = {
  container: { name: 'container.json', schema: containerSchema },
  process: { name: 'process.json', schema: processSchema },
  exit: { name: 'exit.json', schema: exitSchema },
} as const;
type Kind = keyof typeof FILES;
type RecordOf<K extends Kind> = z.infer<(typeof FILES)[K]['schema']>;

/** Null when there is none, or none that can be read: they are replaced atomically, so such a one is not ours. */
export async function readRecord<K extends Kind>(folder: string, kind: K): Promise<RecordOf<K> | null> {
  const { name, schema } = FILES[kind];
  try {
    return schema.parse(JSON.parse(await readFile(join(folder, name), 'utf8'))) as RecordOf<K>;
  } catch {
    return null;
  }
}

export async function writeRecord<K extends Kind>(folder: string, kind: K, record: RecordOf<K>): Promise<void> {
  await writeFileAtomic(join(folder, FILES[kind].name), `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

export async function removeRecord(folder: string, kind: Kind): Promise<void> {
  await rm(join(folder, FILES[kind].name), { force: true });
}
