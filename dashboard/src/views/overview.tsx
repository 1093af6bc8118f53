import { useEffect, useRef, useState } from 'react';
import { Chart, type Series } from '../parts/chart';
import { Panel } from '../parts/panel';
import { Empty, Shown } from '../parts/state';
import { type Polled, usePolled } from '../polled';
import { useSession } from '../session_context';
import type { Health, Listing, NodeInfo, Performance } from '../shapes';
import { ago, application, bytes, duration, moment, number, plural } from '../words';

const EVERY_MS = 2_000;
/** Ten minutes. */
const POINTS_MAX = 300;
const APPLICATIONS = ['client_app', 'tenant_dashboard', 'kitchen_app', 'delivery_app'];

/** Adds what `read` finds in each new answer; a time without one is a gap in the line. */
function useSeries<T>(of: Polled<T>, read: (data: T) => number): Series {
  const [series, setSeries] = useState<Series>({ at: [], values: [] });
  const reader = useRef(read);
  reader.current = read;
  useEffect(() => {
    if (!of.answer && !of.failure) return;
    const value = of.failure || !of.answer ? null : reader.current(of.answer.data);
    setSeries((before) => ({
      at: [...before.at, Date.now() / 1000].slice(-POINTS_MAX),
      values: [...before.values, value].slice(-POINTS_MAX),
    }));
  }, [of.answer, of.failure]);
  return series;
}

export function Overview() {
  const health = usePolled<Health>('/health', {}, EVERY_MS);
  const performance = usePolled<Performance>('/api/v1/performance', {}, EVERY_MS);
  const { claims, tenant } = useSession();
  const own = usePolled<Listing>(tenant === null ? null : '/api/v1/connections', { limit: 1 }, EVERY_MS);
  const connections = useSeries(health, (it) => it.connections);
  const rate = useSeries(performance, (it) => it.messagesPerSecond);
  const latency = useSeries(performance, (it) => it.averageLatency);
  return (
    <>
      <Shown of={health}>{(it) => <Verdict health={it} />}</Shown>
      <div className="charts">
        <Chart name="Connections" unit="on this node" series={connections} />
        <Chart name="Events" unit="a second" series={rate} />
        <Chart name="Latency" unit="ms" series={latency} />
      </div>
      <div className="columns">
        {tenant !== null && (
          <Panel title={claims.tenant === null ? tenant : 'Your restaurant'} aside={own.answer && plural(own.answer.data.counts.users, 'user')}>
            <Shown of={own}>{(it) => <Pools counts={it.counts} />}</Shown>
          </Panel>
        )}
        <Panel title="This node" aside={health.answer && `up ${duration(health.answer.data.uptime * 1000)}`}>
          <Shown of={performance}>{(it) => <Figures figures={it} health={health.answer?.data ?? null} />}</Shown>
        </Panel>
      </div>
      <Nodes nodes={health.answer?.data.nodes ?? []} />
    </>
  );
}

/** How the hub is, with every reason. */
function Verdict({ health }: { health: Health }) {
  const reasons = [...health.conditions];
  const { drain, redis, lastError } = health;
  if (reasons.length === 0 && !drain && health.status === 'healthy') {
    return <p className="verdict" data-state="healthy"><b>All is well.</b> <span className="soft">{redis ? `Redis is ${redis.state} since ${moment(redis.since)}.` : 'No condition holds.'} {lastError && `The last error was ${ago(lastError.timestamp)}: ${lastError.message}`}</span></p>;
  }
  return (
    <div className="verdict" data-state={health.status}>
      <p><b>The hub is {health.status}.</b></p>
      <ul>
        {drain && <li><b>draining</b>: {drain.phase} since {moment(drain.since)}; then it {drain.then === 'exit' ? 'ends' : 'stays'}. Clients are sent elsewhere.</li>}
        {reasons.map((one) => <li key={one.condition}><b>{one.condition}</b> since {moment(one.since)}: {one.message}</li>)}
        {redis && redis.state !== 'healthy' && <li><b>Redis</b>: {redis.state} since {moment(redis.since)}</li>}
        {reasons.length === 0 && !drain && <li>{health.memoryUsage.percentage > 90 ? `Memory is nearly used: ${Math.round(health.memoryUsage.percentage)} %.` : 'A shard does not answer in time.'}</li>}
      </ul>
      {lastError && <p className="soft">Last error, {ago(lastError.timestamp)}: {lastError.message}</p>}
    </div>
  );
}

function Pools({ counts }: { counts: Listing['counts'] }) {
  if (counts.total === 0) return <Empty title="Nobody is connected">Devices appear here as soon as they have joined.</Empty>;
  return (
    <dl className="figures">
      {APPLICATIONS.map((type) => <div key={type}><dt>{application(type)}</dt><dd>{number(counts.byApplication[type] ?? 0)}</dd></div>)}
      <div><dt>In all</dt><dd>{number(counts.total)}</dd></div>
      <div><dt>By polling</dt><dd>{number(counts.polling)}</dd></div>
    </dl>
  );
}

function Figures({ figures, health }: { figures: Performance; health: Health | null }) {
  const { used, total, percentage } = figures.memoryUsage;
  return (
    <dl className="figures">
      <div><dt>Joined a second</dt><dd>{number(figures.connectionsPerSecond)}</dd></div>
      <div><dt>Refused</dt><dd>{number(figures.errorRate * 100)} %</dd></div>
      <div><dt>Memory</dt><dd title={`${bytes(used)} of ${bytes(total)}`}>{bytes(used)} <small>{number(percentage)} %</small></dd></div>
      <div><dt>Processor</dt><dd>{number(figures.cpuUsage)} <small>% of a core</small></dd></div>
      {health?.certificateDaysLeft !== undefined && <div><dt>Certificate</dt><dd>{plural(health.certificateDaysLeft, 'day')}</dd></div>}
    </dl>
  );
}

function Nodes({ nodes }: { nodes: NodeInfo[] }) {
  if (nodes.length === 0) return null;
  return (
    <Panel title="Nodes" aside={plural(nodes.length, 'node lives', 'nodes live')}>
      <div className="scroll" tabIndex={0} role="group" aria-label="Nodes">
        <table>
          <thead><tr><th scope="col">Node</th><th scope="col">State</th><th scope="col" className="right">Connections</th><th scope="col" className="right">Tenants</th><th scope="col">Version</th><th scope="col">Up</th></tr></thead>
          <tbody>
            {nodes.map((node) => (
              <tr key={node.id}>
                <th scope="row" className="mono">{node.id}{node.isSelf && <small> this one</small>}</th>
                <td>{node.draining ? <span className="chip" data-state="degraded">draining</span> : <span className="chip" data-state="healthy">here</span>}</td>
                <td className="right">{number(node.connections)}</td>
                <td className="right">{number(node.tenants)}</td>
                <td className="mono">{node.version}</td>
                <td>{duration(Date.now() - new Date(node.startedAt).getTime())}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
