import { z } from 'zod';
import { canonicalAddress, isAddress } from './address.ts';
import { AvkError } from './errors.ts';
import { parseHostKey } from './host-key.ts';
import { DEFAULT_REPLICA_PORTS, type PortRange, portRangeSchema } from './ports.ts';

const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'expected a plain file name');
/** The starting document writes ports as text. */
const port = z.coerce.number().int().min(1).max(65_535);

/** One platform service in services.json, in the starting document's shape. */
export const serviceEntrySchema = z.strictObject({
  folder_name: z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/, 'expected letters, digits, _ and -'),
  service_name: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'expected small letters, digits and _'),
  docker_file_name: fileName,
  image_file_name: fileName,
  container_name: fileName,
  service_start_shell_file: fileName,
  service_end_shell_file: fileName,
  host_port: port,
  container_port: port,
  /** Where the sources of a service of one's own are. */
  host_src_path: z.string().max(4096).default(''),
});
export type ServiceEntry = z.infer<typeof serviceEntrySchema>;

/** `20000-29999`, as people write it, or `{first, last}`. */
const portRange = z
  .string()
  .regex(/^\d{4,5}-\d{4,5}$/, 'expected two ports, such as 20000-29999')
  .transform((text) => {
    const [first, last] = text.split('-').map(Number);
    return { first, last };
  })
  .pipe(portRangeSchema)
  .or(portRangeSchema);

/** One machine in vm-details.json, in the starting document's shape, and what we add to it. */
export const vmEntrySchema = z.strictObject({
  vm_name: z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,62}$/, 'expected letters, digits, . _ and -'),
  /** No name: Docker publishes on it, and NGINX sends to it. */
  vm_ip: z.string().refine(isAddress, 'expected an IPv4 or IPv6 address').transform(canonicalAddress),
  vm_username: z.string().max(64),
  /** A private key's file; empty or absent: the keys of the SSH agent. */
  vm_key_path: z.string().max(4096).default(''),
  vm_service_path: z.string().min(1).max(4096),
  /** Where its sshd listens. */
  vm_port: port.optional(),
  /** Ports that replicas get there. */
  ports: portRange.optional(),
  /** The starting document's way of saying where replicas' ports begin. */
  latestAvailablePort: port.optional(),
  /** What else is known of it, for people who read the file: nothing is decided by it so far. */
  labels: z.record(z.string().min(1).max(63), z.string().max(255)).optional(),
  /** The starting document keeps in the file what runs there; it is not read, as the platform knows it itself. */
  hosted_apps: z.unknown().optional(),
  /** Its host key as `ssh-keyscan` or `ssh-keygen -lf` prints it; absent: the one seen first. */
  hostKey: z
    .string()
    .max(4096)
    .refine((text) => parseHostKey(text) !== null, 'expected SHA256:… or the line of a public key, ssh-ed25519 AAAA…')
    .optional(),
});
export type VmEntry = z.infer<typeof vmEntrySchema>;

/** The ports that replicas get on a machine. @param usual where it says nothing of its own */
export function replicaPortsOf(entry: VmEntry, usual: PortRange): PortRange {
  if (entry.ports) return entry.ports;
  const first = entry.latestAvailablePort;
  if (first === undefined) return usual;
  // Up to where the kernel's own outgoing ports begin; one that starts above them gets as many as others have.
  const last = first < DEFAULT_REPLICA_PORTS.last ? DEFAULT_REPLICA_PORTS.last : Math.min(first + 9999, 65_535);
  return { first, last };
}

/** What services.json and vm-details.json say together. */
export interface Inventory {
  services: ServiceEntry[];
  machines: VmEntry[];
}

/** The entry of a service of the platform's own, its files named as the starting document names them. */
export function entryOf(folder: string, name: string, hostPort: number): ServiceEntry {
  return {
    folder_name: folder,
    service_name: name,
    docker_file_name: `${name}_docker_file`,
    image_file_name: `${name}_img`,
    container_name: `${name}_container`,
    service_start_shell_file: `${name}_start.sh`,
    service_end_shell_file: `${name}_end.sh`,
    host_port: hostPort,
    container_port: hostPort,
    host_src_path: '',
  };
}

/**
 * Reads one of the two files.
 *
 * @throws AvkError AVK_BAD_CONFIG that names the entry, the field and what was expected
 */
export function readEntries<T>(file: string, text: string, schema: z.ZodType<T>, nameOf: (entry: T) => string): T[] {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new AvkError('AVK_BAD_CONFIG', `${file} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const parsed = z.array(schema).min(1, 'expected at least one entry').safeParse(raw);
  if (!parsed.success) {
    const errors = parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
    throw new AvkError('AVK_BAD_CONFIG', `${file}: ${errors[0]?.path || 'the whole'}: ${errors[0]?.message}`, {
      errors,
    });
  }
  const names = parsed.data.map(nameOf);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new AvkError('AVK_BAD_CONFIG', `${file}: ${twice} is there twice`);
  return parsed.data;
}
