import * as contract from '@foodtrack/websocket-contract';

/** `order:created` becomes `ORDER_CREATED`. */
type Upper<T extends string> = T extends `${infer Group}:${infer Name}` ? Uppercase<`${Group}_${Name}`> : Uppercase<T>;

/** A name's members as the contract has them (`EventType.OrderCreated`), and in capitals (`EventType.ORDER_CREATED`). */
type Names<T extends Readonly<Record<string, string>>> = T & { readonly [V in T[keyof T] as Upper<V>]: V };

function names<const T extends Readonly<Record<string, string>>>(members: T): Names<T> {
  const capitals = Object.values(members).map((value) => [value.replace(':', '_').toUpperCase(), value]);
  return Object.freeze({ ...members, ...Object.fromEntries(capitals) }) as Names<T>;
}

export const UserRole = /* @__PURE__ */ names(contract.UserRole);
export type UserRole = contract.UserRole;

export const Permission = /* @__PURE__ */ names(contract.Permission);
export type Permission = contract.Permission;

export const ApplicationType = /* @__PURE__ */ names(contract.ApplicationType);
export type ApplicationType = contract.ApplicationType;

export const EventType = /* @__PURE__ */ names(contract.EventType);
export type EventType = contract.EventType;

export const MessagePriority = /* @__PURE__ */ names(contract.MessagePriority);
export type MessagePriority = contract.MessagePriority;

export const RoomType = /* @__PURE__ */ names(contract.RoomType);
export type RoomType = contract.RoomType;

/** Where a message stands in a queue. */
export const QueueStatus = /* @__PURE__ */ names({
  Pending: 'pending', Processing: 'processing', Delivered: 'delivered', Failed: 'failed', Expired: 'expired',
});
export type QueueStatus = 'pending' | 'processing' | 'delivered' | 'failed' | 'expired';
