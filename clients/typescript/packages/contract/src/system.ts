import type { ApplicationType, ErrorCode, UserRole } from './generated/constants.js';

/** Why the hub did not do what it was asked for. */
export interface Refusal {
  code: ErrorCode;
  number: number;
  message: string;
  /** The event that was refused. */
  event?: string;
  /** A JSON pointer to what breaks `rule`. */
  pointer?: string;
  rule?: string;
  /** When the same request may succeed, in milliseconds from now. */
  retryAfterMs?: number;
}

/** The hub's greeting. */
export interface ConnectionEstablished {
  connectionId: string;
  tenantId: string;
  userId: string;
  role: UserRole;
  /** Absent or null for a back end. */
  application?: ApplicationType | null;
  connectedAt: string;
  /** Whether the session was resumed: what was missed follows. */
  recovered: boolean;
}

/** Something that was missed is no longer kept: load the present state anew. Or the token ends soon, and nothing was missed. */
export type ReconnectionRequired =
  | {
    reason: 'gap';
    message: string;
    /** A cursor: all up to it was received. */
    lostAfter: string;
    /** A cursor: what comes behind it will be received. */
    lostThrough: string;
  }
  | { reason: 'reset'; message: string }
  | {
    reason: 'token_expiring';
    message: string;
    /** When the connection closes, unless it has shown a fresh token by then. */
    expiresAt: string;
  };

/** The payloads of what the hub alone sends. */
export interface SystemPayloads {
  'system:connection_established': ConnectionEstablished;
  'system:heartbeat': unknown;
  'system:error': Refusal;
  'system:reconnection_required': ReconnectionRequired;
  'system:metrics': unknown;
}

/** What was published, or published before with the same id. */
export interface PublishAnswer {
  id: string;
  /** Its place in the tenant's log; absent for volatile events. */
  offset?: number;
  /** Whether the hub had it already. */
  duplicate?: boolean;
  /** The cluster's log is away: the message is on the disk of the node that answered, and is delivered once the log is back. */
  spooled?: boolean;
}

/** The acknowledgement of an event or a control event. */
export type Answer<T = PublishAnswer> = { success: true; data: T } | { success: false; error: Refusal };

/** A room was joined or left. */
export interface RoomAnswer {
  room: string;
  type: string;
}
