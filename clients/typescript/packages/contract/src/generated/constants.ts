// Made by `cargo xtask codegen` from the hub's own types; do not edit.

/** A built-in event type; a Socket.IO event is named after it. */
export const EventType = {
  OrderCreated: 'order:created',
  OrderUpdated: 'order:updated',
  OrderStatusChanged: 'order:status_changed',
  OrderAssigned: 'order:assigned',
  OrderCancelled: 'order:cancelled',
  KitchenOrderReceived: 'kitchen:order_received',
  KitchenPreparationStarted: 'kitchen:preparation_started',
  KitchenPreparationCompleted: 'kitchen:preparation_completed',
  KitchenNotification: 'kitchen:notification',
  KitchenStationAssignment: 'kitchen:station_assignment',
  DeliveryAssigned: 'delivery:assigned',
  DeliveryPickedUp: 'delivery:picked_up',
  DeliveryInTransit: 'delivery:in_transit',
  DeliveryCompleted: 'delivery:completed',
  DeliveryDelayed: 'delivery:delayed',
  DeliveryLocationUpdated: 'delivery:location_updated',
  InventoryLowStock: 'inventory:low_stock',
  InventoryUsageUpdate: 'inventory:usage_update',
  ProductCreated: 'product:created',
  ProductUpdated: 'product:updated',
  ProductDeleted: 'product:deleted',
  ProductAvailabilityChanged: 'product:availability_changed',
  QualityIssueReported: 'quality:issue_reported',
  StationHelpRequested: 'station:help_requested',
  NotificationAlert: 'notification:alert',
  NotificationInfo: 'notification:info',
  NotificationWarning: 'notification:warning',
  TenantMetrics: 'tenant:metrics',
  SystemConnectionEstablished: 'system:connection_established',
  SystemHeartbeat: 'system:heartbeat',
  SystemError: 'system:error',
  SystemReconnectionRequired: 'system:reconnection_required',
  SystemMetrics: 'system:metrics',
} as const;

/** A built-in event type; a Socket.IO event is named after it. */
export type EventType = (typeof EventType)[keyof typeof EventType];

/** One of FoodTrack's applications. */
export const ApplicationType = {
  ClientApp: 'client_app',
  TenantDashboard: 'tenant_dashboard',
  KitchenApp: 'kitchen_app',
  DeliveryApp: 'delivery_app',
} as const;

/** One of FoodTrack's applications. */
export type ApplicationType = (typeof ApplicationType)[keyof typeof ApplicationType];

/** What a user is to the tenant. */
export const UserRole = {
  Customer: 'customer',
  KitchenStaff: 'kitchen_staff',
  Chef: 'chef',
  DeliveryPersonnel: 'delivery_personnel',
  RestaurantOwner: 'restaurant_owner',
  RestaurantManager: 'restaurant_manager',
  Admin: 'admin',
  System: 'system',
} as const;

/** What a user is to the tenant. */
export type UserRole = (typeof UserRole)[keyof typeof UserRole];

/** One thing a token may allow. */
export const Permission = {
  ReadOrders: 'read:orders',
  WriteOrders: 'write:orders',
  ReadKitchen: 'read:kitchen',
  WriteKitchen: 'write:kitchen',
  ReadDelivery: 'read:delivery',
  WriteDelivery: 'write:delivery',
  ReadInventory: 'read:inventory',
  WriteInventory: 'write:inventory',
  AdminAccess: 'admin:access',
} as const;

/** One thing a token may allow. */
export type Permission = (typeof Permission)[keyof typeof Permission];

/** How urgent a message is, least urgent first. */
export const MessagePriority = {
  Low: 'low',
  Medium: 'medium',
  High: 'high',
  Urgent: 'urgent',
} as const;

/** How urgent a message is, least urgent first. */
export type MessagePriority = (typeof MessagePriority)[keyof typeof MessagePriority];

/** What a room gathers; the first part of its name. */
export const RoomType = {
  Tenant: 'tenant',
  Application: 'app',
  Order: 'order',
  KitchenStation: 'kitchen_station',
  DeliveryRoute: 'delivery_route',
  User: 'user',
} as const;

/** What a room gathers; the first part of its name. */
export type RoomType = (typeof RoomType)[keyof typeof RoomType];

/** What the hub promises about an event. */
export const DeliveryClass = {
  Durable: 'durable',
  Recoverable: 'recoverable',
  Volatile: 'volatile',
} as const;

/** What the hub promises about an event. */
export type DeliveryClass = (typeof DeliveryClass)[keyof typeof DeliveryClass];

/** An event that every client may send; the hub answers it. */
export const ControlEvent = {
  SubscribeOrder: 'subscribe:order',
  SubscribeKitchen: 'subscribe:kitchen',
  SubscribeTenant: 'subscribe:tenant',
  SubscribeCustomer: 'subscribe:customer',
  SubscribeRoute: 'subscribe:route',
  UnsubscribeOrder: 'unsubscribe:order',
  UnsubscribeKitchen: 'unsubscribe:kitchen',
  UnsubscribeTenant: 'unsubscribe:tenant',
  UnsubscribeCustomer: 'unsubscribe:customer',
  UnsubscribeRoute: 'unsubscribe:route',
  Ping: 'ping',
  HealthCheck: 'health_check',
  Authenticate: 'authenticate',
  PayloadKey: 'payload_key',
} as const;

/** An event that every client may send; the hub answers it. */
export type ControlEvent = (typeof ControlEvent)[keyof typeof ControlEvent];

/** Why something was refused. */
export const ErrorCode = {
  RateLimited: 'rate_limited',
  TenantRateLimited: 'tenant_rate_limited',
  HandshakeRateLimited: 'handshake_rate_limited',
  TooManyConnections: 'too_many_connections',
  Overloaded: 'overloaded',
  Draining: 'draining',
  Degraded: 'degraded',
  Timeout: 'timeout',
  StorageFull: 'storage_full',
  StorageFailed: 'storage_failed',
  TokenExpired: 'token_expired',
  TokenNotYetValid: 'token_not_yet_valid',
  DeviceReplaced: 'device_replaced',
  TokenMissing: 'token_missing',
  TokenMalformed: 'token_malformed',
  TokenAlgorithm: 'token_algorithm',
  TokenSignature: 'token_signature',
  TokenClaims: 'token_claims',
  TokenRevoked: 'token_revoked',
  TokenSubject: 'token_subject',
  ApplicationRequired: 'application_required',
  ApplicationUnknown: 'application_unknown',
  ApplicationForbidden: 'application_forbidden',
  NamespaceUnknown: 'namespace_unknown',
  MessageMalformed: 'message_malformed',
  EventUnknown: 'event_unknown',
  EventReserved: 'event_reserved',
  PayloadInvalid: 'payload_invalid',
  PayloadTooLarge: 'payload_too_large',
  TenantMismatch: 'tenant_mismatch',
  SourceForbidden: 'source_forbidden',
  PermissionDenied: 'permission_denied',
  OrderForbidden: 'order_forbidden',
  OrderTaken: 'order_taken',
  RoomMalformed: 'room_malformed',
  RoomForbidden: 'room_forbidden',
  RoomFull: 'room_full',
  RoomsTooMany: 'rooms_too_many',
  NotFound: 'not_found',
  Conflict: 'conflict',
  DeclarationInvalid: 'declaration_invalid',
  MethodNotAllowed: 'method_not_allowed',
  IdempotencyConflict: 'idempotency_conflict',
  UpstreamRefused: 'upstream_refused',
} as const;

/** Why something was refused. */
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** How each event travels unless the hub's configuration says otherwise. */
export const deliveryClasses: Readonly<Record<EventType, DeliveryClass>> = {
  'order:created': 'durable',
  'order:updated': 'durable',
  'order:status_changed': 'durable',
  'order:assigned': 'durable',
  'order:cancelled': 'durable',
  'kitchen:order_received': 'durable',
  'kitchen:preparation_started': 'durable',
  'kitchen:preparation_completed': 'durable',
  'kitchen:notification': 'durable',
  'kitchen:station_assignment': 'durable',
  'delivery:assigned': 'durable',
  'delivery:picked_up': 'durable',
  'delivery:in_transit': 'durable',
  'delivery:completed': 'durable',
  'delivery:delayed': 'durable',
  'delivery:location_updated': 'volatile',
  'inventory:low_stock': 'durable',
  'inventory:usage_update': 'durable',
  'product:created': 'durable',
  'product:updated': 'durable',
  'product:deleted': 'durable',
  'product:availability_changed': 'durable',
  'quality:issue_reported': 'durable',
  'station:help_requested': 'durable',
  'notification:alert': 'recoverable',
  'notification:info': 'recoverable',
  'notification:warning': 'recoverable',
  'tenant:metrics': 'volatile',
  'system:connection_established': 'volatile',
  'system:heartbeat': 'volatile',
  'system:error': 'volatile',
  'system:reconnection_required': 'volatile',
  'system:metrics': 'recoverable',
};

/** What a token of a role may do when it lists no permissions. */
export const defaultPermissions: Readonly<Record<UserRole, readonly Permission[]>> = {
  'customer': ['read:orders', 'write:orders', 'read:delivery'],
  'kitchen_staff': ['read:orders', 'write:orders', 'read:kitchen', 'write:kitchen', 'read:inventory', 'write:inventory'],
  'chef': ['read:orders', 'write:orders', 'read:kitchen', 'write:kitchen', 'read:inventory', 'write:inventory'],
  'delivery_personnel': ['read:orders', 'write:orders', 'read:delivery', 'write:delivery'],
  'restaurant_owner': ['read:orders', 'write:orders', 'read:kitchen', 'write:kitchen', 'read:delivery', 'write:delivery', 'read:inventory', 'write:inventory', 'admin:access'],
  'restaurant_manager': ['read:orders', 'write:orders', 'read:kitchen', 'write:kitchen', 'read:delivery', 'write:delivery', 'read:inventory', 'write:inventory'],
  'admin': ['read:orders', 'write:orders', 'read:kitchen', 'write:kitchen', 'read:delivery', 'write:delivery', 'read:inventory', 'write:inventory', 'admin:access'],
  'system': ['read:orders', 'write:orders', 'read:kitchen', 'write:kitchen', 'read:delivery', 'write:delivery', 'read:inventory', 'write:inventory', 'admin:access'],
};

/** What to do about a refusal. */
export interface ErrorInfo {
  readonly number: number;
  readonly about: string;
  /** `retry`: the same request may succeed later; `reconnect`: connect again; `stop`: change the request first. */
  readonly reaction: 'retry' | 'reconnect' | 'stop';
}

/** What each code means. */
export const errors: Readonly<Record<ErrorCode, ErrorInfo>> = {
  'rate_limited': { number: 1001, about: 'The connection sends more than its limit allows.', reaction: 'retry' },
  'tenant_rate_limited': { number: 1002, about: 'The tenant as a whole sends more than its limit allows.', reaction: 'retry' },
  'handshake_rate_limited': { number: 1003, about: 'The address opens connections faster than its limit allows.', reaction: 'retry' },
  'too_many_connections': { number: 1004, about: 'The tenant, the user or the token has as many connections as it may have.', reaction: 'retry' },
  'overloaded': { number: 1005, about: 'The server has no room for more work at the moment.', reaction: 'retry' },
  'draining': { number: 1006, about: 'The server is about to stop; another one, or the same one restarted, will answer.', reaction: 'retry' },
  'degraded': { number: 1007, about: 'A part that the request needs (the store, an upstream) is away.', reaction: 'retry' },
  'timeout': { number: 1008, about: 'The answer did not come in time.', reaction: 'retry' },
  'storage_full': { number: 1009, about: 'The disk of the log is full: what must not be lost is not accepted until there is room.', reaction: 'retry' },
  'storage_failed': { number: 1010, about: 'The disk of the log failed: what must not be lost is not accepted until the server is started anew.', reaction: 'retry' },
  'token_expired': { number: 2001, about: 'The token is past its exp; get a fresh one and connect again.', reaction: 'reconnect' },
  'token_not_yet_valid': { number: 2002, about: 'The token\'s nbf lies in the future; check the clocks.', reaction: 'reconnect' },
  'device_replaced': { number: 2003, about: 'The same device connected again; the newer connection has its events.', reaction: 'reconnect' },
  'token_missing': { number: 3001, about: 'No token came in auth.token, the Authorization header or the cookie.', reaction: 'stop' },
  'token_malformed': { number: 3002, about: 'The token is no JWT, or too long.', reaction: 'stop' },
  'token_algorithm': { number: 3003, about: 'The token is signed with an algorithm that the configuration does not allow.', reaction: 'stop' },
  'token_signature': { number: 3004, about: 'The token\'s signature does not verify.', reaction: 'stop' },
  'token_claims': { number: 3005, about: 'A claim is missing, malformed, or not the one that is expected.', reaction: 'stop' },
  'token_revoked': { number: 3006, about: 'The token, its user or its tenant was revoked.', reaction: 'stop' },
  'token_subject': { number: 3007, about: 'The fresh token speaks for somebody else than the connection\'s.', reaction: 'stop' },
  'application_required': { number: 3011, about: 'The token opens several applications and the handshake names none.', reaction: 'stop' },
  'application_unknown': { number: 3012, about: 'The handshake names an application that is none of the four.', reaction: 'stop' },
  'application_forbidden': { number: 3013, about: 'The token does not open the application that the handshake names.', reaction: 'stop' },
  'namespace_unknown': { number: 3014, about: 'The server has no such namespace.', reaction: 'stop' },
  'message_malformed': { number: 3101, about: 'The message is not of the envelope\'s shape.', reaction: 'stop' },
  'event_unknown': { number: 3102, about: 'No such event type is built in, and the tenant declared none of that name.', reaction: 'stop' },
  'event_reserved': { number: 3103, about: 'Only the server sends events of this type.', reaction: 'stop' },
  'payload_invalid': { number: 3104, about: 'The payload breaks the schema of its event type.', reaction: 'stop' },
  'payload_too_large': { number: 3105, about: 'The message is larger than the limit.', reaction: 'stop' },
  'tenant_mismatch': { number: 3106, about: 'The message names another tenant than the token\'s.', reaction: 'stop' },
  'source_forbidden': { number: 3107, about: 'The message names a source that the sender is not, or the event may not come from it.', reaction: 'stop' },
  'permission_denied': { number: 3108, about: 'The token does not allow it.', reaction: 'stop' },
  'order_forbidden': { number: 3109, about: 'A customer may only touch orders of their own, and name nobody else as customer.', reaction: 'stop' },
  'order_taken': { number: 3110, about: 'The order is assigned to another courier already; a dashboard or a back end may assign it anew.', reaction: 'stop' },
  'room_malformed': { number: 3111, about: 'The argument names no room.', reaction: 'stop' },
  'room_forbidden': { number: 3112, about: 'The connection may not join this room.', reaction: 'stop' },
  'room_full': { number: 3113, about: 'The room has as many members as it may have.', reaction: 'stop' },
  'rooms_too_many': { number: 3114, about: 'The connection is in as many rooms as it may be in.', reaction: 'stop' },
  'not_found': { number: 3115, about: 'There is no such thing.', reaction: 'stop' },
  'conflict': { number: 3116, about: 'It stands against what is already there.', reaction: 'stop' },
  'declaration_invalid': { number: 3117, about: 'The declaration of an event type or a rule does not hold.', reaction: 'stop' },
  'method_not_allowed': { number: 3118, about: 'The path does not take the method; the Allow header says which it takes.', reaction: 'stop' },
  'idempotency_conflict': { number: 3119, about: 'The Idempotency-Key was used with another body.', reaction: 'stop' },
  'upstream_refused': { number: 3120, about: 'The business back end refused the request; the message says why.', reaction: 'stop' },
};

/** What the hub's limits are; `payloadBytesMax` unless its configuration says otherwise. */
export const limits = {
  identifierCharactersMax: 128,
  payloadDepthMax: 62,
  payloadBytesMax: 1000000,
  cursorBeyondMax: 64,
} as const;
