/** A message as published. `key` decides the order: messages of one topic and key are delivered in the order published. */
export interface BusMessage {
  topic: string;
  key: string;
  /** UTF-8 text. */
  value: string;
}

/** A message as delivered. */
export interface Delivery extends BusMessage {
  /** Position in the topic, unique within it. Text, because Kafka's are 64 bits wide. */
  offset: string;
  /** 1 at the first delivery, more when a handler failed before. Counts survive a restart. */
  attempt: number;
  /** When it was published, milliseconds since the Unix epoch. */
  publishedAt: number;
}

export interface SubscribeOptions {
  topics: readonly string[];
  /** Each group gets every message once; members of one group share them. A new group starts at the oldest kept message. */
  group: string;
  /**
   * Resolving acknowledges. Rejecting has the message delivered again after a back-off; later messages of the same
   * key wait for it, others do not. After `maxAttempts` it goes to the topic `<topic>.dead` and its key goes on.
   */
  handler: (delivery: Delivery) => Promise<void>;
  /** Default 10. */
  maxAttempts?: number;
  /** Back-off after the first failure in milliseconds, doubled at each further one up to 30 s. Default 100. */
  backoffMs?: number;
}

export interface Subscription {
  /** Stops deliveries and waits for the running handler. What was not acknowledged is delivered to the next subscriber. */
  stop(): Promise<void>;
}

/** Durable, at least once, in order per key, with consumer groups. A handler must expect a message twice. */
export interface MessageBus {
  /** Resolves once all the messages are durable; all or none of them are. */
  publish(messages: readonly BusMessage[]): Promise<void>;
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  close(): Promise<void>;
}
