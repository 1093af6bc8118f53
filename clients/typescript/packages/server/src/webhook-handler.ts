import type { LogEntry } from './admin-types.js';
import { type HandlerOptions, type HttpAnswer, type HubRequestHandler, hubRequestHandler } from './http-handler.js';

/** Events of one tenant, in the order in which they were accepted. */
export interface WebhookDelivery {
  /** The webhook's name in the hub's configuration. */
  webhook: string;
  tenantId: string;
  /** Whether events before these are missing: the log no longer had them. */
  isAfterGap: boolean;
  events: readonly LogEntry[];
}

/** An event that this receiver will never take: it becomes a dead letter, and the next ones follow. Whatever else is thrown has all of
 * them sent again later. */
export class EventRefused extends Error {
  override readonly name = 'EventRefused';
}

/** Takes events. They come at least once: do what is done about them in one transaction with the `cursor` of the last. */
export type WebhookReceiver = (delivery: WebhookDelivery) => unknown;

/**
 * Takes what the hub posts to a webhook (`[[webhooks]]` of its configuration).
 *
 * ```js
 * const billing = webhookHandler(async ({ tenantId, events }) => ledger.book(tenantId, events), { secret });
 * app.post('/hub/events', billing.node);
 * ```
 */
export function webhookHandler(receive: WebhookReceiver, options: HandlerOptions): HubRequestHandler {
  return hubRequestHandler(options, async (body): Promise<HttpAnswer> => {
    const it = body as (Partial<WebhookDelivery> & { isTest?: boolean }) | null;
    if (typeof it !== 'object' || it === null || typeof it.webhook !== 'string' || typeof it.tenantId !== 'string' || !Array.isArray(it.events)) {
      return { status: 400, body: { success: false, error: 'this is no delivery of the hub' } };
    }
    if (it.isTest === true) return { status: 200, body: { success: true } };
    try {
      await receive({ webhook: it.webhook, tenantId: it.tenantId, isAfterGap: it.isAfterGap === true, events: it.events });
      return { status: 200, body: { success: true } };
    } catch (error) {
      if (!(error instanceof EventRefused)) throw error;
      return { status: 422, body: { success: false, error: error.message } };
    }
  });
}
