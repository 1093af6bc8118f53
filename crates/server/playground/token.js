// The demo's tokens, for the page and for its workers.

/** A fresh token of a user in an application of a tenant. */
export async function freshToken(tenant, application, user) {
  const query = new URLSearchParams({ tenant, application, user });
  const response = await fetch(new URL(`../demo/token?${query}`, import.meta.url));
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  return (await response.json()).token;
}
