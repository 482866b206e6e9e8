import type { Role } from '../api/types.ts';

export const ROLES: { value: Role; label: string }[] = [
  { value: 'user', label: 'user' },
  { value: 'developer', label: 'developer' },
  { value: 'admin', label: 'admin' },
];

export const ROLE_MEANING: Record<Role, string> = {
  user: 'deploys apps, and sees what it deployed itself',
  developer: 'uploads and deploys apps, and sees what it deployed itself',
  admin: 'sees and does everything',
};

/** What a token may be limited to. */
export const SCOPES = [
  { value: 'read', meaning: 'see what there is, and change nothing' },
  { value: 'deploy', meaning: 'instances and schedules' },
  { value: 'upload', meaning: 'the catalogue' },
  { value: 'admin', meaning: 'users, tokens, machines, the platform' },
];

export const SHORTEST_PASSWORD = 8;
