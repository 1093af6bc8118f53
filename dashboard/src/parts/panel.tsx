import { type ReactNode, useId } from 'react';

/** A part of a view under its own name. */
export function Panel({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section className="panel" aria-labelledby={id}>
      <header><h2 id={id}>{title}</h2>{aside && <span className="aside">{aside}</span>}</header>
      {children}
    </section>
  );
}
