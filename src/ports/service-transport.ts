export interface ServiceRequest {
  method: 'GET' | 'POST' | 'DELETE' | 'PATCH' | 'PUT';
  /** With the query string, e.g. `/deregisterApp?appName=x`. */
  path: string;
  headers: Record<string, string>;
  /** JSON text. */
  body?: string;
}

export interface ServiceResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * Calls another service of the platform, direct and never through the public proxy.
 *
 * @throws AvkError AVK_SERVICE_UNAVAILABLE when it is not there, AVK_DEADLINE when it does not answer in time
 */
export interface ServiceTransport {
  call(
    service: string,
    request: ServiceRequest,
    options: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<ServiceResponse>;
  /** The response's lines (newline-delimited JSON) as they come; no deadline but the signal. */
  lines(service: string, request: ServiceRequest, options: { signal: AbortSignal }): AsyncIterable<string>;
}
