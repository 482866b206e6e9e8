/** What the application manager answers, as /openapi.json describes it. */

export type Role = 'user' | 'developer' | 'admin';

export interface Me {
  username: string;
  role: Role;
  createdAt?: string;
  lastLoginAt?: string | null;
}

export interface FieldError {
  path: string;
  message: string;
  received?: string;
}

export interface Problem {
  title: string;
  status: number;
  code: string;
  detail: string;
  errors: FieldError[];
  lastLogLines?: string[];
}

export type ConfigValue = string | number | boolean;

export interface ConfigEntry {
  key: string;
  type: 'string' | 'number' | 'boolean' | 'enum';
  default?: ConfigValue;
  title?: string;
  description?: string;
  required: boolean;
  secret: boolean;
  values?: string[];
  min?: number;
  max?: number;
}

export interface Scale {
  min: number;
  max: number;
  cpuPercent: number;
  memoryPercent: number;
}

export interface SensorSlot {
  slot: string;
  vertical: string;
  sensors: string[];
  count: number;
}

export interface Manifest {
  name: string;
  version: string;
  description: string;
  runtime: 'node' | 'python' | 'static' | 'dockerfile';
  entry: string;
  config: ConfigEntry[];
  sensors: SensorSlot[];
  resources: { cpus: number; memoryMb: number };
  scale: Scale;
}

export interface AppVersion {
  version: string;
  sha256: string;
  sizeBytes: number;
  uploadedAt: string;
  uploadedBy: string;
  manifest: Manifest;
}

export interface App {
  name: string;
  versions: AppVersion[];
}

export interface Uploaded {
  name: string;
  version: string;
  sizeBytes: number;
  manifest: Manifest;
}

export type InstanceState =
  | 'scheduled'
  | 'requested'
  | 'placing'
  | 'building'
  | 'starting'
  | 'routing'
  | 'running'
  | 'degraded'
  | 'stopping'
  | 'stopped'
  | 'failed'
  | 'cancelled';

export type ReplicaState = 'starting' | 'healthy' | 'unhealthy' | 'draining' | 'crash-looping' | 'lost' | 'stopped';

export interface Replica {
  name: string;
  id: string;
  node: string;
  hostPort: number;
  state: ReplicaState;
  cpuPercent: number | null;
  memoryPercent: number | null;
  restarts: number;
  placement?: string;
  reason?: string;
}

export interface Instance {
  instanceName: string;
  appName: string;
  version: string;
  state: InstanceState;
  endpoint: string | null;
  node: string | null;
  generation: number;
  replicas: Replica[];
  scale: Scale;
  config: Record<string, ConfigValue>;
  rollout?: { version: string; state: 'under way' | 'rolled back'; reason?: string };
  reason?: string;
  lastLogLines?: string[];
  createdAt: string;
  createdBy: string;
}

export interface Accepted {
  instanceName: string;
  requestId: string;
  state: InstanceState;
}

export interface TimelineEvent {
  ts: string;
  kind: string;
  text: string;
}

export interface LogLine {
  ts: string;
  replica: string;
  stream: string;
  line: string;
}

export interface Metrics {
  from: string | number;
  to: string | number;
  stepSeconds: number;
  /** Points are [epoch in ms, CPU %, memory %]. */
  series: { replica: string; points: [number, number | null, number | null][] }[];
}

export type PlatformState = 'running' | 'starting' | 'stopping' | 'stopped' | 'degraded';
export type ServiceState = 'running' | 'starting' | 'stopped' | 'failed' | 'restarting';

export interface Service {
  name: string;
  state: ServiceState;
  node?: string;
  address: string;
  direct: string;
  health?: 'ok' | 'failing' | 'unknown';
  lastSeen?: string | null;
  lastChange?: string | null;
  restarts?: number;
  reason?: string;
}

export interface PlatformStatus {
  status: PlatformState;
  since: string;
  reason?: string;
  services: Service[];
}

export type NodeState = 'ready' | 'suspect' | 'lost' | 'draining' | 'drained';

export interface Machine {
  name: string;
  address: string;
  state: NodeState;
  /** `pretended` ones are the platform's own machine; on the `balancer` runs NGINX. */
  role: 'pretended' | 'worker' | 'balancer';
  cpuPercent: number;
  memoryPercent: number;
  diskPercent: number;
  score: number;
  replicas: number;
  lastSeen: string | null;
  reason?: string;
}

export interface MachineHistory {
  stepSeconds: number;
  /** Points are [epoch in ms, CPU %, memory %, disk %]. */
  nodes: { name: string; points: [number, number | null, number | null, number | null][] }[];
}

export interface Occurrence {
  start: string;
  end: string | null;
}

export interface Schedule {
  scheduleId: string;
  instanceName: string;
  appName: string;
  version: string | null;
  start: string;
  end: string | null;
  timezone: string;
  recurrence: string | null;
  overlap: 'skip' | 'replace';
  missed: 'once' | 'skip';
  paused: boolean;
  state: 'waiting' | 'active' | 'paused' | 'ended';
  next: Occurrence[];
  lastOutcome?: { at: string; text: string; failed: boolean };
  createdAt: string;
  createdBy: string;
}

export interface User {
  username: string;
  role: Role;
  createdAt: string;
  lastLoginAt: string | null;
}

export interface Token {
  id: string;
  name: string;
  username: string;
  role: Role;
  scopes: string[] | null;
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
}

export interface AuditEntry {
  id: string | number;
  at: string;
  actor: string;
  action: string;
  method: string;
  path: string;
  target: string | null;
  status: number;
  from: string;
}

/** What the live stream sends as `instance`. */
export interface InstanceNews {
  instance: string;
  state: InstanceState;
  at: string;
  kind: string;
  text: string;
}

export interface Usage {
  instanceName: string;
  replicas: Pick<Replica, 'name' | 'id' | 'state' | 'cpuPercent' | 'memoryPercent'>[];
}
