import { type FormEvent, useState } from 'react';
import { Refused } from '../hub';
import { Panel } from '../parts/panel';
import { Empty } from '../parts/state';
import { type Question, readQuestion } from '../question';
import { useSession } from '../session_context';
import type { Explanation } from '../shapes';
import { application, list } from '../words';

const SOURCES = ['client_app', 'tenant_dashboard', 'kitchen_app', 'delivery_app', 'system'];
const EXAMPLE = '{ "type": "order:created", "payload": { "orderId": "42", "customerId": "ada" } }';

export function Explain() {
  const { hub, end } = useSession();
  const [text, setText] = useState('');
  const [source, setSource] = useState('');
  const [found, setFound] = useState<{ question: Question; explanation: Explanation } | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const question = readQuestion(text, source);
    if (typeof question === 'string') return setWrong(question);
    try {
      const { data } = await hub.post<Explanation>('/api/v1/explain', {}, question);
      setFound({ question, explanation: data });
      setWrong(null);
    } catch (failure) {
      if (failure instanceof Refused && failure.endsSession) return end(failure.message);
      setWrong(failure instanceof Error ? failure.message : String(failure));
    }
  };
  return (
    <>
      <Panel title="An event that might be sent">
        <form className="explain" onSubmit={submit}>
          <label htmlFor="event">Event</label>
          <textarea id="event" rows={6} spellCheck={false} placeholder={EXAMPLE} value={text} onChange={(event) => setText(event.target.value)} />
          <div className="filters">
            <label htmlFor="source">Sent by</label>
            <select id="source" value={source} onChange={(event) => setSource(event.target.value)}>
              <option value="">whom it names, else the back end</option>
              {SOURCES.map((one) => <option key={one} value={one}>{one}</option>)}
            </select>
            <button className="primary">Who gets it?</button>
          </div>
          {wrong && <p className="wrong" role="alert">{wrong}</p>}
        </form>
      </Panel>
      {found ? <Answered {...found} /> : <Empty title="Nothing is sent">Paste a message, or write an event’s name such as order:created. The hub says who would get it, by which rule, and who would not.</Empty>}
    </>
  );
}

function Answered({ question, explanation: it }: { question: Question; explanation: Explanation }) {
  const about = (['order', 'customer', 'station', 'route', 'assignee'] as const).filter((name) => question[name] !== undefined);
  const reached = it.destinations.filter((one) => !one.leftOut);
  const left = it.destinations.filter((one) => one.leftOut);
  return (
    <Panel title={`${it.event} from ${it.source}`} aside={about.map((name) => `${name} ${question[name]}`).join(', ')}>
      <div className="pad answer" role="status">
        <p className="verdict" data-state={it.isAllowed ? 'healthy' : 'unhealthy'}>
          <b>{it.isAllowed ? `It may be sent, and goes to ${reached.length === 0 ? 'nobody' : list(reached.map(whom))}.` : 'It is refused.'}</b>
          {it.refusal && <> {it.refusal.message}</>}
        </p>
        {reached.length > 0 && <><h3>Who gets it, and why</h3><ul>{reached.map((one) => <li key={one.to}><b>{whom(one)}</b> <span className="soft">by rule {list(one.rules)}</span></li>)}</ul></>}
        {left.length > 0 && <><h3>Who does not</h3><ul>{left.map((one) => <li key={one.to}><b>{whom(one)}</b> <span className="soft">{one.leftOut}</span></li>)}</ul></>}
        {it.removedByTarget.length > 0 && <p>Its target leaves out {list(it.removedByTarget.map(named))}.</p>}
        {it.read && it.read.length > 0 && <p>Who receives it needs {list(it.read)}.</p>}
        {it.redactions?.map((one) => <p key={one.id}>{list(one.fields)} is hidden from {list(one.hideFrom)} <span className="soft">by {one.id}</span></p>)}
        <h3>Rules that cover it</h3>
        <ul>{it.rules.map((rule) => <li key={rule.id}><span className="mono">{rule.id}</span> <span className="soft">{rule.isForSource ? rule.lacking ? `for this sender, who lacks ${rule.lacking}` : 'for this sender' : 'for other senders'}</span></li>)}</ul>
      </div>
    </Panel>
  );
}

const named = (type: string): string => application(type).toLowerCase();
const whom = ({ to, room }: { to: string; room?: string }): string => (room ? `${to.replaceAll('_', ' ')} (${room})` : named(to));
