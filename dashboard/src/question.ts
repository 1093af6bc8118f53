// From an event as somebody has it, a whole message, a payload with its name, or the name alone, to what the hub can explain.

export interface Question {
  event: string;
  source?: string;
  target?: string[];
  order?: string;
  customer?: string;
  station?: string;
  route?: string;
  assignee?: string;
}

const ABOUT: [keyof Question & string, string[]][] = [
  ['order', ['orderId']],
  ['customer', ['customerId']],
  ['station', ['stationId', 'assignedStation']],
  ['route', ['routeId']],
  ['assignee', ['assigneeId']],
];

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** Reads what was pasted; a sentence where it is no event. `source` is who is to send it where the event does not say. */
export function readQuestion(pasted: string, source: string): Question | string {
  const text = pasted.trim();
  if (text === '') return 'Paste an event, or write the name of one.';
  if (/^[a-z0-9_:.-]+$/i.test(text)) return { event: text, ...(source && { source }) };
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch (fault) {
    return `That is neither the name of an event nor JSON: ${fault instanceof Error ? fault.message : String(fault)}`;
  }
  // As Socket.IO has it: [name, argument].
  if (Array.isArray(said) && typeof said[0] === 'string') said = { type: said[0], ...('payload' in fields(said[1]) ? fields(said[1]) : { payload: said[1] }) };
  const message = fields(said);
  if (typeof message.type !== 'string') return 'The event has no type: paste the whole message, { "type": …, "payload": … }.';
  const payload = fields(message.payload);
  const target = [message.target].flat().filter((one) => typeof one === 'string');
  const from = source || (typeof message.source === 'string' ? message.source : '');
  const question: Question = { event: message.type, ...(from && { source: from }), ...(target.length > 0 && { target }) };
  for (const [name, places] of ABOUT) {
    const value = places.map((place) => payload[place]).find((it) => typeof it === 'string' && it !== '');
    if (value !== undefined) Object.assign(question, { [name]: value });
  }
  return question;
}
