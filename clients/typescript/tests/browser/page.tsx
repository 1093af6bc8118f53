// What a page does: it notes each event's effect where a reload does not reach, and shows an order with React.

import { type FoodTrackClient, createClient } from '@foodtrack/websocket-client';
import { FoodTrackProvider, useConnection, useEvent, useOrder } from '@foodtrack/websocket-client/react';
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';

interface TabApi {
  client: FoodTrackClient;
  effects(): string[];
  deviceEffects(): Record<string, number>;
  /** Shows an order, with React. */
  show(orderId: string): void;
}

declare global {
  interface Window {
    tab: TabApi;
  }
}

const query = new URLSearchParams(location.search);
const application = query.get('application') === 'tenant_dashboard' ? 'tenant_dashboard' : 'kitchen_app';
const client = createClient({
  url: query.get('hub') ?? '',
  application,
  token: async () => (await fetch(application === 'kitchen_app' ? '/token' : '/token?dashboard')).text(),
  limits: { retryMs: 100, retryMsMax: 1_000, answerMs: 3_000 },
});

const read = (): string[] => JSON.parse(sessionStorage.getItem('effects') ?? '[]');

if (!query.has('react')) {
  client.on('order:updated', ({ id }) => sessionStorage.setItem('effects', JSON.stringify([...read(), id])));
  client.on('order:updated', ({ id }) => {
    const key = `effect:${id}`;
    localStorage.setItem(key, String(Number(localStorage.getItem(key) ?? 0) + 1));
  }, { onceForDevice: 'ring' });
}
client.connect();

function Order({ orderId }: { orderId: string }) {
  const connection = useConnection();
  const order = useOrder(orderId);
  const [notes, setNotes] = useState<string[]>([]);
  useEvent('order:status_changed', ({ payload }) => setNotes((last) => [...last, payload.status]));
  return (
    <p id="order" data-connection={connection.status} data-status={order.status} data-events={order.events.length}>
      {notes.join(' ')}
    </p>
  );
}

window.tab = {
  client,
  effects: read,
  deviceEffects: () => Object.fromEntries(Object.entries(localStorage)
    .filter(([key]) => key.startsWith('effect:'))
    .map(([key, count]) => [key.slice('effect:'.length), Number(count)])),
  show: (orderId) => createRoot(document.getElementById('root') as HTMLElement).render(
    <StrictMode>
      <FoodTrackProvider client={client}><Order orderId={orderId} /></FoodTrackProvider>
    </StrictMode>,
  ),
};
