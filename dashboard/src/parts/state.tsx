import type { ReactNode } from 'react';
import { Refused } from '../hub';
import type { Polled } from '../polled';

/** Nothing is there, and that is how it comes. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return <div className="empty"><p><b>{title}</b></p>{children && <p className="soft">{children}</p>}</div>;
}

/** It did not work: what happened, and what to do. */
export function Failure({ failure, again }: { failure: Error; again?: (() => void) | undefined }) {
  const advice = failure instanceof Refused && failure.retryAfterMs ? ' It is asked again by itself.' : '';
  return (
    <div className="wrong" role="alert">
      <p>{failure.message}{advice}</p>
      {again && <button onClick={again}>Ask again</button>}
    </div>
  );
}

/** What was asked for: that, or that it is asked for, or why it is not there. Beside an older answer a failure is a line. */
export function Shown<T>({ of, children }: { of: Polled<T>; children: (data: T) => ReactNode }) {
  if (!of.answer) return of.failure ? <Failure failure={of.failure} again={of.again} /> : <p className="soft" role="status">Asking the hub…</p>;
  const missing = of.answer.missingNodes ?? [];
  return (
    <>
      {of.failure && <Failure failure={of.failure} again={of.again} />}
      {missing.length > 0 && <p className="notice" role="status">No answer from {missing.join(', ')}: what is there is not shown.</p>}
      {children(of.answer.data)}
    </>
  );
}
