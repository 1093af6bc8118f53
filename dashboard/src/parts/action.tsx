import { type ReactNode, useId, useRef, useState } from 'react';
import { Refused } from '../hub';
import { useSession } from '../session_context';

interface Props {
  /** What the button says. */
  name: string;
  /** Of what, for who reads by ear: `Drop`, `of kitchen tablet 2`. */
  of: string;
  /** What will happen, in a sentence. */
  children: ReactNode;
  isDanger?: boolean;
  /** Does it; answers with a sentence about what was done. */
  act: () => Promise<string>;
  done: () => void;
}

/** A button that asks once more, does it, and says what became of it. */
export function Action({ name, of, children, isDanger = false, act, done }: Props) {
  const { end } = useSession();
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  const [state, setState] = useState<{ is: 'asked' | 'doing' | 'done' | 'refused'; words: string }>({ is: 'asked', words: '' });

  const open = () => {
    setState({ is: 'asked', words: '' });
    dialog.current?.showModal();
  };
  const go = async () => {
    setState({ is: 'doing', words: '' });
    try {
      setState({ is: 'done', words: await act() });
    } catch (failure) {
      if (failure instanceof Refused && failure.endsSession) return end(failure.message);
      setState({ is: 'refused', words: failure instanceof Error ? failure.message : String(failure) });
    }
  };
  const close = () => {
    dialog.current?.close();
    if (state.is === 'done') done();
  };

  return (
    <>
      <button type="button" className={isDanger ? 'danger' : ''} aria-label={`${name} ${of}`} onClick={open}>{name}</button>
      <dialog ref={dialog} aria-labelledby={title} onCancel={() => { if (state.is === 'done') done(); }}>
        <h2 id={title}>{name} {of}</h2>
        {state.is === 'done' ? <p role="status">{state.words}</p> : <p>{children}</p>}
        {state.is === 'refused' && <p className="wrong" role="alert">{state.words}</p>}
        <div className="buttons">
          <button type="button" onClick={close}>{state.is === 'done' ? 'Close' : 'Leave it'}</button>
          {state.is !== 'done' && <button type="button" className={isDanger ? 'danger' : 'primary'} disabled={state.is === 'doing'} onClick={go}>{name}</button>}
        </div>
      </dialog>
    </>
  );
}
