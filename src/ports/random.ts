/** Chance, so that tests can seed it. */
export interface Random {
  /** A version 4 UUID. */
  uuid(): string;
  /** Cryptographically strong bytes. */
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1). For jitter, never for secrets. */
  float(): number;
}
