import { ApplicationType, EventType, type PublishableEvent } from '@foodtrack/websocket-contract';
import { messageSchema, payloadSchemas } from '@foodtrack/websocket-contract/schemas';

import type { AdminClient } from './admin-client.js';
import type { Destination, Rule } from './admin-types.js';
import { audienceOf, covers } from './audience.js';
import { isValidTenantId } from './helpers.js';
import { unsupported } from './hub-error.js';
import { type HubLink, linkOf, runningOf } from './hub-link.js';
import { logged } from './logger.js';
import type { PublishableMessage } from './publisher.js';
import type { RoutingResult, RoutingRule, ValidationResult, WebSocketMessage } from './surface.js';

/** The hub's rules. The hub routes: a message is published, and its rules decide whom it reaches. */
export interface MessageRouter {
  /**
   * Publishes a message for its tenant, and repeats that under its id until the hub has answered; never rejects.
   * `targetSockets` are the connections that the rules lead to as of the last reading of the view (a second): a foresight, not a
   * receipt, and `[]` where it was refused. The hub's own time takes the place of `timestamp`.
   */
  routeMessage(message: WebSocketMessage): Promise<RoutingResult>;
  /** Whether it has a message's shape, and a built-in event's payload. The payload of a tenant's own event type is the hub's to check. */
  validateMessage(message: unknown): ValidationResult;
  /**
   * The rules that cover an event type, one for each source: built-in ones, and those of tenants that are followed. Rooms, to which
   * rules also lead, have no place in this shape; `AdminClient.rules` has all. Read anew every 30 seconds.
   */
  getRoutingRules(eventType: string): RoutingRule[];
  /**
   * Adds a rule for the server's own tenant (option `tenantId`) to the hub, which takes rules for event types that the tenant
   * declared: how the built-in ones travel is the operator's to say, in the hub's configuration. A failure is logged, and rejects
   * for who awaits it: also of a rule that asks for what the hub does not have (no authentication, no isolation of tenants).
   */
  addRoutingRule(rule: RoutingRule): Promise<void>;
  /** Removes a rule that `addRoutingRule` added. A failure is logged, and rejects for who awaits it. */
  removeRoutingRule(eventType: string, sourceApplication: string): Promise<void>;
}

const PART = 'MessageRouter';
const APPLICATIONS = Object.values(ApplicationType);
const isApplication = (to: Destination): to is ApplicationType => (APPLICATIONS as string[]).includes(to);
const idOf = (eventType: string, source: string): string => `gateway:${eventType}:${source}`;

class HubMessageRouter implements MessageRouter {
  constructor(private readonly link?: HubLink) {}

  async routeMessage(message: WebSocketMessage): Promise<RoutingResult> {
    try {
      const { access, view } = runningOf(this.link, PART);
      const { id, type, payload, priority, source, target, tenantId, encrypted } = message;
      const event = {
        id, type, payload, priority, source, tenantId, ...(target !== undefined && { target }), ...(encrypted && { encrypted }),
      };
      const [, { duplicate }] = await Promise.all([view.follow(tenantId), access.publisher(tenantId).publish(event as PublishableMessage)]);
      if (duplicate) return { success: true, targetSockets: [] };
      const reached = audienceOf(tenantId, message, view.rules(tenantId), view.connections(tenantId));
      return { success: true, targetSockets: reached.map((one) => one.id) };
    } catch (error) {
      return { success: false, targetSockets: [], errors: [error instanceof Error ? error.message : String(error)] };
    }
  }

  validateMessage(message: unknown): ValidationResult {
    if (typeof message !== 'object' || message === null) return { isValid: false, errors: ['the message must be an object'] };
    const { type, tenantId, timestamp, retryCount } = message as Partial<WebSocketMessage>;
    const errors: string[] = [];
    if (typeof type !== 'string' || type === '') errors.push('type: must be an event\'s name');
    else if (type in payloadSchemas) {
      const { error } = messageSchema(type as PublishableEvent).safeParse(message);
      errors.push(...(error?.issues ?? []).map((issue) => `${issue.path.join('.') || 'message'}: ${issue.message}`));
    } else if ((Object.values(EventType) as string[]).includes(type)) errors.push(`type: ${type} is sent by the hub alone`);
    if (typeof tenantId !== 'string' || !isValidTenantId(tenantId)) errors.push('tenantId: must be 1 to 64 of A-Z, a-z, 0-9, _ and -');
    if (timestamp !== undefined && Number.isNaN(new Date(timestamp).getTime())) errors.push('timestamp: must be a time');
    if (retryCount !== undefined && !(Number.isInteger(retryCount) && retryCount >= 0)) errors.push('retryCount: must be a whole number');
    return errors.length === 0 ? { isValid: true } : { isValid: false, errors };
  }

  getRoutingRules(eventType: string): RoutingRule[] {
    const link = linkOf(this.link, PART);
    const view = link.running?.view;
    if (!view) return [];
    const rules = new Map<string, Rule>();
    for (const tenantId of new Set([link.tenantId, ...view.followed])) {
      for (const rule of view.rules(tenantId)) if (covers(rule, eventType)) rules.set(`${rule.tenant ?? ''} ${rule.id}`, rule);
    }
    return [...rules.values()].flatMap(({ from, to }) => from.map((sourceApplication) => ({
      eventType,
      sourceApplication,
      targetApplications: to.includes('every_application') ? APPLICATIONS : to.filter(isApplication),
      requiresAuthentication: true,
      tenantIsolated: true,
      priority: 0,
    })));
  }

  addRoutingRule(rule: RoutingRule): Promise<void> {
    const { logger } = linkOf(this.link, PART);
    return logged(this.#add(rule), logger, `the rule for ${rule.eventType} was not added`);
  }

  removeRoutingRule(eventType: string, sourceApplication: string): Promise<void> {
    const { logger } = linkOf(this.link, PART);
    return logged(this.#remove(eventType, sourceApplication), logger, `the rule for ${eventType} was not removed`);
  }

  async #add(rule: RoutingRule): Promise<void> {
    if (!rule.requiresAuthentication || !rule.tenantIsolated) {
      throw unsupported('the hub authenticates everyone and keeps tenants apart: requiresAuthentication and tenantIsolated must be true');
    }
    const { eventType, sourceApplication, targetApplications } = rule;
    const id = idOf(eventType, sourceApplication);
    await this.#change((admin) => admin.addRule({ id, events: eventType, from: [sourceApplication], to: targetApplications }));
  }

  #remove(eventType: string, sourceApplication: string): Promise<void> {
    return this.#change((admin) => admin.removeRule(idOf(eventType, sourceApplication)));
  }

  async #change(change: (admin: AdminClient) => Promise<unknown>): Promise<void> {
    const { access, view } = runningOf(this.link, PART);
    const { tenantId } = linkOf(this.link, PART);
    await change(access.admin(tenantId));
    await view.rulesChanged(tenantId);
  }
}

export const MessageRouter: new (link?: HubLink) => MessageRouter = HubMessageRouter;
