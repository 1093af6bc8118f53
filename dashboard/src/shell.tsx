import { useEffect, useRef, useState } from 'react';
import { Empty } from './parts/state';
import { address, usePlace } from './place';
import { usePolled } from './polled';
import { useSession } from './session_context';
import type { Health } from './shapes';
import { ThemeSwitch } from './theme_switch';
import { VIEWS } from './views';
import { duration } from './words';

/** Warned of this long before the token ends. */
const TOKEN_WARNING_MS = 10 * 60_000;

export function Shell() {
  const { claims, tenant, end } = useSession();
  const place = usePlace();
  const views = VIEWS.filter((one) => one.isFor !== 'operator' || claims.tenant === null);
  const view = views.find((one) => one.id === place.view) ?? views[0]!;
  const main = useRef<HTMLElement>(null);
  const shown = useRef(view.id);
  const health = usePolled<Health>('/health', {}, 2_000);

  useEffect(() => {
    document.title = [view.title, tenant, 'FoodTrack hub'].filter(Boolean).join(' · ');
    // Who reads by ear is told of the new view; not of the first one, which the browser reads by itself.
    if (shown.current !== view.id) main.current?.focus();
    shown.current = view.id;
  }, [view, tenant]);

  const { Content } = view;
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to the content</a>
      <header className="top">
        <span className="brand"><img src="/dashboard/icon.svg" alt="" width="22" height="22" /> <b>FoodTrack hub</b></span>
        <span className="who">{tenant !== null && <b className="clip" title={tenant}>{tenant}</b>} <span className="soft clip">{claims.user} · {claims.role}</span></span>
        <TokenEnd endsAt={claims.endsAt} />
        <HealthChip health={health.answer?.data ?? null} failure={health.failure} />
        <ThemeSwitch />
        <button className="quiet" onClick={() => end(null)}>Log out</button>
      </header>
      <nav className="rail" aria-label="Views">
        <ul>
          {views.map((one) => (
            <li key={one.id}><a href={address(one.id)} aria-current={one.id === view.id ? 'page' : undefined}>{one.title}</a></li>
          ))}
        </ul>
      </nav>
      <main ref={main} id="main" tabIndex={-1} aria-labelledby="view-title">
        <h1 id="view-title">{view.title}</h1>
        {view.isFor === 'tenant' && tenant === null
          ? <Empty title="Whose?">This is about one tenant. <a href={address('tenants')}>Choose one</a> first.</Empty>
          : <Content key={`${view.id} ${tenant}`} about={place.about} />}
      </main>
    </div>
  );
}

function HealthChip({ health, failure }: { health: Health | null; failure: Error | null }) {
  const state = failure ? 'away' : health?.status ?? 'asking';
  const words = { away: 'no answer', asking: 'asking…', healthy: 'healthy', degraded: 'degraded', unhealthy: 'unhealthy' }[state];
  return <span role="status"><a className="chip" data-state={state} href={address('overview')} aria-label={`The hub: ${words}`}>{words}</a></span>;
}

/** Says that the token is about to end, and ends the session when it does. */
function TokenEnd({ endsAt }: { endsAt: number | null }) {
  const { end } = useSession();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 5_000);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (endsAt !== null && now >= endsAt) end('Your token has ended.');
  }, [endsAt, now, end]);
  if (endsAt === null || endsAt - now > TOKEN_WARNING_MS) return null;
  return <span className="chip" data-state="degraded" role="status">token ends in {duration(endsAt - now)}</span>;
}
