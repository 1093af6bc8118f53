// Made by `cargo xtask codegen` from the hub's own types; do not edit.

/** An order is on its way. */
export interface DeliveryPayload {
  /** The order. */
  orderId: string;
  /** The delivery. */
  deliveryId?: string | null;
  /** The route it is on. */
  routeId?: string | null;
  /** Who placed the order. */
  customerId?: string | null;
  /** Why, where there is a why. */
  reason?: string | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** A delivery is given to a courier. */
export interface DeliveryAssignedPayload {
  /** The order. */
  orderId: string;
  /** The user it is given to. */
  assigneeId: string;
  /** The delivery. */
  deliveryId?: string | null;
  /** The route it is on. */
  routeId?: string | null;
  /** Who placed the order. */
  customerId?: string | null;
  /** Why, where there is a why. */
  reason?: string | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** Where a courier is. */
export interface DeliveryLocationUpdatedPayload {
  /** The order. */
  orderId: string;
  /** Degrees north. */
  latitude: number;
  /** Degrees east. */
  longitude: number;
  /** Where the courier is heading, in degrees. */
  heading?: number | null;
  /** How fast. */
  speed?: number | null;
  /** The delivery. */
  deliveryId?: string | null;
  /** The route it is on. */
  routeId?: string | null;
  /** Who placed the order. */
  customerId?: string | null;
  /** Why, where there is a why. */
  reason?: string | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** An ingredient runs out. */
export interface InventoryLowStockPayload {
  /** The ingredient. */
  ingredientId: string;
  /** What is left. */
  currentStock: number;
  /** What should be there. */
  minimumStock: number;
  /** Of what the numbers count. */
  unit?: string | null;
  /** How bad it is. */
  severity?: string | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** An ingredient was used. */
export interface InventoryUsageUpdatePayload {
  /** The ingredient. */
  ingredientId: string;
  /** How much of it. */
  quantity: number;
  /** The order it was used for. */
  orderId?: string | null;
  /** What is left. */
  remainingStock?: number | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** The kitchen works on an order. */
export interface KitchenPayload {
  /** The order. */
  orderId: string;
  /** The station that works on it. */
  stationId?: string | null;
  /** The same, by its other name; `stationId` goes first. */
  assignedStation?: string | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** A word to the kitchen. */
export interface KitchenNotificationPayload {
  /** The word. */
  message: string;
  /** The order it is about. */
  orderId?: string | null;
  /** The station it is for. */
  stationId?: string | null;
  /** The same, by its other name; `stationId` goes first. */
  assignedStation?: string | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** An order is given to a station. */
export interface KitchenStationAssignmentPayload {
  /** The order. */
  orderId: string;
  /** The station. */
  stationId: string;
  /** The same, by its other name; `stationId` goes first. */
  assignedStation?: string | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** A word to people. */
export interface NotificationPayload {
  /** The word. */
  message: string;
  /** Its title. */
  title?: string | null;
  /** How loud to show it. */
  level?: string | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** An order is created, updated or cancelled. */
export interface OrderPayload {
  /** The order. */
  orderId: string;
  /** Who placed it. */
  customerId?: string | null;
  /** What was ordered. */
  items?: Record<string, unknown>[] | null;
  /** What it costs. */
  totalAmount?: number | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** An order is given to somebody. */
export interface OrderAssignedPayload {
  /** The order. */
  orderId: string;
  /** The user it is given to. */
  assigneeId: string;
  /** Who placed it. */
  customerId?: string | null;
  /** What was ordered. */
  items?: Record<string, unknown>[] | null;
  /** What it costs. */
  totalAmount?: number | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** An order moves on. */
export interface OrderStatusChangedPayload {
  /** The order. */
  orderId: string;
  /** What it is now. */
  status: string;
  /** What it was. */
  previousStatus?: string | null;
  /** Who placed it. */
  customerId?: string | null;
  /** The kitchen station that moved it. */
  stationId?: string | null;
  /** A word to people. */
  notes?: string | null;
  /** What was ordered. */
  items?: Record<string, unknown>[] | null;
  /** What it costs. */
  totalAmount?: number | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** A product of the menu. */
export interface ProductPayload {
  /** The product. */
  productId: string;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** A product can be ordered, or no longer. */
export interface ProductAvailabilityChangedPayload {
  /** The product. */
  productId: string;
  /** Whether it can be ordered. */
  available: boolean;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** Something is wrong with a dish. */
export interface QualityIssueReportedPayload {
  /** The order. */
  orderId: string;
  /** What is wrong. */
  issue: string;
  /** How bad it is. */
  severity?: string | null;
  /** The station it was found at. */
  stationId?: string | null;
  /** Whether it must be made again. */
  requiresRemake?: boolean | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** A station asks for help. */
export interface StationHelpRequestedPayload {
  /** The station. */
  stationId: string;
  /** What kind of help. */
  helpType?: string | null;
  /** A word about it. */
  message?: string | null;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** A restaurant's figures of the day. More numbers pass. */
export interface TenantMetricsPayload {
  /** What was taken today. */
  totalRevenueToday: number;
  /** How many orders were completed today. */
  completedOrdersToday: number;
  /** How many orders are under way. */
  activeOrders: number;
  /** More fields pass through the hub unchanged. */
  [field: string]: unknown;
}

/** The payload of each event that clients may send. */
export interface EventPayloads {
  'order:created': OrderPayload;
  'order:updated': OrderPayload;
  'order:status_changed': OrderStatusChangedPayload;
  'order:assigned': OrderAssignedPayload;
  'order:cancelled': OrderPayload;
  'kitchen:order_received': KitchenPayload;
  'kitchen:preparation_started': KitchenPayload;
  'kitchen:preparation_completed': KitchenPayload;
  'kitchen:notification': KitchenNotificationPayload;
  'kitchen:station_assignment': KitchenStationAssignmentPayload;
  'delivery:assigned': DeliveryAssignedPayload;
  'delivery:picked_up': DeliveryPayload;
  'delivery:in_transit': DeliveryPayload;
  'delivery:completed': DeliveryPayload;
  'delivery:delayed': DeliveryPayload;
  'delivery:location_updated': DeliveryLocationUpdatedPayload;
  'inventory:low_stock': InventoryLowStockPayload;
  'inventory:usage_update': InventoryUsageUpdatePayload;
  'product:created': ProductPayload;
  'product:updated': ProductPayload;
  'product:deleted': ProductPayload;
  'product:availability_changed': ProductAvailabilityChangedPayload;
  'quality:issue_reported': QualityIssueReportedPayload;
  'station:help_requested': StationHelpRequestedPayload;
  'notification:alert': NotificationPayload;
  'notification:info': NotificationPayload;
  'notification:warning': NotificationPayload;
  'tenant:metrics': TenantMetricsPayload;
}
