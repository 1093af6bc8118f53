// Socket.IO 5 spoken by hand over one Engine.IO WebSocket.

import { openWebSocket } from "./engine.mjs";

/** An Engine.IO session on `/socket.io/` that answers pings by itself. */
export async function openEngine(server) {
  const socket = await openWebSocket(server, "/socket.io/");
  return socket.answerPings();
}

/** Joined to `namespace`, past the CONNECT answer and the `auth` event. */
export async function openJoined(server, namespace = "/") {
  const socket = await openEngine(server);
  socket.send(namespace === "/" ? "40" : `40${namespace},`);
  await socket.next("CONNECT answer");
  await socket.next("auth event");
  return socket;
}

/** Proves that the connection is still served. */
export async function stillEchoes(socket) {
  socket.send('42["message","alive?"]');
  return socket.inbox.find((packet) => packet === '42["message-back","alive?"]', "echo");
}
