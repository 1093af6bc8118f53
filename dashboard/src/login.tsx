import { type FormEvent, useEffect, useRef, useState } from 'react';
import { Hub, Refused } from './hub';
import { type Claims, OPERATOR, pasted, readClaims } from './session';
import { moment } from './words';

interface Props {
  /** Why the session before has ended. */
  why: string | null;
  open: (token: string, claims: Claims) => void;
}

/** What to do about a token that opens nothing. */
function advice(failure: unknown, claims: Claims | null): string {
  if (!(failure instanceof Refused)) return failure instanceof Error ? failure.message : String(failure);
  if (failure.code === 'token_expired' && claims?.endsAt) return `This token ended at ${moment(claims.endsAt)}. Get a fresh one where you log in, and paste that.`;
  if (failure.status === 401 && !claims) return 'That is no token of a login, which has three parts with dots between them, nor this hub’s operator’s.';
  if (failure.status === 401) return `The hub does not take this token: ${failure.message}. Get one from the login of this hub's platform.`;
  if (failure.status === 403) return 'This token is good, but it may not see the dashboard: that takes admin:access (an owner’s), or a back end’s token.';
  return failure.message;
}

export function Login({ why, open }: Props) {
  const [text, setText] = useState('');
  const [said, setSaid] = useState<string | null>(null);
  const [isAsking, setIsAsking] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    document.title = 'Log in · FoodTrack hub';
    field.current?.focus();
  }, []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const token = pasted(text);
    const claims = readClaims(token);
    if (token === '') return setSaid('Paste a token first.');
    if (!/^[\x21-\x7e]+$/.test(token)) return setSaid('That is no token: one has no spaces, and only plain characters.');
    setIsAsking(true);
    try {
      await new Hub(token).get(claims ? '/api/v1/performance' : '/api/v1/tenants', claims ? {} : { limit: 1 });
      open(token, claims ?? OPERATOR);
    } catch (failure) {
      setSaid(advice(failure, claims));
    } finally {
      setIsAsking(false);
    }
  };

  return (
    <main className="login">
      <form onSubmit={submit}>
        <h1><img src="/dashboard/icon.svg" alt="" width="28" height="28" /> FoodTrack hub</h1>
        <p>Paste a token that may administer its restaurant, or the operator’s. It stays in this tab and goes to this hub alone.</p>
        {why && said === null && <p className="notice" role="status">{why} Paste a fresh token to go on.</p>}
        <label htmlFor="token">Token</label>
        <textarea id="token" ref={field} value={text} rows={5} spellCheck={false} autoComplete="off" autoCapitalize="off" aria-describedby="token-how" aria-invalid={said !== null}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => { if (event.key === 'Enter') { event.preventDefault(); event.currentTarget.form?.requestSubmit(); } }} />
        {said && <p className="wrong" role="alert">{said}</p>}
        <button className="primary" disabled={isAsking}>{isAsking ? 'Asking the hub…' : 'Open the dashboard'}</button>
        <p id="token-how" className="soft">None at hand? On the hub’s machine: <code>foodtrack-websocket token --tenant TENANT --user YOU --role restaurant_owner --application tenant_dashboard</code></p>
      </form>
    </main>
  );
}
