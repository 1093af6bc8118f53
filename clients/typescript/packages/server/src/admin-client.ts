import type {
  ConnectionInfo, ConnectionList, ConnectionQuery, DeadLetter, DirectEvent, Disconnected, EventDeclaration, Explanation, Grant,
  HubHealth, LogEntry, LogPart, LogQuery, NodeList, PerformanceMetrics, PresenceInfo, PresenceList, PresenceQuery, Question,
  Redaction, RoomDescription, RoomInfo, RoomList, Rule, Sent,
} from './admin-types.js';
import { type HubAnswer, HubHttp, type HubOptions } from './hub-http.js';

/** Looks without changing anything: what would be in force, or why it is refused. */
export interface DryRun {
  dryRun?: boolean;
}

const part = encodeURIComponent;

/** What stands beside a list: where the next part begins, and who did not answer. */
function besideList({ nextCursor, missingNodes }: Omit<HubAnswer<unknown>, 'data'>): { nextCursor?: string; missingNodes?: string[] } {
  return { ...(typeof nextCursor === 'string' && { nextCursor }), ...(missingNodes && { missingNodes }) };
}

/**
 * The HTTP API for one tenant, whose token it has: a back end's, or a person's with `admin:access`. Every method makes one
 * request and rejects with a `HubError` where it is refused; nothing is repeated.
 */
export class AdminClient {
  readonly #http: HubHttp;

  constructor(options: HubOptions) {
    this.#http = new HubHttp(options);
  }

  /** Counts all of the tenant's connections and lists a part of those asked for. */
  async connections(query: ConnectionQuery = {}): Promise<ConnectionList> {
    type Data = Omit<ConnectionList, 'nextCursor' | 'missingNodes'>;
    const { data, ...rest } = await this.#http.call<Data>('GET', '/api/v1/connections', { query: { ...query } });
    return { ...data, ...besideList(rest) };
  }

  /** All connections asked for, part by part. */
  async *eachConnection(query: Omit<ConnectionQuery, 'cursor'> = {}): AsyncGenerator<ConnectionInfo, void> {
    for (let cursor: string | undefined; ;) {
      const list = await this.connections({ limit: 1_000, ...query, ...(cursor !== undefined && { cursor }) });
      yield* list.connections;
      if (list.nextCursor === undefined) return;
      cursor = list.nextCursor;
    }
  }

  /**
   * Sends an event to one connection, whoever the rules would send it to: at most once, while it is here, and of a type that its token
   * may read. A back end's token alone may.
   */
  sendToConnection(id: string, { type, payload, priority }: DirectEvent): Promise<Sent> {
    return this.#data('POST', `/api/v1/connections/${part(id)}/events`, { body: JSON.stringify({ type, payload, priority }) });
  }

  /** Ends a connection; its client does not come back by itself. Answers how many were ended, on all nodes of a cluster. */
  disconnectConnection(id: string): Promise<Disconnected> {
    return this.#disconnect(`/api/v1/connections/${part(id)}`);
  }

  disconnectUser(user: string): Promise<Disconnected> {
    return this.#disconnect(`/api/v1/users/${part(user)}/connections`);
  }

  disconnectDevice(device: string): Promise<Disconnected> {
    return this.#disconnect(`/api/v1/devices/${part(device)}/connections`);
  }

  /** Who is online, on all nodes of a cluster, each once. */
  async presence(query: PresenceQuery = {}): Promise<PresenceList> {
    const { data, ...rest } = await this.#http.call<PresenceInfo[]>('GET', '/api/v1/presence', { query: { ...query } });
    return { online: data, ...besideList(rest) };
  }

  /** The nodes of the cluster; one that is alone is in the list alone. With `status` each is asked how it is. A back end's token alone may. */
  nodes(query: { status?: boolean } = {}): Promise<NodeList> {
    return this.#data('GET', '/api/v1/nodes', { query: { ...query } });
  }

  async rooms(query: { limit?: number; cursor?: string } = {}): Promise<RoomList> {
    const { data, ...rest } = await this.#http.call<RoomInfo[]>('GET', '/api/v1/rooms', { query: { ...query } });
    return { rooms: data, ...besideList(rest) };
  }

  /** Says what a room is; `name` is the full one, as `orderRoom` makes it. */
  describeRoom(name: string, description: RoomDescription): Promise<RoomInfo> {
    return this.#data('PUT', `/api/v1/rooms/${part(name)}`, { body: JSON.stringify(description) });
  }

  /** Lets a user join a room that would be refused otherwise. */
  grant(room: string, user: string): Promise<Grant> {
    return this.#data('PUT', `/api/v1/rooms/${part(room)}/grants/${part(user)}`);
  }

  revoke(room: string, user: string): Promise<Grant> {
    return this.#data('DELETE', `/api/v1/rooms/${part(room)}/grants/${part(user)}`);
  }

  /** The event types that the tenant declared. */
  eventTypes(): Promise<EventDeclaration[]> {
    return this.#data('GET', '/api/v1/events');
  }

  declareEventType(declaration: EventDeclaration, { dryRun }: DryRun = {}): Promise<EventDeclaration> {
    return this.#data('POST', '/api/v1/events', { query: { dryRun }, body: JSON.stringify(declaration) });
  }

  async withdrawEventType(name: string): Promise<void> {
    await this.#data('DELETE', `/api/v1/events/${part(name)}`);
  }

  /** The rules that the tenant's events follow: built-in ones, configured ones and its own. */
  rules(): Promise<Rule[]> {
    return this.#data('GET', '/api/v1/rules');
  }

  /** Adds a rule for the tenant's own event types, or replaces the one of its id. */
  addRule(rule: Rule, { dryRun }: DryRun = {}): Promise<Rule> {
    return this.#data('POST', '/api/v1/rules', { query: { dryRun }, body: JSON.stringify(rule) });
  }

  async removeRule(id: string): Promise<void> {
    await this.#data('DELETE', `/api/v1/rules/${part(id)}`);
  }

  /** Which fields of the tenant's events some of their recipients do not get: configured ones and its own. */
  redactions(): Promise<Redaction[]> {
    return this.#data('GET', '/api/v1/redactions');
  }

  /** Hides fields of the tenant's events from some, or replaces the redaction of its id. */
  addRedaction(redaction: Redaction, { dryRun }: DryRun = {}): Promise<Redaction> {
    return this.#data('POST', '/api/v1/redactions', { query: { dryRun }, body: JSON.stringify(redaction) });
  }

  async removeRedaction(id: string): Promise<void> {
    await this.#data('DELETE', `/api/v1/redactions/${part(id)}`);
  }

  /** Where an event would go, and why. */
  explain(question: Question): Promise<Explanation> {
    return this.#data('POST', '/api/v1/explain', { body: JSON.stringify(question) });
  }

  /** What the tenant accepted, oldest first, part by part up to its present end. */
  async *log(query: LogQuery = {}): AsyncGenerator<LogPart, void> {
    for (let cursor = query.cursor; ;) {
      const { data, nextCursor, goneThrough } = await this.#http.call<LogEntry[]>('GET', '/api/v1/log', { query: { ...query, cursor } });
      yield {
        entries: data,
        ...(typeof nextCursor === 'string' && { nextCursor }),
        ...(typeof goneThrough === 'number' && { goneThrough }),
      };
      if (typeof nextCursor !== 'string') return;
      cursor = nextCursor;
    }
  }

  /** Messages that a subscriber did not get, oldest first; to read on, `after` the last one's offset. */
  deadLetters(query: { after?: number; limit?: number } = {}): Promise<DeadLetter[]> {
    return this.#data('GET', '/api/v1/dead-letters', { query: { ...query } });
  }

  /** One such message; `entry` is null once retention has taken it. */
  deadLetter(offset: number): Promise<{ entry?: LogEntry | null; deadLetters: DeadLetter[] }> {
    return this.#data('GET', `/api/v1/dead-letters/${offset}`);
  }

  /** Sends it again to who did not get it, or to one of them. */
  replayDeadLetter(offset: number, subscriber?: string): Promise<{ subscriber: string; connections: number }[]> {
    return this.#data('POST', `/api/v1/dead-letters/${offset}/replay`, { query: { subscriber } });
  }

  /** Gives it up for good; answers whose letters were dropped. */
  async dropDeadLetter(offset: number, subscriber?: string): Promise<string[]> {
    const { dropped } = await this.#data<{ dropped: string[] }>('DELETE', `/api/v1/dead-letters/${offset}`, { query: { subscriber } });
    return dropped;
  }

  performance(): Promise<PerformanceMetrics> {
    return this.#data('GET', '/api/v1/performance');
  }

  /** Of the node, of all tenants; answered whatever the status is. */
  health(): Promise<HubHealth> {
    return this.#http.status('/health');
  }

  ready(): Promise<{ ready: boolean; reason?: string | null }> {
    return this.#http.status('/ready');
  }

  #disconnect(path: string): Promise<Disconnected> {
    return this.#data('DELETE', path);
  }

  async #data<T>(...request: Parameters<HubHttp['call']>): Promise<T> {
    return (await this.#http.call<T>(...request)).data;
  }
}
