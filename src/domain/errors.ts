/**
 * Every error a user or a caller can meet: its HTTP status and what it means.
 * `docs/errors.md` explains each one; a test keeps the two together.
 */
export const ERRORS = {
  AVK_BAD_REQUEST: { status: 400, title: 'The request is malformed' },
  AVK_UNAUTHENTICATED: { status: 401, title: 'Sign in first' },
  AVK_FORBIDDEN: { status: 403, title: 'Your role does not allow this' },
  AVK_NOT_FOUND: { status: 404, title: 'There is no such thing' },
  AVK_BLOB_NOT_FOUND: { status: 404, title: 'The file is not in the blob store' },
  AVK_CONFLICT: { status: 409, title: 'Not possible in the present state' },
  AVK_VERSION_EXISTS: { status: 409, title: 'This version was uploaded with other content' },
  AVK_NAME_TAKEN: { status: 409, title: 'The name is taken' },
  AVK_DEREGISTERED: { status: 409, title: 'It was deregistered in the meantime' },
  AVK_IMAGE_IN_USE: { status: 409, title: 'The image is in use' },
  AVK_TOO_LARGE: { status: 413, title: 'Too large' },
  AVK_UNACCEPTABLE: { status: 422, title: 'Well formed but unacceptable' },
  AVK_BAD_ZIP: { status: 422, title: 'The zip was refused' },
  AVK_BAD_MANIFEST: { status: 422, title: 'app.json was refused' },
  AVK_RUNTIME_UNSUPPORTED: { status: 422, title: 'This kind of app cannot run here' },
  AVK_TOO_MANY_REQUESTS: { status: 429, title: 'Too many attempts' },
  AVK_INTERNAL: { status: 500, title: 'Internal error' },
  AVK_BLOB_CORRUPT: { status: 500, title: 'A stored file was damaged' },
  AVK_EPOCH_LOST: { status: 503, title: 'A newer start of this service has taken over' },
  AVK_PLATFORM_STOPPED: { status: 503, title: 'The platform is stopped' },
  AVK_SERVICE_UNAVAILABLE: { status: 503, title: 'A service of the platform does not answer' },
  AVK_HOST_UNREACHABLE: { status: 503, title: 'A machine does not answer' },
  AVK_HOST_REFUSED: { status: 502, title: 'A machine does not let the platform in' },
  AVK_HOST_KEY_CHANGED: { status: 502, title: 'A machine shows another host key' },
  AVK_NO_NODE: { status: 503, title: 'No machine can take the app' },
  AVK_NO_PORT: { status: 503, title: 'No free port is left' },
  AVK_DEADLINE: { status: 504, title: 'It took too long' },
  AVK_DISK_FULL: { status: 507, title: 'The disk is full' },
  AVK_CANCELLED: { status: 409, title: 'It was cancelled' },
  AVK_BUILD_FAILED: { status: 422, title: 'The app could not be built' },
  AVK_IMAGE_MISSING: { status: 409, title: 'The image is not on the machine' },
  AVK_PORT_TAKEN: { status: 409, title: 'The port is taken on the machine' },
  AVK_START_FAILED: { status: 422, title: 'The app did not start' },
  AVK_UNHEALTHY: { status: 422, title: 'The app did not become healthy' },
  AVK_COMMAND_NOT_FOUND: { status: 500, title: 'A program is missing on the machine' },
  AVK_ROUTE_REJECTED: { status: 500, title: 'The route could not be made live' },
  AVK_HOME_LOCKED: { status: 409, title: 'Another platform runs on this home' },
  AVK_HOME_UNUSABLE: { status: 500, title: 'The home folder cannot be used' },
  AVK_PORT_IN_USE: { status: 409, title: 'The port of the platform is in use' },
  AVK_BAD_CONFIG: { status: 400, title: 'The configuration was refused' },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** Errors of the way to a machine: they say nothing of what was to be done there, nor whether it was. */
export const MACHINE_ERRORS: readonly ErrorCode[] = [
  'AVK_HOST_UNREACHABLE',
  'AVK_HOST_KEY_CHANGED',
  'AVK_HOST_REFUSED',
];

/** One thing wrong with an input. */
export interface FieldError {
  /** Dotted path from the root of the input, e.g. `scale.min`; empty for the whole. */
  path: string;
  /** What was expected. */
  message: string;
  /** What was there, shortened. */
  received?: string;
}

export interface AvkErrorOptions {
  cause?: unknown;
  errors?: FieldError[];
  /** The app's or build's last lines, where they explain it. */
  lastLogLines?: string[];
  /** True when the same call may succeed later without anyone changing anything. */
  retryable?: boolean;
  /** How long to wait before asking again, where that is known. */
  retryAfterSeconds?: number;
}

/** An error with a stable code and one sentence for a person. Never holds a secret. */
export class AvkError extends Error {
  readonly code: ErrorCode;
  readonly errors: FieldError[];
  readonly lastLogLines: string[];
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | null;

  constructor(code: ErrorCode, message: string, options: AvkErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AvkError';
    this.code = code;
    this.errors = options.errors ?? [];
    this.lastLogLines = options.lastLogLines ?? [];
    this.retryable = options.retryable ?? ERRORS[code].status === 503;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** The sentence of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Any thrown value as an AvkError; one that is none already becomes AVK_INTERNAL with it as the cause. */
export function asAvkError(error: unknown): AvkError {
  return error instanceof AvkError ? error : new AvkError('AVK_INTERNAL', messageOf(error), { cause: error });
}
