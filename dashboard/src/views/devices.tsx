import { useState } from 'react';
import { type DeviceRow, readDevices } from '../devices';
import { Action } from '../parts/action';
import { Pager, usePages } from '../parts/pager';
import { Panel } from '../parts/panel';
import { Empty, Shown } from '../parts/state';
import { Table } from '../parts/table';
import { useReader } from '../polled';
import { useSession } from '../session_context';
import { ago, application, duration, moment, number, plural } from '../words';

const EVERY_MS = 3_000;
const STATES = { online: 'online', gone: 'just gone', away: 'away' } as const;

export function Devices() {
  const pages = usePages();
  const [text, setText] = useState('');
  const devices = useReader<DeviceRow[]>(`devices ${pages.cursor ?? ''}`, (hub, signal) => readDevices(hub, pages.cursor, signal), EVERY_MS);
  const wanted = text.trim().toLowerCase();
  const fits = (row: DeviceRow) => [row.user, row.device ?? '', row.application, application(row.application)].some((it) => it.toLowerCase().includes(wanted));
  return (
    <Panel title="Devices" aside={devices.answer && plural(devices.answer.data.length, 'device on this page', 'devices on this page')}>
      <div className="pad filters">
        <input type="search" aria-label="Filter this page by user, device or application" placeholder="User, device or application" value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      <Shown of={devices}>{(rows) => {
        const shown = rows.filter(fits);
        if (rows.length === 0) return <Empty title="No device has joined yet">Who connects with a token of this restaurant appears here, and stays while the hub keeps a place for it.</Empty>;
        if (shown.length === 0) return <Empty title="No device on this page fits">Change the filter, or turn the page.</Empty>;
        return (
          <Table name="Devices" columns={['Device', 'Application', 'State', { title: 'Behind', isRight: true }, 'Last confirmed', '']}>
            {shown.map((row) => <Row key={row.subscriber} row={row} changed={devices.again} />)}
          </Table>
        );
      }}</Shown>
      <Pager pages={pages} next={devices.answer?.nextCursor} what="devices" />
    </Panel>
  );
}

function Row({ row, changed }: { row: DeviceRow; changed: () => void }) {
  const { hub } = useSession();
  const name = row.device ?? row.user;
  const disconnect = async () => {
    const path = row.device ? `/api/v1/devices/${encodeURIComponent(row.device)}/connections` : `/api/v1/users/${encodeURIComponent(row.user)}/connections`;
    const { data } = await hub.delete<{ disconnected: number }>(path);
    return `${plural(data.disconnected, 'connection was', 'connections were')} ended.`;
  };
  return (
    <tr>
      <th scope="row"><span className="clip name" title={row.subscriber}>{name}</span>{row.device && <small> {row.user}</small>}</th>
      <td>{application(row.application)}</td>
      <td>
        <span className="chip" data-state={row.state === 'online' ? 'online' : row.state === 'gone' ? 'waiting' : ''}>{STATES[row.state]}</span>
        {row.since && <small title={moment(row.since)}> for {duration(Date.now() - new Date(row.since).getTime())}</small>}
        {row.connections > 1 && <small> {row.connections} sockets</small>}
      </td>
      <td className="right">{row.queue ? number(row.queue.entriesBehind) : '–'}</td>
      <td>{row.queue ? <span title={moment(row.queue.updatedAt)}>{ago(row.queue.updatedAt)}</span> : <span className="soft">nothing yet</span>}</td>
      <td className="actions">
        {row.connections > 0 && (
          <Action name="Disconnect" of={name} isDanger act={disconnect} done={changed}>
            Its connections are ended on every node, and its client does not come back by itself: somebody must open the application again.
            {row.device === null && ' It named no device, so all connections of this user go.'}
          </Action>
        )}
      </td>
    </tr>
  );
}
