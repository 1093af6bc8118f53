import type { WebSocketConfig } from './surface.js';

/** Stands where `JWT_SECRET` should: the hub is not started with it. */
export const PLACEHOLDER_SECRET = 'set-JWT_SECRET-before-the-hub-is-started';

const number = (text: string | undefined, otherwise: number): number => {
  const value = Number(text);
  return text !== undefined && text !== '' && Number.isInteger(value) && value >= 0 ? value : otherwise;
};

/**
 * The defaults, with what the environment says: `WEBSOCKET_PORT`, `ALLOWED_ORIGINS`, `JWT_SECRET`, `WEBSOCKET_ENCRYPTION_KEY` and
 * `REDIS_HOST`, `REDIS_PORT`, `REDIS_PASSWORD`, `REDIS_DB`.
 */
export function configFrom(environment: Readonly<Record<string, string | undefined>>): WebSocketConfig {
  const said = (name: string) => environment[name] || undefined;
  const encryptionKey = said('WEBSOCKET_ENCRYPTION_KEY');
  const password = said('REDIS_PASSWORD');
  const origins = said('ALLOWED_ORIGINS')?.split(',').map((origin) => origin.trim()).filter((origin) => origin !== '');
  return {
    port: number(said('WEBSOCKET_PORT'), 4_001),
    cors: {
      origin: origins ?? ['http://localhost:3000', 'http://localhost:3001', 'http://localhost:3002', 'http://localhost:3003'],
      methods: ['GET', 'POST'],
      credentials: true,
    },
    heartbeat: { interval: 30_000, timeout: 10_000, maxMissed: 3 },
    retry: { maxAttempts: 5, baseDelay: 1_000, maxDelay: 30_000, backoffMultiplier: 2, jitter: true },
    security: {
      jwtSecret: said('JWT_SECRET') ?? PLACEHOLDER_SECRET,
      ...(encryptionKey !== undefined && { encryptionKey }),
      rateLimiting: { windowMs: 60_000, maxRequests: 100 },
    },
    redis: {
      host: said('REDIS_HOST') ?? 'localhost',
      port: number(said('REDIS_PORT'), 6_379),
      ...(password !== undefined && { password }),
      db: number(said('REDIS_DB'), 0),
    },
  };
}

/** Read from the environment when this package is loaded. */
export const defaultWebSocketConfig: WebSocketConfig = /* @__PURE__ */ configFrom(process.env);

/** The defaults with `overrides` in their place: a section is replaced whole. */
export function createWebSocketConfig(overrides: Partial<WebSocketConfig> = {}): WebSocketConfig {
  return { ...defaultWebSocketConfig, ...overrides };
}
