import { randomUUID } from 'node:crypto';

import { type ApplicationType, applicationRoom, orderRoom, tenantRoom } from '@foodtrack/websocket-contract';

import type { RetryConfig } from './surface.js';

/** A UUID. */
export function generateMessageId(): string {
  return randomUUID();
}

/**
 * The pause before a repeat, in milliseconds: `baseDelay` x `backoffMultiplier` ^ `attempt`, at most `maxDelay`, and 25 % more or less
 * with `jitter`.
 */
export function calculateRetryDelay(attempt: number, config: RetryConfig): number {
  const delay = Math.min(config.baseDelay * config.backoffMultiplier ** attempt, config.maxDelay);
  return Math.max(0, config.jitter ? delay * (0.75 + Math.random() / 2) : delay);
}

export function createTenantRoom(tenantId: string): string {
  return tenantRoom(tenantId);
}

export function createApplicationRoom(tenantId: string, application: ApplicationType): string {
  return applicationRoom(tenantId, application);
}

export function createOrderRoom(tenantId: string, orderId: string): string {
  return orderRoom(tenantId, orderId);
}

/** Whether it is a tenant's id; the hub also asks for at most 64 characters. */
export function isValidTenantId(tenantId: string): boolean {
  return typeof tenantId === 'string' && /^[a-zA-Z0-9\-_]+$/.test(tenantId);
}

/** Whether it may be a Socket.IO id: one or more of `A-Z a-z 0-9 _ -`. */
export function isValidSocketId(socketId: string): boolean {
  return typeof socketId === 'string' && /^[a-zA-Z0-9\-_]+$/.test(socketId);
}

/** ISO 8601, UTC. */
export function getCurrentTimestamp(): string {
  return new Date().toISOString();
}

/** Whether `date` is at most `windowMs` from now. */
export function isWithinTimeWindow(date: Date, windowMs: number): boolean {
  return Math.abs(Date.now() - date.getTime()) <= windowMs;
}
