// The clients others wrote, as their users would call them.

import { io as io48 } from "socket.io-client";
import { io as io46 } from "socket.io-client-4-6";
import * as msgpack from "socket.io-msgpack-parser";
import { subjectToken } from "./token.mjs";
import { next } from "./wait.mjs";

export const VERSIONS = [
  ["4.8", io48],
  ["4.6", io46],
];
export const WAYS = [
  ["websocket", ["websocket"]],
  ["polling", ["polling"]],
  ["polling, then upgrade", ["polling", "websocket"]],
];

/** Every client version on every way to connect: `[name, io, transports]`. */
export const EVERY_CLIENT = VERSIONS.flatMap(([version, io]) =>
  WAYS.map(([way, transports]) => [`${version} over ${way}`, io, transports]),
);

const parser = msgpack.default ?? msgpack;
/** The same, and those of them that speak msgpack: `[name, options]`. A hub understands both at once. */
export const EVERY_DIALECT = [
  ...EVERY_CLIENT.map(([client, io, transports]) => [client, { io, transports }]),
  ["4.8 over websocket, msgpack", { transports: ["websocket"], parser }],
  ["4.6 over polling, msgpack", { io: io46, transports: ["polling"], parser }],
];

const open = new Set();

/** A client that was told to connect; closed by [`closeAll`]. Never shares a manager. */
export function dial(server, { io = io48, transports = ["websocket"], namespace = "/", ...options } = {}) {
  const socket = io(`${server.url}${namespace}`, {
    transports,
    forceNew: true,
    reconnection: false,
    auth: { token: subjectToken() },
    ...options,
  });
  open.add(socket);
  return socket;
}

/** The same, past its `connect` event. */
export async function connect(server, options) {
  const socket = dial(server, options);
  const connected = next(socket, "connect");
  const refused = new Promise((_, reject) => socket.once("connect_error", reject));
  await Promise.race([connected, refused]);
  socket.off("connect_error");
  return socket;
}

export function closeAll() {
  for (const socket of open) socket.disconnect();
  open.clear();
}

/** Waits for the upgrade, where the client is going to have one. */
export async function upgraded(socket) {
  const { engine } = socket.io;
  if (engine.transport.name !== "websocket") await next(engine, "upgrade");
}
