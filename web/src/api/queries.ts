import { QueryClient, queryOptions } from '@tanstack/react-query';
import { ApiError, get } from './client.ts';
import type {
  App,
  AuditEntry,
  Instance,
  Machine,
  MachineHistory,
  Me,
  Metrics,
  PlatformStatus,
  Schedule,
  TimelineEvent,
  Token,
  User,
} from './types.ts';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      // Asking again helps when nothing answered or a service starts; a refusal stays a refusal.
      retry: (count, error) => count < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 502),
      refetchOnWindowFocus: true,
    },
  },
});

/**
 * The live stream brings changes at once; this is for what it does not carry, and for when it is broken. Not their
 * `refetchInterval`, which begins anew with each thing that the stream brings.
 */
export const SLOW_MS = 20_000;
const FOLLOWED = ['platform', 'machines', 'instances', 'instance', 'schedules', 'apps'];

export function readAgain(client: QueryClient): void {
  client.invalidateQueries({ predicate: ({ queryKey: [kind] }) => FOLLOWED.includes(String(kind)) });
}

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => get<Me>('/api/users/me/', signal),
  staleTime: 60_000,
});

export const platformQuery = queryOptions({
  queryKey: ['platform'],
  queryFn: ({ signal }) => get<PlatformStatus>('/api/platform/status/', signal),
});

export const machinesQuery = queryOptions({
  queryKey: ['machines'],
  queryFn: async ({ signal }) => (await get<{ nodes: Machine[] }>('/api/nodes/', signal)).nodes,
});

export const machineHistoryQuery = (minutes: number) =>
  queryOptions({
    queryKey: ['machine-history', minutes],
    queryFn: ({ signal }) => get<MachineHistory>(`/api/nodes/history/?${since(minutes)}`, signal),
    refetchInterval: 60_000,
    retry: false,
  });

export const appsQuery = queryOptions({
  queryKey: ['apps'],
  queryFn: async ({ signal }) => (await get<{ apps: App[] }>('/api/baseApp/getapps/', signal)).apps,
});

export const instancesQuery = queryOptions({
  queryKey: ['instances'],
  queryFn: async ({ signal }) => (await get<{ apps: Instance[] }>('/api/deployedApps/getDeployedApps/', signal)).apps,
});

export const instanceQuery = (name: string) =>
  queryOptions({
    queryKey: ['instance', name],
    queryFn: ({ signal }) => get<Instance>(`/api/deployedApps/${encodeURIComponent(name)}`, signal),
  });

export const eventsQuery = (name: string) =>
  queryOptions({
    queryKey: ['events', name],
    queryFn: async ({ signal }) =>
      (await get<{ events: TimelineEvent[] }>(`/api/deployedApps/${encodeURIComponent(name)}/events?tail=200`, signal))
        .events,
  });

export const metricsQuery = (name: string, minutes: number) =>
  queryOptions({
    queryKey: ['metrics', name, minutes],
    queryFn: ({ signal }) =>
      get<Metrics>(`/api/deployedApps/${encodeURIComponent(name)}/metrics?${since(minutes)}`, signal),
    refetchInterval: 60_000,
    retry: false,
  });

export const schedulesQuery = queryOptions({
  queryKey: ['schedules'],
  queryFn: async ({ signal }) => (await get<{ schedules: Schedule[] }>('/api/schedules/', signal)).schedules,
});

export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: async ({ signal }) => (await get<{ users: User[] }>('/api/users/', signal)).users,
});

export const tokensQuery = queryOptions({
  queryKey: ['tokens'],
  queryFn: async ({ signal }) => (await get<{ tokens: Token[] }>('/api/tokens/', signal)).tokens,
});

export const AUDIT_PAGE = 50;
export const auditPage = (before: string | number | null) =>
  get<{ entries: AuditEntry[] }>(`/api/audit/?limit=${AUDIT_PAGE}${before === null ? '' : `&before=${before}`}`);

function since(minutes: number): string {
  const to = Date.now();
  const range = { from: new Date(to - minutes * 60_000).toISOString(), to: new Date(to).toISOString() };
  return new URLSearchParams(range).toString();
}
