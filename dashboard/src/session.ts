// Who has logged in here. The token is kept for this tab alone, and never stands in an address.

const PLACE = 'foodtrack-dashboard-token';

/** What a token says of itself. It proves nothing here: the hub verifies it with each request. */
export interface Claims {
  /** `null` for the operator, who sees all. */
  tenant: string | null;
  user: string;
  role: string;
  /** When it ends, in milliseconds since the Unix epoch; `null` where it does not say. */
  endsAt: number | null;
}

/** The operator's token says nothing of itself. */
export const OPERATOR: Claims = { tenant: null, user: 'operator', role: 'all tenants', endsAt: null };

/** The token of this tab, where one was kept. */
export function keptToken(): string | null {
  try {
    return sessionStorage.getItem(PLACE);
  } catch {
    return null;
  }
}

/** Keeps the token until the tab is closed. */
export function keepToken(token: string): void {
  try {
    sessionStorage.setItem(PLACE, token);
  } catch {
    // Storage is forbidden here: a reload asks for the token again.
  }
}

export function forgetToken(): void {
  try {
    sessionStorage.removeItem(PLACE);
  } catch {
    // Nothing was kept.
  }
}

/** What somebody pasted, without what comes along with it: white space, quotes, `Bearer`. */
export function pasted(text: string): string {
  return text.replace(/\s+/g, ' ').trim().replace(/^authorization:\s*/i, '').replace(/^bearer\s+/i, '').replace(/^["']|["']$/g, '').trim();
}

/** Reads what a token says; `null` where it is no JWT. */
export function readClaims(token: string): Claims | null {
  try {
    const part = (token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/');
    const bytes = Uint8Array.from(atob(part), (character) => character.charCodeAt(0));
    const said: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof said !== 'object' || said === null) return null;
    const { tenantId, userId, role, exp } = said as Record<string, unknown>;
    const text = (value: unknown) => (typeof value === 'string' ? value : '');
    return { tenant: text(tenantId), user: text(userId), role: text(role), endsAt: typeof exp === 'number' ? exp * 1000 : null };
  } catch {
    return null;
  }
}
