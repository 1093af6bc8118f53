import { useState } from 'react';
import { Action } from '../parts/action';
import { Pager, usePages } from '../parts/pager';
import { Panel } from '../parts/panel';
import { Empty, Shown } from '../parts/state';
import { Table } from '../parts/table';
import { usePolled } from '../polled';
import { useSession } from '../session_context';
import type { DeadLetter, OfflineQueue, QueueInspection } from '../shapes';
import { subscriber, webhookOf } from '../subscriber';
import { ago, clock, device, moment, number, plural } from '../words';

const EVERY_MS = 5_000;
const LETTERS = 100;

export function Queues() {
  return <><Letters /><OfflineQueues /></>;
}

function Letters() {
  const pages = usePages();
  const letters = usePolled<DeadLetter[]>('/api/v1/dead-letters', { after: pages.cursor, limit: LETTERS }, EVERY_MS);
  const found = letters.answer?.data ?? [];
  const next = found.length >= LETTERS ? String(found.at(-1)?.offset) : undefined;
  return (
    <Panel title="Dead letters" aside="what somebody did not get">
      <Shown of={letters}>{(rows) => (rows.length === 0 ? <Empty title="No dead letters">An event that asks for an acknowledgement and gets none, however often it is sent, is put here.</Empty> : (
        <Table name="Dead letters" columns={['Given up', 'For', 'Why', { title: 'Sent', isRight: true }, 'Message', '']}>
          {rows.map((letter) => <Letter key={`${letter.offset} ${letter.subscriber}`} letter={letter} changed={letters.again} />)}
        </Table>
      ))}</Shown>
      <Pager pages={pages} next={next} what="dead letters" />
    </Panel>
  );
}

function Letter({ letter, changed }: { letter: DeadLetter; changed: () => void }) {
  const { hub } = useSession();
  const path = `/api/v1/dead-letters/${letter.offset}`;
  const whose = { subscriber: letter.subscriber };
  const of = `message ${letter.offset}`;
  const webhook = webhookOf(letter.subscriber);
  const post = async (name: string) => {
    const { data } = await hub.post<{ isTaken: boolean; status: number | null; error: string | null }>(`/api/v1/webhooks/${encodeURIComponent(name)}/dead-letters/${letter.offset}/replay`);
    return data.isTaken ? 'Its receiver has taken it, and the letter is gone.' : `Its receiver did not take it (${data.error ?? `status ${data.status}`}): the letter stays.`;
  };
  const replay = async () => {
    if (webhook !== null) return post(webhook);
    const { data } = await hub.post<{ connections: number }[]>(`${path}/replay`, whose);
    const sent = data.reduce((sum, one) => sum + one.connections, 0);
    return sent > 0 ? `It was sent to ${plural(sent, 'connection')}. The letter goes; if nobody acknowledges it, a new one comes.` : 'Nobody of this subscriber is connected: the letter stays. Try again when it is back.';
  };
  const drop = async () => {
    await hub.delete(path, whose);
    return 'The letter is gone. The message itself stays in the log.';
  };
  return (
    <tr>
      <td><time dateTime={letter.at} title={moment(letter.at)}>{moment(letter.at)}</time></td>
      <th scope="row"><span className="clip name wide" title={letter.subscriber}>{subscriber(letter.subscriber)}</span></th>
      <td><span className="chip" data-state={letter.reason}>{letter.reason}</span></td>
      <td className="right">{plural(letter.attempts, 'time')}</td>
      <td className="mono"><span className="clip name" title={letter.id}>{letter.offset}</span></td>
      <td className="actions">
        <Action name="Replay" of={of} act={replay} done={changed}>It is sent once more to {subscriber(letter.subscriber)}, and retried like any other.</Action>
        <Action name="Drop" of={of} isDanger act={drop} done={changed}>{subscriber(letter.subscriber)} never gets this message by itself. It stays in the log.</Action>
      </td>
    </tr>
  );
}

function OfflineQueues() {
  const pages = usePages();
  const [open, setOpen] = useState<string | null>(null);
  const queues = usePolled<OfflineQueue[]>('/api/v1/offline-queues', { limit: 100, cursor: pages.cursor }, EVERY_MS);
  return (
    <Panel title="Offline queues" aside="what waits for whom">
      <Shown of={queues}>{(rows) => (rows.length === 0 ? <Empty title="Nobody has a queue yet">Who has confirmed something once has a place in the log from then on, and gets what comes behind it.</Empty> : (
        <Table name="Offline queues" columns={['Whose', { title: 'Entries behind', isRight: true }, 'Confirmed through', 'At', '']}>
          {rows.map((queue) => <Queue key={queue.subscriber} queue={queue} isOpen={open === queue.subscriber} open={() => setOpen(open === queue.subscriber ? null : queue.subscriber)} changed={queues.again} />)}
        </Table>
      ))}</Shown>
      <Pager pages={pages} next={queues.answer?.nextCursor} what="offline queues" />
    </Panel>
  );
}

interface QueueProps {
  queue: OfflineQueue;
  isOpen: boolean;
  open: () => void;
  changed: () => void;
}

function Queue({ queue, isOpen, open, changed }: QueueProps) {
  const { hub } = useSession();
  const path = `/api/v1/offline-queues/${encodeURIComponent(queue.subscriber)}`;
  const name = device(queue);
  const replay = async () => {
    const { data } = await hub.post<{ cursor: string }>(`${path}/replay`);
    return `${name} gets everything behind ${data.cursor} when it comes.`;
  };
  const drop = async () => {
    const { data } = await hub.delete<{ cursor: string }>(path);
    return `${name} begins behind ${data.cursor}.`;
  };
  return (
    <>
      <tr>
        <th scope="row"><span className="clip name wide" title={queue.subscriber}>{name}</span></th>
        <td className="right">{number(queue.entriesBehind)}</td>
        <td className="mono">{queue.cursor}</td>
        <td title={moment(queue.updatedAt)}>{ago(queue.updatedAt)}</td>
        <td className="actions">
          <button type="button" aria-expanded={isOpen} aria-label={`Look into the queue of ${name}`} onClick={open}>Look</button>
          <Action name="Replay" of={`all to ${name}`} act={replay} done={changed}>When it comes, it gets everything again that the log still has for it. It must not be connected now.</Action>
          <Action name="Drop" of={`the queue of ${name}`} isDanger act={drop} done={changed}>What waits for it now is never brought to it: it begins behind the newest event. It must not be connected now.</Action>
        </td>
      </tr>
      {isOpen && <tr><td colSpan={5}><Waiting path={path} /></td></tr>}
    </>
  );
}

function Waiting({ path }: { path: string }) {
  const waiting = usePolled<QueueInspection>(path, { limit: 50 }, EVERY_MS);
  return (
    <Shown of={waiting}>{({ events, hasMore }) => (events.length === 0 ? <p className="soft">Nothing waits for it{hasMore ? ' among the entries that were looked at; there are more' : ''}.</p> : (
      <ol className="waiting" aria-label="What waits">
        {events.map((entry) => <li key={entry.cursor}><time dateTime={entry.at} title={moment(entry.at)}>{clock(entry.atMs)}</time> <b className="mono">{entry.event}</b> {entry.orderId !== null && <span>order {entry.orderId}</span>}</li>)}
        {hasMore && <li className="soft">and more</li>}
      </ol>
    ))}</Shown>
  );
}
