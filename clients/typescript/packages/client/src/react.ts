import {
  type ReactNode, createContext, createElement, useContext, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore,
} from 'react';

import type { EventOptions, FoodTrackClient } from './client.js';
import type { ConnectionState } from './connection-state.js';
import type { Handler } from './handlers.js';
import { type OrderView, foldOrder, isAboutOrders } from './order-view.js';

export type { OrderView } from './order-view.js';

const ClientContext = createContext<FoodTrackClient | undefined>(undefined);

/** Gives a client to the components below. Make it once, outside of components, and call its `connect()`. */
export function FoodTrackProvider(props: { client: FoodTrackClient; children?: ReactNode }): ReactNode {
  return createElement(ClientContext.Provider, { value: props.client }, props.children);
}

/** The client of the nearest `FoodTrackProvider`. */
export function useClient(): FoodTrackClient {
  const client = useContext(ClientContext);
  if (!client) throw new Error('there is no FoodTrackProvider above');
  return client;
}

/** Where the client is; renders when it changes. */
export function useConnection(): ConnectionState {
  const client = useClient();
  const state = () => client.state;
  return useSyncExternalStore((changed) => client.onState(changed), state, state);
}

/**
 * Calls `handler` with every event of `type`, each once; the last handler that was rendered. What came before the component was there
 * waits for it, within the client's limits.
 */
export function useEvent<T extends string>(type: T, handler: Handler<T>, options: EventOptions = {}): void {
  const client = useClient();
  const latest = useRef(handler);
  useLayoutEffect(() => {
    latest.current = handler;
  });
  const { onceForDevice, passive } = options;
  useEffect(
    () => client.on(type, (message) => latest.current(message), {
      ...(onceForDevice !== undefined && { onceForDevice }),
      ...(passive !== undefined && { passive }),
    }),
    [client, type, onceForDevice, passive],
  );
}

/** Follows an order: joins its room while the component is there, and answers what its events said so far. */
export function useOrder(orderId: string): OrderView {
  const client = useClient();
  const [view, setView] = useState<OrderView>({ orderId, events: [] });
  useEffect(() => {
    setView((last) => (last.orderId === orderId ? last : { orderId, events: [] }));
    const leave = client.join('order', orderId);
    // Passive: whoever handles the events gets them all the same.
    const detach = client.on('*', (message) => {
      if (isAboutOrders(message)) setView((last) => foldOrder(last, message));
    }, { passive: true });
    return () => {
      detach();
      leave();
    };
  }, [client, orderId]);
  return view.orderId === orderId ? view : { orderId, events: [] };
}
