// Unmodified socket.io-clients. Reads one line of JSON on stdin (ports, clients, tornEveryMs), says "ready" on stderr when all
// are connected, and prints what they notice as JSON lines on stdout until stdin ends. At the line "settle" it tears no more
// connections, and says "settled" when all are connected again and nothing has come for a while.

import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const { io } = createRequire(new URL('../../interop/package.json', import.meta.url))('socket.io-client');

const lines = createInterface({ input: process.stdin });
const plan = JSON.parse(await new Promise((resolve) => lines.once('line', resolve)));

const QUIET_MS = 500;

let settles = false;
let ended = false;
let lastMs = performance.now();
const chunks = [];
function note(what, fields) {
  if (ended) return;
  lastMs = performance.now();
  const now = performance.timeOrigin + performance.now();
  chunks.push(JSON.stringify({ at_us: Math.round(now * 1000), what, ...fields }));
  if (chunks.length >= 256) flush();
}
function flush() {
  if (chunks.length > 0) process.stdout.write(`${chunks.splice(0).join('\n')}\n`);
}

// A balancer that knows nothing of the nodes: each connection goes to the next one that takes it.
let next = 0;
function forward(near, tries) {
  if (tries === 0) return near.destroy();
  const far = connect(plan.ports[next++ % plan.ports.length], '127.0.0.1');
  far.once('connect', () => near.pipe(far).pipe(near));
  let isOpen = false;
  far.once('connect', () => (isOpen = true));
  far.on('error', () => (isOpen ? near.destroy() : forward(near, tries - 1)));
  far.on('close', () => isOpen && near.destroy());
  near.on('error', () => far.destroy());
  near.on('close', () => far.destroy());
}

async function balancer() {
  const server = createServer((near) => forward(near, plan.ports.length));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server.address().port;
}

const port = plan.ports.length > 1 ? await balancer() : plan.ports[0];

function open({ recipient, tenant, user, application, auth }) {
  note('recipient', { recipient, tenant, user, application, device: null });
  // Each with a connection of its own, as an application in a browser of its own has.
  const socket = io(`http://127.0.0.1:${port}`, { auth, transports: ['websocket', 'polling'], forceNew: true });
  // Where the hub gives no private id, since its log is away, the library leaves `recovered` undefined.
  socket.on('connect', () => {
    const [recovered, isUnknown] = [socket.recovered === true, socket._pid === undefined];
    note('opened', { recipient, recovered, brought: null, is_unknown: isUnknown });
  });
  socket.on('disconnect', (reason) => {
    note('torn', { recipient });
    if (reason === 'io server disconnect') note('ended', { recipient });
  });
  socket.on('connect_error', (error) => {
    if (error.data) note('turned_away', { recipient, code: String(error.data.code) });
  });
  socket.onAny((name, message, ...rest) => {
    const cursor = rest.at(-1);
    if (name === 'system:reconnection_required') note('gap_told', { recipient });
    note('received', {
      recipient,
      // One without an id of its publisher's is known by a name in its payload.
      id: name.startsWith('system:') ? undefined : (message?.payload?.name ?? message?.id),
      event_type: name,
      tenant: message?.tenantId,
      origin: message?.payload?.origin,
      cursor: typeof cursor === 'string' ? cursor : undefined,
    });
  });
  if (plan.tornEveryMs) tearAgain(socket);
  return socket;
}

function tearAgain(socket) {
  setTimeout(() => {
    if (settles) return;
    // Below the library: it finds its connection gone, and waits its own delay before it comes back.
    socket.io.engine?.transport?.ws?._socket?.resetAndDestroy();
    tearAgain(socket);
  }, plan.tornEveryMs * (0.5 + Math.random()));
}

const sockets = plan.clients.map(open);
await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
process.stderr.write('ready\n');

lines.on('line', () => {
  settles = true;
  const timer = setInterval(() => {
    if (sockets.some((socket) => !socket.connected) || performance.now() - lastMs < QUIET_MS) return;
    clearInterval(timer);
    process.stderr.write('settled\n');
  }, 50);
});

lines.on('close', () => {
  flush();
  ended = true;
  sockets.forEach((socket) => socket.disconnect());
  process.stdout.write('', () => process.exit(0));
});
