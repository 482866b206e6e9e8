import type { z } from 'zod';
import type { instanceSchema, versionSchema } from './view.ts';

/* What readers of the API document see: one small story, the sample app deployed once. */

export const REQUEST_ID = '5f0c6b8e-1d57-4a0b-9a52-6a1a0c0a5f11';

export const VERSION = {
  name: 'room-comfort',
  version: '1.0.0',
  sha256: '3f9a0c12d4e5b6a7980112233445566778899aabbccddeeff00112233445566a',
  sizeBytes: 14_212,
  manifest: {
    name: 'room-comfort',
    version: '1.0.0',
    description: 'How comfortable a room is',
    runtime: 'node',
    entry: 'main.js',
    port: 8050,
    env: { LOG_LEVEL: 'info' },
    config: [{ key: 'THRESHOLD', type: 'number', default: 26, title: 'Too warm from', required: false, secret: false }],
    sensors: [{ slot: 'air', vertical: 'SR-AQ', sensors: ['Temperature', 'CO2'], count: 2 }],
    resources: { cpus: 0.5, memoryMb: 256 },
    health: { path: '/health', intervalSeconds: 2, timeoutSeconds: 2, startSeconds: 30, failures: 3 },
    stopSeconds: 10,
    maxBodyMb: 0,
    scale: { min: 1, max: 5, cpuPercent: 80, memoryPercent: 75 },
  },
} satisfies z.output<typeof versionSchema>;

export const INSTANCE = {
  instanceName: 'room-comfort-1',
  appName: 'room-comfort',
  version: '1.0.0',
  state: 'running',
  endpoint: 'http://127.0.0.1:2000',
  node: 'node1',
  generation: 1,
  replicas: [
    {
      name: 'room-comfort-1_instance_1',
      id: '0b1f7c54-6f0a-4a3e-8f6b-1f2e3d4c5b6a',
      generation: 1,
      node: 'node1',
      hostPort: 20_000,
      state: 'healthy',
      cpuPercent: 3.2,
      memoryPercent: 21.4,
      restarts: 0,
      placement: 'node1 is the only machine: CPU 12 %, memory 41 %, disk 63 %, score 69.8',
    },
  ],
  scale: { min: 1, max: 5, cpuPercent: 80, memoryPercent: 75 },
  config: { THRESHOLD: 24.5, API_KEY: '***' },
  createdAt: '2026-11-22T08:00:00.000Z',
  createdBy: 'alice',
} satisfies z.output<typeof instanceSchema>;

export const LOG_LINE = {
  ts: '2026-11-22T08:00:01.250Z',
  replica: 'room-comfort-1_instance_1',
  stream: 'stdout',
  line: 'room-comfort serves "Lab 7" on port 20000',
};

export const MACHINE = {
  vm_name: 'VM4',
  vm_ip: '10.0.0.14',
  vm_username: 'avishkar',
  vm_key_path: '/home/avishkar/.ssh/id_ed25519',
  vm_service_path: '/home/avishkar/Services',
};
export const LOOKED = {
  name: 'VM4',
  checks: [{ name: 'docker', status: 'ok', detail: 'Docker 28.2.2 answers to avishkar' }],
} as const;
export const NODE = {
  name: 'node1',
  address: '127.0.0.1',
  state: 'ready',
  role: 'pretended',
  cpuPercent: 12.5,
  memoryPercent: 41.2,
  diskPercent: 63,
  score: 69.5,
  replicas: 1,
  lastSeen: '2026-11-22T08:00:00.000Z',
} as const;
