// Made by `cargo xtask codegen` from the hub's own types; do not edit.

import * as z from 'zod';

import { identifier } from '../identifier.js';

/** An order is on its way. */
export const deliveryPayload = /* @__PURE__ */ (() => z.looseObject({
  orderId: identifier,
  deliveryId: identifier.nullable().optional(),
  routeId: identifier.nullable().optional(),
  customerId: identifier.nullable().optional(),
  reason: z.string().nullable().optional(),
}))();

/** A delivery is given to a courier. */
export const deliveryAssignedPayload = /* @__PURE__ */ (() => z.looseObject({
  orderId: identifier,
  assigneeId: identifier,
  deliveryId: identifier.nullable().optional(),
  routeId: identifier.nullable().optional(),
  customerId: identifier.nullable().optional(),
  reason: z.string().nullable().optional(),
}))();

/** Where a courier is. */
export const deliveryLocationUpdatedPayload = /* @__PURE__ */ (() => z.looseObject({
  orderId: identifier,
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
  heading: z.number().nullable().optional(),
  speed: z.number().nullable().optional(),
  deliveryId: identifier.nullable().optional(),
  routeId: identifier.nullable().optional(),
  customerId: identifier.nullable().optional(),
  reason: z.string().nullable().optional(),
}))();

/** An ingredient runs out. */
export const inventoryLowStockPayload = /* @__PURE__ */ (() => z.looseObject({
  ingredientId: identifier,
  currentStock: z.number(),
  minimumStock: z.number(),
  unit: z.string().nullable().optional(),
  severity: z.string().nullable().optional(),
}))();

/** An ingredient was used. */
export const inventoryUsageUpdatePayload = /* @__PURE__ */ (() => z.looseObject({
  ingredientId: identifier,
  quantity: z.number(),
  orderId: identifier.nullable().optional(),
  remainingStock: z.number().nullable().optional(),
}))();

/** The kitchen works on an order. */
export const kitchenPayload = /* @__PURE__ */ (() => z.looseObject({
  orderId: identifier,
  stationId: identifier.nullable().optional(),
  assignedStation: identifier.nullable().optional(),
}))();

/** A word to the kitchen. */
export const kitchenNotificationPayload = /* @__PURE__ */ (() => z.looseObject({
  message: z.string(),
  orderId: identifier.nullable().optional(),
  stationId: identifier.nullable().optional(),
  assignedStation: identifier.nullable().optional(),
}))();

/** An order is given to a station. */
export const kitchenStationAssignmentPayload = /* @__PURE__ */ (() => z.looseObject({
  orderId: identifier,
  stationId: identifier,
  assignedStation: identifier.nullable().optional(),
}))();

/** A word to people. */
export const notificationPayload = /* @__PURE__ */ (() => z.looseObject({
  message: z.string(),
  title: z.string().nullable().optional(),
  level: z.string().nullable().optional(),
}))();

/** An order is created, updated or cancelled. */
export const orderPayload = /* @__PURE__ */ (() => z.looseObject({
  orderId: identifier,
  customerId: identifier.nullable().optional(),
  items: z.array(z.record(z.string(), z.unknown())).nullable().optional(),
  totalAmount: z.number().nullable().optional(),
}))();

/** An order is given to somebody. */
export const orderAssignedPayload = /* @__PURE__ */ (() => z.looseObject({
  orderId: identifier,
  assigneeId: identifier,
  customerId: identifier.nullable().optional(),
  items: z.array(z.record(z.string(), z.unknown())).nullable().optional(),
  totalAmount: z.number().nullable().optional(),
}))();

/** An order moves on. */
export const orderStatusChangedPayload = /* @__PURE__ */ (() => z.looseObject({
  orderId: identifier,
  status: z.string(),
  previousStatus: z.string().nullable().optional(),
  customerId: identifier.nullable().optional(),
  stationId: identifier.nullable().optional(),
  notes: z.string().nullable().optional(),
  items: z.array(z.record(z.string(), z.unknown())).nullable().optional(),
  totalAmount: z.number().nullable().optional(),
}))();

/** A product of the menu. */
export const productPayload = /* @__PURE__ */ (() => z.looseObject({
  productId: identifier,
}))();

/** A product can be ordered, or no longer. */
export const productAvailabilityChangedPayload = /* @__PURE__ */ (() => z.looseObject({
  productId: identifier,
  available: z.boolean(),
}))();

/** Something is wrong with a dish. */
export const qualityIssueReportedPayload = /* @__PURE__ */ (() => z.looseObject({
  orderId: identifier,
  issue: z.string(),
  severity: z.string().nullable().optional(),
  stationId: identifier.nullable().optional(),
  requiresRemake: z.boolean().nullable().optional(),
}))();

/** A station asks for help. */
export const stationHelpRequestedPayload = /* @__PURE__ */ (() => z.looseObject({
  stationId: identifier,
  helpType: z.string().nullable().optional(),
  message: z.string().nullable().optional(),
}))();

/** A restaurant's figures of the day. More numbers pass. */
export const tenantMetricsPayload = /* @__PURE__ */ (() => z.looseObject({
  totalRevenueToday: z.number(),
  completedOrdersToday: z.number(),
  activeOrders: z.number(),
}))();

/** The schema of each payload that clients may send. */
export const payloadSchemas = {
  'order:created': orderPayload,
  'order:updated': orderPayload,
  'order:status_changed': orderStatusChangedPayload,
  'order:assigned': orderAssignedPayload,
  'order:cancelled': orderPayload,
  'kitchen:order_received': kitchenPayload,
  'kitchen:preparation_started': kitchenPayload,
  'kitchen:preparation_completed': kitchenPayload,
  'kitchen:notification': kitchenNotificationPayload,
  'kitchen:station_assignment': kitchenStationAssignmentPayload,
  'delivery:assigned': deliveryAssignedPayload,
  'delivery:picked_up': deliveryPayload,
  'delivery:in_transit': deliveryPayload,
  'delivery:completed': deliveryPayload,
  'delivery:delayed': deliveryPayload,
  'delivery:location_updated': deliveryLocationUpdatedPayload,
  'inventory:low_stock': inventoryLowStockPayload,
  'inventory:usage_update': inventoryUsageUpdatePayload,
  'product:created': productPayload,
  'product:updated': productPayload,
  'product:deleted': productPayload,
  'product:availability_changed': productAvailabilityChangedPayload,
  'quality:issue_reported': qualityIssueReportedPayload,
  'station:help_requested': stationHelpRequestedPayload,
  'notification:alert': notificationPayload,
  'notification:info': notificationPayload,
  'notification:warning': notificationPayload,
  'tenant:metrics': tenantMetricsPayload,
} as const;

/** The envelope as it arrives. */
export const envelope = /* @__PURE__ */ (() => z.looseObject({
  id: z.guid(),
  type: z.string(),
  tenantId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  timestamp: z.iso.datetime(),
  source: z.enum(['client_app', 'tenant_dashboard', 'kitchen_app', 'delivery_app', 'system']),
  target: z.union([z.union([z.enum(['client_app', 'tenant_dashboard', 'kitchen_app', 'delivery_app']), z.array(z.enum(['client_app', 'tenant_dashboard', 'kitchen_app', 'delivery_app'])).min(1)]), z.null()]).optional(),
  payload: z.unknown(),
  priority: z.enum(['low', 'medium', 'high', 'urgent']),
  retryCount: z.int().min(0).max(4294967295),
  encrypted: z.boolean(),
}))();
