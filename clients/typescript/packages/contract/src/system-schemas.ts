import * as z from 'zod';

import { ApplicationType, ErrorCode, UserRole } from './generated/constants.js';

/** The schema of a refusal. */
export const refusalSchema = /* @__PURE__ */ (() => z.looseObject({
  code: z.enum(ErrorCode),
  number: z.int(),
  message: z.string(),
  event: z.string().optional(),
  pointer: z.string().optional(),
  rule: z.string().optional(),
  retryAfterMs: z.number().optional(),
}))();

/** The schemas of what the hub alone sends. */
export const systemSchemas = /* @__PURE__ */ (() => ({
  'system:connection_established': z.looseObject({
    connectionId: z.string(),
    tenantId: z.string(),
    userId: z.string(),
    role: z.enum(UserRole),
    application: z.enum(ApplicationType).nullish(),
    connectedAt: z.iso.datetime(),
    recovered: z.boolean(),
  }),
  'system:heartbeat': z.unknown(),
  'system:error': refusalSchema,
  'system:reconnection_required': z.union([
    z.looseObject({ reason: z.literal('gap'), message: z.string(), lostAfter: z.string(), lostThrough: z.string() }),
    z.looseObject({ reason: z.literal('reset'), message: z.string() }),
    z.looseObject({ reason: z.literal('token_expiring'), message: z.string(), expiresAt: z.iso.datetime() }),
  ]),
  'system:metrics': z.unknown(),
} as const))();
