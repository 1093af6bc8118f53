// Numbers, times and names as people read them.

const LIST = new Intl.ListFormat('en', { type: 'conjunction' });
const COMPACT = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export const number = (value: number): string => COMPACT.format(value);
export const list = (parts: readonly string[]): string => LIST.format(parts);
export const plural = (count: number, one: string, many = `${one}s`): string => `${number(count)} ${count === 1 ? one : many}`;

/** The time of day, to the second, where this browser is. */
export function clock(at: string | number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? '–' : date.toLocaleTimeString('en-GB');
}

/** The day and the time. */
export function moment(at: string | number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return '–';
  const day = date.toDateString() === new Date().toDateString() ? '' : `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })}, `;
  return day + clock(at);
}

const UNITS: [number, string][] = [[86_400, 'd'], [3_600, 'h'], [60, 'min'], [1, 's']];

/** A length of time by its two largest units. */
export function duration(ms: number): string {
  let left = Math.round(Math.max(0, ms) / 1000);
  const parts: string[] = [];
  for (const [seconds, unit] of UNITS) {
    const whole = Math.floor(left / seconds);
    left -= whole * seconds;
    if (whole > 0) parts.push(`${whole} ${unit}`);
    if (parts.length === 2) break;
  }
  return parts.length > 0 ? parts.join(' ') : ms >= 1 ? `${Math.round(ms)} ms` : '0 s';
}

export const ago = (at: string | number, now = Date.now()): string => `${duration(now - new Date(at).getTime())} ago`;

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const power = Math.min(4, Math.floor(Math.log2(count) / 10));
  return `${number(count / 1024 ** power)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

const APPLICATIONS: Record<string, string> = {
  client_app: 'Customers',
  tenant_dashboard: 'Dashboards',
  kitchen_app: 'Kitchens',
  delivery_app: 'Couriers',
};
const ONE_OF: Record<string, string> = {
  client_app: 'customer',
  tenant_dashboard: 'dashboard',
  kitchen_app: 'kitchen',
  delivery_app: 'courier',
};

/** Those of an application. */
export const application = (type: string): string => APPLICATIONS[type] ?? type;

/** One device of an application, by what is known of it. */
export function device(of: { applicationType: string; userId: string; deviceId: string | null }): string {
  return `${ONE_OF[of.applicationType] ?? of.applicationType} ${of.deviceId ?? of.userId}`;
}
