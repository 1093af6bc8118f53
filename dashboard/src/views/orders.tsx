import { type FormEvent, useEffect, useState } from 'react';
import { Panel } from '../parts/panel';
import { Empty, Shown } from '../parts/state';
import { address } from '../place';
import { usePolled } from '../polled';
import type { DeviceTurn, Entry, EventTimeline } from '../shapes';
import { type Line, timeline } from '../timeline';
import { clock, duration, moment } from '../words';
import type { ViewProps } from '.';

export function Orders({ about }: ViewProps) {
  const [text, setText] = useState(about);
  useEffect(() => setText(about), [about]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    location.hash = address('orders', text.trim());
  };
  return (
    <>
      <form className="filters" onSubmit={submit} role="search">
        <input type="search" aria-label="Order" placeholder="Order, such as 42" value={text} onChange={(event) => setText(event.target.value)} />
        <button className="primary">Tell its story</button>
      </form>
      {about === '' ? <Recent /> : <Story key={about} order={about} />}
    </>
  );
}

/** The orders of the newest events. */
function Recent() {
  const newest = usePolled<Entry[]>('/api/v1/log', { last: 200 }, 5_000);
  return (
    <Panel title="Orders of the newest events">
      <Shown of={newest}>{(entries) => {
        const last = new Map<string, Entry>();
        for (const entry of entries) if (entry.orderId !== null) last.set(entry.orderId, entry);
        const orders = [...last.values()].toSorted((one, other) => other.atMs - one.atMs).slice(0, 50);
        if (orders.length === 0) return <Empty title="No order yet">The newest events are about none. Name an order above: the hub knows what its log still has.</Empty>;
        return (
          <ul className="recent">
            {orders.map((entry) => (
              <li key={entry.orderId}>
                <a href={address('orders', entry.orderId ?? '')}><b className="clip">Order {entry.orderId}</b></a>
                <span className="mono soft clip">{entry.event}</span>
                <time className="soft" dateTime={entry.at} title={moment(entry.at)}>{clock(entry.atMs)}</time>
              </li>
            ))}
          </ul>
        );
      }}</Shown>
    </Panel>
  );
}

function Story({ order }: { order: string }) {
  const turns = usePolled<DeviceTurn[]>('/api/v1/device-journal', {}, 3_000);
  const events = usePolled<EventTimeline[]>(`/api/v1/orders/${encodeURIComponent(order)}/timeline`, {}, 3_000);
  return (
    <Panel title={`Order ${order}`} aside={<a href={address('orders')}>All orders</a>}>
      <Shown of={events}>{(found) => {
        const lines = timeline(found, turns.answer?.data);
        if (lines.length === 0) return <Empty title={`The log has nothing about order ${order}`}>Look at how it is written, or whether retention has taken its events: log.ageHoursMax says how long they stay.</Empty>;
        return <ol className="story" aria-label={`What happened to order ${order}`}>{lines.map((line, place) => <Told key={line.key} line={line} before={lines[place - 1]} />)}</ol>;
      }}</Shown>
    </Panel>
  );
}

/** From so long on it is said how long nothing happened. */
const PAUSE_MS = 60_000;

function Told({ line, before }: { line: Line; before: Line | undefined }) {
  const pauseMs = before ? line.atMs - before.atMs : 0;
  return (
    <li data-kind={line.kind}>
      <time dateTime={new Date(line.atMs).toISOString()} title={moment(line.atMs)}>{clock(line.atMs)}</time>
      <div>
        <p><b>{line.text}</b>{pauseMs >= PAUSE_MS && <small> {duration(pauseMs)} later</small>}</p>
        {line.more.map((more) => <p key={more} className="soft">{more}</p>)}
        {line.event && (
          <details>
            <summary className="soft">{line.event.entry.event}, offset {line.event.entry.offset}</summary>
            <pre tabIndex={0} aria-label={`Message of ${line.event.entry.event}`}>{JSON.stringify(line.event.entry.message, null, 2)}</pre>
          </details>
        )}
      </div>
    </li>
  );
}
