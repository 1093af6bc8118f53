import { type ApplicationType, RoomType } from './generated/constants.js';

/** The name of the room of everyone of a tenant. */
export const tenantRoom = (tenantId: string): string => `${RoomType.Tenant}:${tenantId}`;

/** The name of the room of everyone of one application. */
export const applicationRoom = (tenantId: string, application: ApplicationType): string =>
  `${RoomType.Application}:${tenantId}:${application}`;

/** The name of the room of everyone who follows an order. */
export const orderRoom = (tenantId: string, orderId: string): string => `${RoomType.Order}:${tenantId}:${orderId}`;

/** The name of the room of everyone at a kitchen station. */
export const kitchenStationRoom = (tenantId: string, stationId: string): string =>
  `${RoomType.KitchenStation}:${tenantId}:${stationId}`;

/** The name of the room of everyone on a delivery route. */
export const deliveryRouteRoom = (tenantId: string, routeId: string): string =>
  `${RoomType.DeliveryRoute}:${tenantId}:${routeId}`;

/** The name of the room of every connection of a user. */
export const userRoom = (tenantId: string, userId: string): string => `${RoomType.User}:${tenantId}:${userId}`;
