// A kitchen's screen without a screen: it prints what comes, and starts every order. `HUB_URL=... TOKEN=... node kitchen.mjs`
import { createClient } from '@foodtrack/websocket-client';

const client = createClient({
  url: process.env.HUB_URL ?? 'http://127.0.0.1:4001',
  application: 'kitchen_app',
  // A page asks its back end: the client calls this whenever it needs a token.
  token: () => process.env.TOKEN ?? '',
});

client.onState((state) => console.log('state:', state.status));
client.onGap(() => console.log('something is gone: load the present orders anew'));
client.on('order:created', async ({ payload }) => {
  console.log('order:', payload.orderId);
  const { id } = await client.publish('kitchen:preparation_started', { orderId: payload.orderId });
  console.log('started:', payload.orderId, id);
});
client.connect();

process.on('SIGTERM', async () => {
  await client.close();
  process.exit(0);
});
