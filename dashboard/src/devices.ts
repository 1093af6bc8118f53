// Who is here, and how far everybody has confirmed: two lists of the hub, in the order of the same keys, put together page by page.

import type { Answer, Hub } from './hub';
import type { OfflineQueue, Presence } from './shapes';

export interface DeviceRow {
  subscriber: string;
  user: string;
  application: string;
  device: string | null;
  /** `online`, `gone`: just now, and not taken for away yet; `away`. */
  state: 'online' | 'gone' | 'away';
  /** Since when it is so, where that is known. */
  since: string | null;
  connections: number;
  queue: OfflineQueue | null;
}

const PAGE = 100;

/** A page of both lists. Each is read as far as both reach, so that the next page begins where none of them has a gap. */
export async function readDevices(hub: Hub, cursor: string | undefined, signal: AbortSignal): Promise<Answer<DeviceRow[]>> {
  const query = { limit: PAGE, cursor };
  const [present, queues] = await Promise.all([
    hub.get<Presence[]>('/api/v1/presence', query, signal),
    hub.get<OfflineQueue[]>('/api/v1/offline-queues', query, signal),
  ]);
  const rows = merge(present.data, queues.data);
  const ends = [present, queues].map((it) => it.nextCursor).filter((end) => end !== undefined);
  const missing = present.missingNodes ? { missingNodes: present.missingNodes } : {};
  if (ends.length === 0) return { data: rows, ...missing };
  const end = ends.reduce((one, other) => (one < other ? one : other));
  return { data: rows.filter((row) => row.subscriber <= end), nextCursor: end, ...missing };
}

export function merge(present: Presence[], queues: OfflineQueue[]): DeviceRow[] {
  const behind = new Map(queues.map((queue) => [queue.subscriber, queue]));
  const here: DeviceRow[] = present.map((one) => ({
    subscriber: one.subscriber,
    user: one.user,
    application: one.application,
    device: one.device,
    state: one.goneSince ? 'gone' : 'online',
    since: one.goneSince ?? one.since,
    connections: one.connections,
    queue: behind.get(one.subscriber) ?? null,
  }));
  const known = new Set(here.map((row) => row.subscriber));
  const away: DeviceRow[] = queues.filter((queue) => !known.has(queue.subscriber)).map((queue) => ({
    subscriber: queue.subscriber,
    user: queue.userId,
    application: queue.applicationType,
    device: queue.deviceId,
    state: 'away',
    since: null,
    connections: 0,
    queue,
  }));
  return [...here, ...away].sort((one, other) => (one.subscriber < other.subscriber ? -1 : 1));
}
