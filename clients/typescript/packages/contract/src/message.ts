import type { ApplicationType, EventType, MessagePriority } from './generated/constants.js';
import type { EventPayloads } from './generated/payloads.js';
import type { SystemPayloads } from './system.js';

/** Who sent a message: an application, or the hub and back ends. */
export type Source = ApplicationType | 'system';

/** An event that clients may send. */
export type PublishableEvent = keyof EventPayloads;

/** The payload of each built-in event. */
export interface Payloads extends EventPayloads, SystemPayloads {}

/** The payload of an event; of one that a tenant declared, whatever its schema says. */
export type PayloadOf<T extends string> = T extends keyof Payloads ? Payloads[T] : unknown;

/** The message as it arrives: the first argument of every event. */
export interface WebSocketMessage<T extends string = EventType> {
  /** A UUID. Who publishes it twice publishes it once. */
  id: string;
  /** The event's name. */
  type: T;
  tenantId: string;
  /** When the hub took it: RFC 3339, UTC. */
  timestamp: string;
  source: Source;
  /** What narrowed the audience; absent where the routing rules decided alone. */
  target?: ApplicationType | ApplicationType[] | null;
  payload: PayloadOf<T>;
  priority: MessagePriority;
  /** How often it was sent again. */
  retryCount: number;
  /** Whether the payload is a ciphertext. */
  encrypted: boolean;
}

/** Any built-in message, told apart by `type`. */
export type AnyMessage = { [T in EventType]: WebSocketMessage<T> }[EventType];

/** The message as it is published: what is left out, the hub fills in. */
export interface OutgoingMessage<T extends string = PublishableEvent> {
  type: T;
  payload: PayloadOf<T>;
  /** A UUID of the sender's own: the message may then be sent again and is delivered once. */
  id?: string;
  /** Narrows the audience, never widens it. */
  target?: ApplicationType | ApplicationType[];
  priority?: MessagePriority;
  source?: Source;
  tenantId?: string;
  encrypted?: boolean;
}
