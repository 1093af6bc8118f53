/** FoodTrack's hub for back ends in Node. */
export { AdminClient, type DryRun } from './admin-client.js';
export type {
  ConnectionCounts, ConnectionInfo, ConnectionList, ConnectionQuery, DeadLetter, Destination, DirectEvent, Disconnected, EventDeclaration,
  Explanation, Grant, HubHealth, LogEntry, LogPart, LogQuery, NodeInfo, NodeList, PerformanceMetrics, PresenceInfo, PresenceList,
  PresenceQuery, Question, Redaction, RoomDescription, RoomInfo, RoomList, Rule, Sent,
} from './admin-types.js';
export { createWebSocketConfig, defaultWebSocketConfig } from './config.js';
export { ConnectionManager } from './connection-manager.js';
export { EventBroadcaster } from './event-broadcaster.js';
export {
  calculateRetryDelay, createApplicationRoom, createOrderRoom, createTenantRoom, generateMessageId, getCurrentTimestamp,
  isValidSocketId, isValidTenantId, isWithinTimeWindow,
} from './helpers.js';
export type { PublishingOptions } from './hub-access.js';
export { HubError, type HubErrorCode, type HubErrorDetails, type Problem } from './hub-error.js';
export type { HubOptions } from './hub-http.js';
export type { HubLink } from './hub-link.js';
export { HubProcess, type HubProcessOptions } from './hub-process.js';
export type { Logger } from './logger.js';
export type { FastifyLike, FastifyPlugin, HandlerOptions, HttpAnswer, HubRequestHandler, NodeHandler, RequestWithBody } from './http-handler.js';
export { MessageRouter } from './message-router.js';
export { ApplicationType, EventType, MessagePriority, Permission, QueueStatus, RoomType, UserRole } from './names.js';
export { type PublishOutcome, type PublishableMessage, Publisher, type PublisherOptions, publish, publishBatch } from './publisher.js';
export { SIGNATURE_HEADER, type SignatureOptions, isSignedByHub } from './signature.js';
export type {
  AuthResult, AuthenticatedUser, Connection, ConnectionMetadata, HealthStatus, HeartbeatConfig, QueuedMessage, RetryConfig, Room,
  RoomMetadata, RoutingResult, RoutingRule, SocketLike, ValidationResult, WebSocketConfig, WebSocketEvent, WebSocketMessage,
} from './surface.js';
export {
  type MintOptions, type TokenClaims, type TokenProvider, type VerifiedToken, applicationsOfRole, mintToken, verifyToken,
} from './tokens.js';
export { WebSocketServer, type WebSocketServerOptions } from './websocket-server.js';
export {
  type ConnectHook, type JoinHook, RequestRefused, type UpstreamAnswerer, type UpstreamHooks, type UpstreamOptions, type UpstreamReply,
  type UpstreamRequest, upstreamHandler,
} from './upstream-handler.js';
export { EventRefused, type WebhookDelivery, type WebhookReceiver, webhookHandler } from './webhook-handler.js';
