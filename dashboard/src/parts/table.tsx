import type { ReactNode } from 'react';

interface Props {
  /** What the table lists, for who reads by ear. */
  name: string;
  columns: readonly (string | { title: string; isRight?: boolean })[];
  children: ReactNode;
}

/** A table that scrolls sideways by itself where the window is narrow. */
export function Table({ name, columns, children }: Props) {
  const heads = columns.map((one) => (typeof one === 'string' ? { title: one } : one));
  return (
    <div className="scroll" tabIndex={0} role="group" aria-label={name}>
      <table>
        <thead>
          <tr>{heads.map((one) => (one.title === '' ? <td key="actions" /> : <th key={one.title} scope="col" className={'isRight' in one && one.isRight ? 'right' : ''}>{one.title}</th>))}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
