import { useRef, useState } from 'react';
import { Empty, Shown } from '../parts/state';
import { Panel } from '../parts/panel';
import { address } from '../place';
import { useReader } from '../polled';
import type { Entry } from '../shapes';
import { type Filter, ROWS_MAX, Tail, fits } from '../tail';
import { application, clock, list, moment, number, plural } from '../words';

const EVERY_MS = 1_000;
const APPLICATIONS = ['client_app', 'tenant_dashboard', 'kitchen_app', 'delivery_app'];

export function Live() {
  const tail = useRef(new Tail());
  const [isHeld, setIsHeld] = useState(false);
  const [filter, setFilter] = useState<Filter>({ event: '', application: '', text: '' });
  const news = useReader<number>(isHeld ? null : 'tail', (hub, signal) => tail.current.read(hub, signal), EVERY_MS);
  const change = (part: Partial<Filter>) => setFilter((before) => ({ ...before, ...part }));
  const { rows, dropped } = tail.current;
  const shown = rows.filter((entry) => fits(entry, filter));
  return (
    <Panel title="Events as they are accepted" aside={<button type="button" aria-pressed={isHeld} onClick={() => setIsHeld(!isHeld)}>{isHeld ? 'Go on' : 'Hold'}</button>}>
      <div className="pad filters">
        <input type="search" aria-label="Event begins with" placeholder="Event, such as order:" value={filter.event} onChange={(event) => change({ event: event.target.value })} />
        <select aria-label="For which application" value={filter.application} onChange={(event) => change({ application: event.target.value })}>
          <option value="">For everyone</option>
          {APPLICATIONS.map((type) => <option key={type} value={type}>For {application(type).toLowerCase()}</option>)}
        </select>
        <input type="search" aria-label="Contains" placeholder="Order or text within" value={filter.text} onChange={(event) => change({ text: event.target.value })} />
        <span className="soft">{number(shown.length)} of {plural(rows.length, 'event')}{dropped > 0 && `; the newest ${ROWS_MAX} are kept here`}</span>
      </div>
      {isHeld ? <Rows rows={shown} all={rows.length} /> : <Shown of={news}>{() => <Rows rows={shown} all={rows.length} />}</Shown>}
    </Panel>
  );
}

function Rows({ rows, all }: { rows: Entry[]; all: number }) {
  if (all === 0) return <Empty title="Nothing yet">Events that the hub keeps appear here within a second. Volatile ones, such as couriers’ positions, are in no log.</Empty>;
  if (rows.length === 0) return <Empty title="Nothing here fits the filter">New events that fit appear by themselves.</Empty>;
  return <ol className="tail" aria-label="Events, newest first">{rows.map((entry) => <Row key={entry.cursor} entry={entry} />)}</ol>;
}

function Row({ entry }: { entry: Entry }) {
  const [isOpen, setIsOpen] = useState(false);
  const { applications, rooms } = entry.audience;
  const whom = [...applications.map((it) => application(it).toLowerCase()), ...(rooms.length > 0 ? [plural(rooms.length, 'room')] : [])];
  return (
    <li>
      <details onToggle={(event) => setIsOpen(event.currentTarget.open)}>
        <summary>
          <time dateTime={entry.at} title={moment(entry.at)}>{clock(entry.atMs)}</time>
          <b className="mono clip">{entry.event}</b>
          <span className="clip">{entry.orderId === null ? '' : `order ${entry.orderId}`}</span>
          <span className="soft clip">{whom.length > 0 ? `to ${list(whom)}` : 'for no client'}</span>
          {entry.priority !== 'medium' && <span className="chip" data-state={entry.priority === 'urgent' ? 'unhealthy' : ''}>{entry.priority}</span>}
        </summary>
        {isOpen && (
          <div className="inside">
            <p className="soft">Offset {entry.offset}{entry.durable ? ', on disk before anybody saw it' : ''}. {entry.orderId !== null && <a href={address('orders', entry.orderId)}>What became of this order</a>}</p>
            {rooms.length > 0 && <p className="soft mono">{rooms.join(', ')}</p>}
            <pre tabIndex={0} aria-label={`Message of ${entry.event}`}>{JSON.stringify(entry.message, null, 2)}</pre>
          </div>
        )}
      </details>
    </li>
  );
}
