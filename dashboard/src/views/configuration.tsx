import { useState } from 'react';
import { Panel } from '../parts/panel';
import { Empty, Shown } from '../parts/state';
import { Table } from '../parts/table';
import { usePolled } from '../polled';
import type { ConfigurationKey } from '../shapes';
import { plural } from '../words';

export function Configuration() {
  const [text, setText] = useState('');
  const [isOwn, setIsOwn] = useState(false);
  const keys = usePolled<ConfigurationKey[]>('/api/v1/configuration', {}, 60_000);
  const wanted = text.trim().toLowerCase();
  const fits = (it: ConfigurationKey) => (!isOwn || it.place !== 'default') && `${it.key} ${it.about} ${it.place}`.toLowerCase().includes(wanted);
  return (
    <Panel title="In force" aside={keys.answer && plural(keys.answer.data.length, 'key')}>
      <div className="pad filters">
        <input type="search" aria-label="Find a key" placeholder="Key, or what it is about" value={text} onChange={(event) => setText(event.target.value)} />
        <label className="check"><input type="checkbox" checked={isOwn} onChange={(event) => setIsOwn(event.target.checked)} /> Only what somebody said</label>
      </div>
      <Shown of={keys}>{(all) => {
        const shown = all.filter(fits);
        if (shown.length === 0) return <Empty title="No key fits">Change what is looked for.</Empty>;
        return (
          <Table name="Configuration" columns={['Key', 'Value', 'Said by']}>
            {shown.map((it) => (
              <tr key={it.key}>
                <th scope="row"><span className="mono">{it.key}</span><small className="about">{it.about}</small></th>
                <td className="mono value">{shownValue(it.value)}</td>
                <td className={it.place === 'default' ? 'soft' : ''}>{it.place}</td>
              </tr>
            ))}
          </Table>
        );
      }}</Shown>
    </Panel>
  );
}

function shownValue(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value.length === 0 ? 'none' : value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value, null, 1) : String(value);
}
