// An order's timeline in plain words: what happened, when, and who has it.

import type { Device, DeviceTurn, EventTimeline } from './shapes';
import { subscriber } from './subscriber';
import { application, device, duration, list, plural } from './words';

export interface Line {
  key: string;
  atMs: number;
  /** What it is about: what happened to the order, what the hub did, what went wrong, a device that came or went. */
  kind: 'event' | 'step' | 'trouble' | 'device';
  text: string;
  /** What else is known, a sentence each. */
  more: string[];
  /** The event behind it. */
  event?: EventTimeline;
}

interface Said {
  [field: string]: unknown;
}

const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

function payloadOf(message: unknown): Said {
  const payload = typeof message === 'object' && message !== null ? (message as Said).payload : null;
  return typeof payload === 'object' && payload !== null ? (payload as Said) : {};
}

const SOURCES: Record<string, string> = {
  client_app: 'the customer’s app',
  tenant_dashboard: 'the dashboard',
  kitchen_app: 'the kitchen',
  delivery_app: 'the courier’s app',
  system: 'the back end',
};

function sourceOf(message: unknown): string {
  const source = typeof message === 'object' && message !== null ? text((message as Said).source) : '';
  return SOURCES[source] ?? source;
}

/** What an event says happened. */
const PHRASES: Record<string, (said: Said) => string> = {
  'order:created': (it) => `The order was placed${text(it.customerId) && ` by ${text(it.customerId)}`}${text(it.totalAmount) && ` for ${text(it.totalAmount)}`}`,
  'order:updated': () => 'The order was changed',
  'order:status_changed': (it) => `The order is ${words(text(it.status)) || 'in another state'}${text(it.previousStatus) && `, before that ${words(text(it.previousStatus))}`}`,
  'order:assigned': (it) => `The order was given to ${text(it.assigneeId)}`,
  'order:cancelled': (it) => `The order was cancelled${text(it.reason) && `: ${text(it.reason)}`}`,
  'kitchen:order_received': (it) => `The kitchen has the order${station(it)}`,
  'kitchen:preparation_started': (it) => `Cooking began${station(it)}`,
  'kitchen:preparation_completed': (it) => `The kitchen is done${station(it)}`,
  'kitchen:notification': (it) => `The kitchen was told: ${text(it.message)}`,
  'kitchen:station_assignment': (it) => `It goes to station ${text(it.stationId)}`,
  'delivery:assigned': (it) => `${text(it.assigneeId)} delivers it`,
  'delivery:picked_up': () => 'The courier has picked it up',
  'delivery:in_transit': () => 'It is on its way',
  'delivery:completed': () => 'It was handed over',
  'delivery:delayed': (it) => `The delivery is late${text(it.reason) && `: ${text(it.reason)}`}`,
  'quality:issue_reported': (it) => `Something is wrong with it: ${text(it.issue)}`,
};

const words = (status: string): string => status.replaceAll('_', ' ');

function station(it: Said): string {
  const at = text(it.stationId) || text(it.assignedStation);
  return at && ` at station ${at}`;
}

/** How long after an order's last event what happened to devices is told. */
const AFTER_MS = 15 * 60_000;

/** All that is known of an order and of the devices that it is for, oldest first. */
export function timeline(events: readonly EventTimeline[], turns: readonly DeviceTurn[] = []): Line[] {
  const times = events.map((event) => event.entry.atMs);
  const [from, to] = [Math.min(...times), Math.max(...times) + AFTER_MS];
  const concerned = new Set(events.flatMap((event) => event.devices.map(nameOf)));
  const isBack = (gone: DeviceTurn) => turns.some((turn) => turn.what === 'came' && turn.subscriber === gone.subscriber && turn.atMs > gone.atMs && turn.atMs < from);
  // Of what was before, it matters who was away when the order came.
  const matters = (turn: DeviceTurn) => turn.atMs >= from || (turn.what === 'went' && turn.reason !== 'left' && !isBack(turn));
  const told = turns.filter((turn) => turn.atMs <= to && concerned.has(nameOf(turn)) && matters(turn));
  return [...events.flatMap(linesOf), ...turnsOf(told)].sort((one, other) => one.atMs - other.atMs);
}

const nameOf = (of: Pick<Device, 'userId' | 'applicationType' | 'deviceId'>): string => JSON.stringify([of.userId, of.applicationType, of.deviceId]);

/** Why a connection ended, as it goes on after the device's name. */
const ENDS: Record<string, string> = {
  left: 'left',
  disconnected: 'was disconnected by an administrator',
  resumed_elsewhere: 'came back on another line',
  device_replaced: 'was opened elsewhere, which ended this one',
  slow_reader: 'was too slow and was sent away; it recovers from the log',
  ping_timeout: 'fell silent',
  token_expired: 'was sent away: its token had ended',
  token_revoked: 'was sent away: its token was revoked',
};

/** A device that is back is brought what it missed within this time, or it is told apart. */
const CATCH_UP_MS = 10_000;

/** A line for each turn; one that came and what it was brought are one. */
function turnsOf(turns: readonly DeviceTurn[]): Line[] {
  const brought = new Map<DeviceTurn, DeviceTurn>();
  const last = new Map<string, DeviceTurn>();
  for (const turn of turns) {
    const before = last.get(turn.subscriber);
    if (turn.what === 'caught_up' && before?.what === 'came' && turn.atMs - before.atMs <= CATCH_UP_MS) brought.set(before, turn);
    last.set(turn.subscriber, turn);
  }
  const told = new Set(brought.values());
  return turns.filter((turn) => !told.has(turn)).map((turn, place): Line => ({
    key: `device ${turn.atMs} ${place}`,
    atMs: turn.atMs,
    kind: 'device',
    text: `${sentence(device(turn))} ${happened(turn, brought.get(turn))}.`,
    more: [],
  }));
}

function happened(turn: DeviceTurn, brought: DeviceTurn | undefined): string {
  switch (turn.what) {
    case 'went': return ENDS[turn.reason ?? ''] ?? 'lost its connection';
    case 'came': return `${turn.recovered || brought ? 'is back' : 'connected'}${brought ? `, ${replayed(brought)}` : ''}`;
    case 'caught_up': return `got ${replayed(turn)}`;
  }
}

function replayed({ events = 0, oldestAgeMs = 0 }: DeviceTurn): string {
  return `${plural(events, 'event')} replayed, ${events === 1 ? '' : 'the oldest '}${duration(oldestAgeMs)} old`;
}

function linesOf(event: EventTimeline): Line[] {
  const { entry, steps, deadLetters } = event;
  const said = PHRASES[entry.event]?.(payloadOf(entry.message)) ?? `${entry.event} was sent`;
  const source = sourceOf(entry.message);
  const first: Line = {
    key: `${entry.offset}`,
    atMs: entry.atMs,
    kind: 'event',
    text: `${said}${source && `, said by ${source}`}.`,
    more: [...whoHasIt(event), ...whoIsMeant(event)],
    event,
  };
  const done = steps.map((step, place): Line => ({ key: `${entry.offset} ${place}`, atMs: Date.parse(step.at), kind: 'step', text: `${sentence(step.what)} (${entry.event})`, more: [] }));
  const given = deadLetters.map((letter): Line => ({
    key: `${entry.offset} ${letter.subscriber}`,
    atMs: letter.atMs,
    kind: 'trouble',
    text: `${sentence(subscriber(letter.subscriber))} never got ${entry.event}: ${letter.reason === 'expired' ? 'its time was over' : `nobody acknowledged it, sent ${plural(letter.attempts, 'time')}`}.`,
    more: ['It is among the dead letters, and can be sent from there.'],
  }));
  return [first, ...done, ...given];
}

const sentence = (phrase: string): string => phrase.charAt(0).toUpperCase() + phrase.slice(1);

/** Names of devices that are few, or how many they are. */
function named(devices: readonly Device[]): string {
  return devices.length <= 4 ? list(devices.map(device)) : plural(devices.length, 'device');
}

function whoHasIt({ devices, moreDevices }: EventTimeline): string[] {
  const of = (state: Device['state'], isHere?: boolean) => devices.filter((it) => it.state === state && (isHere === undefined || it.isHere === isHere));
  const [confirmed, sent, behind, away] = [of('confirmed'), of('sent'), of('waiting', true), of('waiting', false)];
  const has = (some: readonly Device[]) => (some.length === 1 ? 'has' : 'have');
  const is = (some: readonly Device[]) => (some.length === 1 ? 'is' : 'are');
  return [
    confirmed.length > 0 ? `${sentence(named(confirmed))} ${has(confirmed)} it.` : '',
    sent.length > 0 ? `${sentence(named(sent))} ${sent.length === 1 ? 'was' : 'were'} sent it and ${has(sent)} not confirmed it yet.` : '',
    behind.length > 0 ? `${sentence(named(behind))} ${is(behind)} here and still catching up.` : '',
    away.length > 0 ? `${sentence(named(away))} ${is(away)} away and ${away.length === 1 ? 'gets' : 'get'} it on coming back.` : '',
    devices.length === 0 ? 'No device that it is for is known.' : '',
    moreDevices > 0 ? `${plural(moreDevices, 'more device')} of its audience are not listed.` : '',
  ].filter(Boolean);
}

function whoIsMeant({ entry }: EventTimeline): string[] {
  const { applications, rooms, only } = entry.audience;
  const left = applications.filter((it) => only.length === 0 || only.includes(it)).map((it) => application(it).toLowerCase());
  const meant = [...left, ...(rooms.length > 0 ? [`who is in ${list(rooms)}`] : [])];
  return meant.length > 0 ? [`It was for ${list(meant)}.`] : [];
}
