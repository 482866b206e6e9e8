/** One app or service and where its public port leads. */
export interface Route {
  /** Instance or service name; names the upstream and the file. */
  name: string;
  publicPort: number;
  upstreams: Upstream[];
  /** Largest request body in bytes; 0 means no limit. */
  maxBodyBytes: number;
  /** Shown on the error page when there is no upstream, e.g. `starting`, `2 of 2 replicas are crash-looping`. */
  note: string;
}

export interface Upstream {
  ip: string;
  port: number;
}

export interface ApplyResult {
  /** Routes that could not be made live and were set aside; all others are live. */
  rejected: Rejection[];
}

export interface Rejection {
  name: string;
  reason: string;
  /** True when it is the public port that cannot be used: the route may be live at another one. */
  portTaken: boolean;
}

/** What the outside world talks to. */
export interface ReverseProxy {
  /** Makes exactly these routes live; resolves when they are. Requests under way on a removed upstream finish. */
  apply(routes: readonly Route[]): Promise<ApplyResult>;
  /** Resolves when no request is under way on an upstream that is in no route any more, or when `deadlineMs` are over. */
  drained(upstream: Upstream, deadlineMs: number): Promise<void>;
  /** True when the public port can be used: not bound by anything but this proxy. */
  portFree(port: number): Promise<boolean>;
  close(): Promise<void>;
}
