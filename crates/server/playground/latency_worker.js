// A worker that measures how long events take from the hub to this browser. It paints nothing, so nothing holds it up.
//
// The address names whose events: `?tenant=…&application=…&user=…`. Every event posts `{ id, latencyMs }` to the page.
/* global io */

import './vendor/socket.io.min.js';
import { freshToken } from './token.js';

/** Questions that compare the clocks: so many at each connection, then one in this many milliseconds. */
const CLOCK_QUESTIONS = 5;
const CLOCK_INTERVAL_MS = 5_000;
/** The hub's timestamps are whole milliseconds, cut off: on average half of one is missing. */
const CUT_OFF_MS = 0.5;

const who = new URLSearchParams(self.location.search);
const nowMs = () => performance.timeOrigin + performance.now();
const hubMs = (timestamp) => Date.parse(timestamp) + CUT_OFF_MS;

// By how much the hub's clock is ahead of this browser's, in milliseconds, and how long the question took that told it.
let ahead = { ms: 0, roundTripMs: Infinity };

const socket = io({
  transports: ['websocket', 'polling'],
  forceNew: true,
  reconnectionDelay: 500,
  reconnectionDelayMax: 4_000,
  auth: (answer) => {
    const application = who.get('application');
    freshToken(who.get('tenant'), application, who.get('user')).then(
      (token) => answer({ token, application }),
      () => answer({}),
    );
  },
});

/** Asks the hub for its time. The quickest answer since the connection began is believed. */
function compareClocks() {
  const askedMs = nowMs();
  socket.once('pong', ({ timestamp }) => {
    const answeredMs = nowMs();
    const roundTripMs = answeredMs - askedMs;
    if (roundTripMs <= ahead.roundTripMs) ahead = { ms: hubMs(timestamp) - (askedMs + answeredMs) / 2, roundTripMs };
  });
  socket.emit('ping');
}

socket.on('connect', async () => {
  ahead = { ms: 0, roundTripMs: Infinity };
  for (let asked = 0; asked < CLOCK_QUESTIONS && socket.connected; asked += 1) {
    compareClocks();
    await new Promise((resolve) => socket.once('pong', resolve));
  }
});
setInterval(() => socket.connected && compareClocks(), CLOCK_INTERVAL_MS);

socket.onAny((name, message) => {
  // What came while the clocks were not compared yet, or was replayed after an outage, says nothing about the way.
  if (typeof message?.id !== 'string' || ahead.roundTripMs === Infinity) return;
  const latencyMs = nowMs() + ahead.ms - hubMs(message.timestamp);
  self.postMessage({ id: message.id, latencyMs: Math.max(0, latencyMs) });
});
