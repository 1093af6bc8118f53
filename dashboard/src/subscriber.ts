// Whose something is, by the key that the hub gives.

import { device } from './words';

/** Who a subscriber is: the user, the application, and the device where it is named. */
export function readSubscriber(key: string): { userId: string; applicationType: string; deviceId: string | null } {
  const [user = '', applicationType = '', ...rest] = key.split(':');
  const userId = user.replaceAll('%3A', ':').replaceAll('%25', '%');
  return { userId, applicationType, deviceId: rest.join(':') || null };
}

/** The same in words. */
export function subscriber(key: string): string {
  const webhook = webhookOf(key);
  return webhook === null ? device(readSubscriber(key)) : `webhook ${webhook}`;
}

/** The webhook whose key this is; `null` for a client's. */
export function webhookOf(key: string): string | null {
  // A client's key has a colon behind its user.
  return key.startsWith('webhook/') && !key.includes(':') ? key.slice('webhook/'.length) : null;
}
