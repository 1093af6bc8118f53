import type { ApplicationType } from '@foodtrack/websocket-contract';
import type { ManagerOptions, SocketOptions } from 'socket.io-client';

import type { Message } from './handlers.js';
import type { ClientStorage } from './storage.js';
import type { TokenProvider } from './token.js';

/** What a client may gather at most, and how long it waits. */
export interface ClientLimits {
  /** How many ids of events that are done are kept, to know a repeat. */
  seenMax: number;
  /** How many events wait for a handler of their type; beyond that the oldest is given up. */
  waitingMessagesMax: number;
  /** How long an event waits for a handler of its type, in milliseconds. */
  waitingMs: number;
  /** How many events wait for the decryption of one before them; beyond that the connection is made anew, and resumes. */
  inboxMessagesMax: number;
  /** How many messages may wait in the outbox. */
  outboxMessagesMax: number;
  /** How many effects that are done once for a device are remembered. */
  effectsMax: number;
  /** How long an answer may take before a message is sent again, in milliseconds. */
  answerMs: number;
  /** The pause after a first failure; doubled for each that follows. In milliseconds. */
  retryMs: number;
  retryMsMax: number;
}

export const LIMITS: ClientLimits = {
  seenMax: 4_096,
  waitingMessagesMax: 1_000,
  waitingMs: 30_000,
  inboxMessagesMax: 10_000,
  outboxMessagesMax: 1_000,
  effectsMax: 10_000,
  answerMs: 10_000,
  retryMs: 500,
  retryMsMax: 15_000,
};

/** What a client is made of. */
export interface ClientOptions {
  /** The hub's address, such as `https://hub.example.com`. */
  url: string;
  application: ApplicationType;
  /** Gives a token whenever one is needed; a text is good until it ends. */
  token: TokenProvider | string;
  /**
   * Who is logged in: what is stored is kept apart by it. Taken from the token where it is absent; then a page that starts offline
   * goes on as who was there last.
   */
  account?: string;
  /** This device's name; made and kept by the storage where it is absent. With a name, two tabs at once replace each other. */
  deviceId?: string;
  /** Where to keep the session and the outbox: IndexedDB where there is one, else memory. */
  storage?: ClientStorage;
  /** Gives the payload of a message that is encrypted. */
  decrypt?: (message: Message) => unknown;
  /** What a handler threw, a room that was refused, a token that could not be had: told here, and the client goes on. */
  onError?: (error: unknown) => void;
  limits?: Partial<ClientLimits>;
  /** More for `socket.io-client`. */
  socket?: Partial<ManagerOptions & SocketOptions>;
}
