// What a customer sees of an order, with React.
import { createClient } from '@foodtrack/websocket-client';
import { FoodTrackProvider, useConnection, useEvent, useOrder } from '@foodtrack/websocket-client/react';
import { createRoot } from 'react-dom/client';

const client = createClient({
  url: 'https://hub.example.com',
  application: 'client_app',
  token: async () => (await fetch('/api/hub-token')).text(),
});
client.connect();

function OrderScreen({ orderId }: { orderId: string }) {
  const connection = useConnection();
  const order = useOrder(orderId);
  useEvent('delivery:delayed', ({ payload }) => alert(payload.reason ?? 'The courier is late.'));
  return (
    <section>
      {connection.status !== 'live' && <p>What you see may be old.</p>}
      <p>{order.status ?? 'placed'}</p>
      {order.location && <p>The courier is at {order.location.latitude}, {order.location.longitude}.</p>}
    </section>
  );
}

createRoot(document.body).render(
  <FoodTrackProvider client={client}><OrderScreen orderId="42" /></FoodTrackProvider>,
);
