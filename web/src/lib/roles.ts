import type { Role } from '../api/types.ts';

export const ROLES: { value: Role; label: string }[] = [
  { value: 'user', label: 'user' },
  { value: 'developer', label: 'developer' },
  { value: 'admin', label: 'admin' },
];

export const ROLE_MEANING: Record<Role, string> = {
  user: 'deploys apps and sees their own instances',
  developer: 'uploads apps, too',
  admin: 'sees and does everything',
};

export const SHORTEST_PASSWORD = 8;
