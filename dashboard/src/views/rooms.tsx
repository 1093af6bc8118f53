import { Pager, usePages } from '../parts/pager';
import { Panel } from '../parts/panel';
import { Empty, Shown } from '../parts/state';
import { Table } from '../parts/table';
import { usePolled } from '../polled';
import type { Room } from '../shapes';
import { ago, moment, number } from '../words';

export function Rooms() {
  const pages = usePages();
  const rooms = usePolled<Room[]>('/api/v1/rooms', { limit: 100, cursor: pages.cursor }, 5_000);
  return (
    <Panel title="Rooms">
      <Shown of={rooms}>{(rows) => (rows.length === 0 ? <Empty title="No rooms now">A room is there while somebody is in it, or while something was said of it.</Empty> : (
        <Table name="Rooms" columns={['Room', 'Type', { title: 'Members', isRight: true }, 'Made', 'About']}>
          {rows.map((room) => (
            <tr key={room.name}>
              <th scope="row" className="mono"><span className="clip name wide" title={room.name}>{room.name}</span></th>
              <td>{room.type.replaceAll('_', ' ')}</td>
              <td className="right">{number(room.members)}{room.metadata.maxMembers !== null && <small> of {number(room.metadata.maxMembers)}</small>}</td>
              <td title={moment(room.createdAt)}>{ago(room.createdAt)}</td>
              <td className="soft">{[room.metadata.isPrivate ? 'private' : '', room.metadata.description ?? '', ...room.metadata.tags].filter(Boolean).join(' · ') || '–'}</td>
            </tr>
          ))}
        </Table>
      ))}</Shown>
      <Pager pages={pages} next={rooms.answer?.nextCursor} what="rooms" />
    </Panel>
  );
}
