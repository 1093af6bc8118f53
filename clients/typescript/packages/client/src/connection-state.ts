import type { Refusal } from '@foodtrack/websocket-contract';

/** Where a client is. */
export type ConnectionState =
  /** Made, and not asked to connect yet. */
  | { readonly status: 'idle' }
  /** On its way to the hub; `attempt` counts from 1 since it was last connected. */
  | { readonly status: 'connecting'; readonly attempt: number }
  /** Connected, and what was missed is still coming. `recovered`: the session is the one it was, with its rooms. */
  | { readonly status: 'catching_up'; readonly recovered: boolean }
  /** Connected, and everything that was missed has come. */
  | { readonly status: 'live'; readonly recovered: boolean }
  /** Waiting to connect again by itself. */
  | { readonly status: 'offline'; readonly reason: string; readonly refusal?: Refusal }
  /** The hub will not let it in: it waits for `connect()`. */
  | { readonly status: 'refused'; readonly refusal: Refusal }
  /** The same device has connected elsewhere, which has its events now: it waits for `connect()`. */
  | { readonly status: 'replaced' }
  /** Closed by the application. */
  | { readonly status: 'closed' };

/** Whether events can be sent at once. */
export const isConnected = (state: ConnectionState): boolean =>
  state.status === 'live' || state.status === 'catching_up';
