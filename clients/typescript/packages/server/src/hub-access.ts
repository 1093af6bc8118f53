import { AdminClient } from './admin-client.js';
import { HubError } from './hub-error.js';
import type { HubOptions } from './hub-http.js';
import type { Logger } from './logger.js';
import { Publisher, type PublisherOptions } from './publisher.js';
import { type MintOptions, mintToken } from './tokens.js';

/** Bounds of how a tenant's events are published. */
export type PublishingOptions = Omit<PublisherOptions, keyof HubOptions>;

interface TenantAccess {
  admin: AdminClient;
  publisher: Publisher;
}

/** Of how many tenants clients are kept; beyond it those go that were not used for longest and have nothing unanswered. */
const TENANTS_MAX = 1_000;
const USER = 'websocket-server';

/** A hub, and the secret to speak to it for any tenant. */
export class HubAccess {
  readonly #tenants = new Map<string, TenantAccess>();

  constructor(
    readonly url: string,
    private readonly secret: string,
    readonly logger: Logger,
    private readonly publishing: PublishingOptions = {},
    private readonly mint: MintOptions = {},
  ) {}

  admin(tenantId: string): AdminClient {
    return this.#of(tenantId).admin;
  }

  publisher(tenantId: string): Publisher {
    return this.#of(tenantId).publisher;
  }

  /** Waits until what was published is answered. */
  async close(): Promise<void> {
    await Promise.all([...this.#tenants.values()].map(({ publisher }) => publisher.close()));
  }

  #of(tenantId: string): TenantAccess {
    const known = this.#tenants.get(tenantId);
    if (known) {
      this.#tenants.delete(tenantId);
      this.#tenants.set(tenantId, known); // the last one is the one used last
      return known;
    }
    const token = () => mintToken({ tenantId, userId: USER, role: 'system' }, this.secret, this.mint);
    try {
      token();
    } catch (cause) {
      throw new HubError('token_claims', (cause as Error).message, {}, { cause });
    }
    const options = { url: this.url, token };
    const access = { admin: new AdminClient(options), publisher: new Publisher({ ...this.publishing, ...options }) };
    this.#tenants.set(tenantId, access);
    for (const [id, { publisher }] of this.#tenants) {
      if (this.#tenants.size <= TENANTS_MAX) break;
      if (publisher.pending === 0 && id !== tenantId) this.#tenants.delete(id);
    }
    return access;
  }
}
