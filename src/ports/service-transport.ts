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

/** The service refused to give lines; what it answered instead comes along, as of a call. */
export class LinesRefused extends Error {
  readonly response: ServiceResponse;

  constructor(service: string, response: ServiceResponse) {
    super(`${service} answered ${response.status}`);
    this.name = 'LinesRefused';
    this.response = response;
  }
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
  /**
   * The response's lines (newline-delimited JSON) as they come; no deadline but the signal.
   *
   * @throws LinesRefused when the answer is an error
   */
  lines(service: string, request: ServiceRequest, options: { signal: AbortSignal }): AsyncIterable<string>;
}
