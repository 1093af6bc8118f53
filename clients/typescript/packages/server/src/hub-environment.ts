import { configFrom } from './config.js';
import type { WebSocketConfig } from './surface.js';

/** Known to the hub as its cluster's. A gateway may have them for itself, and a hub that is its child is one node. */
const REDIS = ['REDIS_HOST', 'REDIS_PORT', 'REDIS_PASSWORD', 'REDIS_DB', 'REDIS_URL'];

/**
 * The child's environment: `around`, and over it what `config` says otherwise than the defaults do. So an operator's
 * `FOODTRACK__...` goes before a default, and not before what the application says.
 */
export function hubEnvironment(
  config: WebSocketConfig, secret: string, around: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const { cors, heartbeat, retry, security } = config;
  const values = ({ cors, heartbeat, retry, security }: WebSocketConfig): Record<string, string> => ({
    ALLOWED_ORIGINS: cors.origin.join(','),
    FOODTRACK__CORS__METHODS: cors.methods.join(','),
    FOODTRACK__CORS__CREDENTIALS: String(cors.credentials),
    FOODTRACK__HEARTBEAT__INTERVAL_MS: String(heartbeat.interval),
    FOODTRACK__HEARTBEAT__TIMEOUT_MS: String(heartbeat.timeout),
    FOODTRACK__HEARTBEAT__MAX_MISSED: String(heartbeat.maxMissed),
    FOODTRACK__RETRY__MAX_ATTEMPTS: String(retry.maxAttempts),
    FOODTRACK__RETRY__BASE_DELAY_MS: String(retry.baseDelay),
    FOODTRACK__RETRY__MAX_DELAY_MS: String(retry.maxDelay),
    FOODTRACK__RETRY__BACKOFF_MULTIPLIER: String(retry.backoffMultiplier),
    FOODTRACK__RETRY__JITTER_PERCENT: retry.jitter ? '25' : '0',
    FOODTRACK__SECURITY__RATE_LIMITING__HANDSHAKES_PER_MINUTE:
      String(Math.ceil((security.rateLimiting.maxRequests * 60_000) / security.rateLimiting.windowMs)),
  });
  const usual = values(configFrom({}));
  const said = Object.entries(values({ ...config, cors, heartbeat, retry, security })).filter(([key, value]) => value !== usual[key]);
  const key = security.encryptionKey === undefined ? {} : { WEBSOCKET_ENCRYPTION_KEY: security.encryptionKey };
  const environment = { ...around, ...Object.fromEntries(said), ...key, JWT_SECRET: secret };
  for (const name of REDIS) delete (environment as Record<string, string | undefined>)[name];
  return environment;
}
