import type { z } from 'zod';
import type { instanceSpecSchema } from '../../domain/instance.ts';

/* What readers of the API document see: one small story, the sample app deployed once. */

export const SUCCESS = 'Success';

export const REGISTRATION = {
  appName: 'room-comfort-1',
  imageName: 'room-comfort_image',
  vmIp: '127.0.0.1',
  containerId: '3f9a0c12d4e5',
  containerPort: 8050,
  hostPort: 20_000,
  lbVmName: 'node1',
};

export const INSTANCE = {
  name: 'room-comfort-1',
  generation: 1,
  endpoint: 'http://127.0.0.1:2000',
  scale: { min: 1, max: 5, desired: 1 },
  replicas: [
    {
      name: 'room-comfort-1_instance_1',
      id: '0b1f7c54-6f0a-4a3e-8f6b-1f2e3d4c5b6a',
      node: 'node1',
      hostPort: 20_000,
      state: 'healthy',
      cpuPercent: 3.2,
      memoryPercent: 21.4,
      restarts: 0,
      placement: 'node1 is the only machine: CPU 12 %, memory 41 %, disk 63 %, score 69.8',
    },
  ],
};

export const LOG_LINE = {
  ts: '2026-11-22T08:00:01.250Z',
  replica: 'room-comfort-1_instance_1',
  stream: 'stdout',
  line: 'room-comfort serves "Lab 7" on port 20000',
};

export const SPEC: z.input<typeof instanceSpecSchema> = {
  instance: 'room-comfort-1',
  generation: 2,
  appName: 'room-comfort',
  version: '1.1.0',
  image: 'room-comfort:1.1.0-9c2e41d07b66',
  bundle: { container: 'deployedapps', key: 'room-comfort-1/2.zip' },
  manifest: { name: 'room-comfort', version: '1.1.0', runtime: 'node', entry: 'main.js' },
  env: { THRESHOLD: '24.5' },
  sealed: {},
  scale: { min: 1, max: 5, cpuPercent: 80, memoryPercent: 75 },
};
