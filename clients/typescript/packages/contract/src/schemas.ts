/**
 * zod schemas: `payloadSchemas` and `messageSchema` for what is published, `receivedSchema` for what arrives. The hub checks the
 * same itself; with these a form can say what is wrong before it sends.
 */
import * as z from 'zod';

import { ApplicationType, EventType, MessagePriority } from './generated/constants.js';
import { envelope, payloadSchemas } from './generated/schemas.js';
import type { OutgoingMessage, PublishableEvent, Source, WebSocketMessage } from './message.js';
import { refusalSchema, systemSchemas } from './system-schemas.js';

export * from './generated/schemas.js';
export { identifier } from './identifier.js';
export { refusalSchema, systemSchemas };

const sources: Source[] = [...Object.values(ApplicationType), 'system'];

/** The schema of a message of `type` as it is published. */
export function messageSchema<T extends PublishableEvent>(type: T): z.ZodType<OutgoingMessage<T>> {
  const application = z.enum(ApplicationType);
  const schema = z.looseObject({
    type: z.literal(type),
    payload: payloadSchemas[type],
    id: z.guid().optional(),
    target: z.union([application, z.array(application).min(1)]).optional(),
    priority: z.enum(MessagePriority).optional(),
    source: z.enum(sources).optional(),
    tenantId: z.string().optional(),
    encrypted: z.boolean().optional(),
  });
  return schema as unknown as z.ZodType<OutgoingMessage<T>>;
}

/** The schema of a message of `type` as it arrives. */
export function receivedSchema<T extends EventType>(type: T): z.ZodType<WebSocketMessage<T>> {
  const payload = { ...payloadSchemas, ...systemSchemas }[type];
  return envelope.extend({ type: z.literal(type), payload }) as unknown as z.ZodType<WebSocketMessage<T>>;
}
