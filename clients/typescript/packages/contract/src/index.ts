/** Names, types and limits. Nothing here needs zod; the schemas are in `@foodtrack/websocket-contract/schemas`. */
export { type Cursor, parseCursor } from './cursor.js';
export * from './generated/constants.js';
export type * from './generated/payloads.js';
export type * from './message.js';
export * from './room.js';
export type * from './system.js';
