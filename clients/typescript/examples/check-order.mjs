// Says what is wrong with an order before it is sent.
import { messageSchema } from '@foodtrack/websocket-contract/schemas';

const order = { type: 'order:created', payload: { orderId: '', items: [{ dish: 'Margherita' }, 'Diavola'] } };
const checked = messageSchema('order:created').safeParse(order);
for (const { path, message } of checked.error?.issues ?? []) console.log(`${path.join('.')}: ${message}`);
