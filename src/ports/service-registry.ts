/** Where something runs. */
export interface Address {
  ip: string;
  port: number;
}

export interface RegistryEntry {
  /** The service's or instance's name; unique. */
  name: string;
  kind: 'service' | 'app';
  /** The address users are given (NGINX or the built-in proxy). */
  address: Address;
  /** Addresses of the processes themselves; services call each other here. */
  direct: Address[];
}

/** One owner's hold on its entries. They are gone when it closes, or when its process died and the lease ran out. */
export interface RegistrySession {
  /** Adds or replaces an entry. */
  register(entry: RegistryEntry): Promise<void>;
  /** Removes an entry; harmless when there is none. */
  unregister(name: string): Promise<void>;
  close(): Promise<void>;
}

/** The one place that says what is where. Taking over a name from a dead owner is allowed, from a live one too: last wins. */
export interface ServiceRegistry {
  /** `owner` names who holds the entries; opening a session for an owner ends an older session of the same owner. */
  session(owner: string): Promise<RegistrySession>;
  list(kind?: RegistryEntry['kind']): Promise<RegistryEntry[]>;
  get(name: string): Promise<RegistryEntry | null>;
  /** Calls `listener` with all entries, now and after each change. Returns the way to stop. */
  watch(listener: (entries: RegistryEntry[]) => void): Promise<() => void>;
  close(): Promise<void>;
}
