import { useEffect, useState } from 'react';
import { Pager, usePages } from '../parts/pager';
import { Panel } from '../parts/panel';
import { Empty, Shown } from '../parts/state';
import { Table } from '../parts/table';
import { address } from '../place';
import { usePolled } from '../polled';
import { useSession } from '../session_context';
import type { TenantRow } from '../shapes';
import { application, bytes, list, number, plural } from '../words';

/** After the last letter is typed. */
const TYPING_MS = 250;

export function Tenants() {
  const [text, setText] = useState('');
  const [search, setSearch] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setSearch(text.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <Panel title="Tenants" aside="who has a log here">
      <div className="pad filters">
        <input type="search" aria-label="Find a tenant" placeholder="A part of its name" value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      <Found key={search} search={search} />
    </Panel>
  );
}

function Found({ search }: { search: string }) {
  const pages = usePages();
  const tenants = usePolled<TenantRow[]>('/api/v1/tenants', { search, cursor: pages.cursor }, 5_000);
  return (
    <>
      <Shown of={tenants}>{(rows) => (rows.length === 0 ? <Empty title={search === '' ? 'No tenant yet' : 'No tenant is called so'}>A tenant appears with its first client or its first event.</Empty> : (
        <Table name="Tenants" columns={['Tenant', { title: 'Connected', isRight: true }, 'Who', { title: 'Entries', isRight: true }, { title: 'Log', isRight: true }, { title: 'Dead letters', isRight: true }]}>
          {rows.map((row) => <Row key={row.tenant} row={row} />)}
        </Table>
      ))}</Shown>
      <Pager pages={pages} next={tenants.answer?.nextCursor} what="tenants" />
    </>
  );
}

function Row({ row }: { row: TenantRow }) {
  const { tenant, choose } = useSession();
  const pools = Object.entries(row.connections.byApplication).filter(([, count]) => count > 0);
  const look = () => {
    choose(row.tenant);
    location.hash = address('overview');
  };
  return (
    <tr aria-current={row.tenant === tenant ? 'true' : undefined}>
      <th scope="row"><button type="button" className="link clip name wide" title={row.tenant} onClick={look}>{row.tenant}</button></th>
      <td className="right">{number(row.connections.total)}</td>
      <td className="soft">{pools.length === 0 ? 'nobody' : list(pools.map(([type, count]) => `${number(count)} ${application(type).toLowerCase()}`))}</td>
      <td className="right">{number(row.entries)}</td>
      <td className="right">{bytes(row.bytes)}</td>
      <td className="right">{row.deadLetters > 0 ? <span className="chip" data-state="failed">{plural(row.deadLetters, 'letter')}</span> : '0'}</td>
    </tr>
  );
}
