/** What an API token may be limited to. */
export const SCOPES = ['read', 'deploy', 'upload', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** The part of the platform a route belongs to; `any`: every token's own affairs. */
export type Area = Exclude<Scope, 'read'> | 'any';

/** What a route asks of a token that is limited to scopes. */
export interface ScopeNeed {
  area: Area;
  /** True when it only reads, so that scope `read` does, too. */
  reads: boolean;
}

/** What a route may say of itself where the table below does not. */
export interface RouteMarks {
  scope?: Area;
  /** Whether calling it changes something. Default: by method and the starting document's GETs that act. */
  acts?: boolean;
}

/*
 * Which scope a route needs is decided here, for all services: by the beginning of its path, the longest one that fits.
 * A route that is neither here nor says it itself (`config.scope`) is refused when it is registered.
 */
const AREAS: readonly (readonly [path: string, area: Area])[] = [
  ['/api/deployedApps', 'deploy'],
  ['/api/schedules', 'deploy'],
  ['/api/events', 'deploy'],
  ['/api/baseApp', 'upload'],
  ['/api/auth', 'admin'],
  ['/api/auth/logout', 'any'],
  ['/api/users', 'admin'],
  ['/api/users/me', 'any'],
  ['/api/users/me/password', 'admin'],
  ['/api/tokens', 'admin'],
  ['/api/audit', 'admin'],
  ['/api/nodes', 'admin'],
  ['/api/platform', 'admin'],
  // The services' own ports.
  ['/get_logs', 'admin'],
  ['/metrics', 'admin'],
  ['/start', 'admin'],
  ['/stop', 'admin'],
  ['/status', 'admin'],
  ['/all_services', 'admin'],
  ['/nodemgr', 'admin'],
  ['/nodes', 'admin'],
  ['/machines', 'admin'],
  ['/services', 'admin'],
  ['/checks', 'admin'],
  ['/registerApp', 'deploy'],
  ['/deregisterApp', 'deploy'],
  ['/VmDetails', 'admin'],
  ['/AppDetails', 'admin'],
  ['/AppHealth', 'admin'],
  ['/NginxPort', 'admin'],
];

/** The starting document's routes that act although they are called by GET. */
const ACTING_GETS = ['/start', '/stop', '/registerApp', '/deregisterApp', '/nodemgr/log'];
/** Asked by POST, as their question is a document; nothing changes. */
const ASKING_POSTS = ['/api/baseApp/checkfilename', '/api/schedules/preview', '/api/nodes/check', '/machines/check'];

/** Whether calling the route changes something. */
export function acts(method: string, url: string, marks: RouteMarks = {}): boolean {
  if (marks.acts !== undefined) return marks.acts;
  const path = url.replace(/\/$/, '');
  if (['GET', 'HEAD', 'OPTIONS'].includes(method)) return ACTING_GETS.includes(path);
  return !ASKING_POSTS.includes(path);
}

/** Null: nobody has decided. @param internal a route of services among themselves, which otherwise needs an administrator */
export function scopeNeed(method: string, url: string, marks: RouteMarks = {}, internal = false): ScopeNeed | null {
  const area = marks.scope ?? areaOf(url) ?? (internal ? 'admin' : null);
  if (area === null) return null;
  const reads = ['GET', 'HEAD'].includes(method) && !acts(method, url, marks);
  return { area, reads };
}

function areaOf(url: string): Area | undefined {
  const fitting = AREAS.filter(([path]) => url === path || url.startsWith(`${path}/`));
  return fitting.toSorted(([a], [b]) => b.length - a.length)[0]?.[1];
}

/** @param scopes absent: all that the role may */
export function scopesAllow(scopes: readonly Scope[] | undefined, need: ScopeNeed): boolean {
  if (scopes === undefined || need.area === 'any') return true;
  return scopes.includes(need.area) || (need.reads && scopes.includes('read'));
}
