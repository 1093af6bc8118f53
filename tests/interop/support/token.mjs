// JSON Web Tokens by hand: what a foreign issuer would sign, including what it should not.

import { createHmac } from "node:crypto";
import { SECRET } from "./servers.mjs";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
export const nowSeconds = () => Math.floor(Date.now() / 1000);

/** Signs `claims` as they are, with HS256 unless told otherwise. */
export function sign(claims, { secret = SECRET, algorithm = "HS256", header = {} } = {}) {
  const head = `${part({ alg: algorithm, typ: "JWT", ...header })}.${part(claims)}`;
  const hash = { HS256: "sha256", HS384: "sha384", HS512: "sha512" }[algorithm];
  return hash ? `${head}.${createHmac(hash, secret).update(head).digest("base64url")}` : `${head}.`;
}

export const ROLE_OF = {
  client_app: "customer",
  tenant_dashboard: "restaurant_owner",
  kitchen_app: "kitchen_staff",
  delivery_app: "delivery_personnel",
};

/** The claims of an ordinary user of `application`; `changes` wins, a key set to `undefined` is left out. */
export function claims(tenantId, application, userId, changes = {}) {
  return {
    userId,
    sub: userId,
    tenantId,
    role: ROLE_OF[application],
    applicationTypes: [application],
    iat: nowSeconds(),
    exp: nowSeconds() + 3600,
    ...changes,
  };
}

export const userToken = (tenantId, application, userId, changes) =>
  sign(claims(tenantId, application, userId, changes));

/** A back end's token. */
export const serviceToken = (tenantId, changes = {}) =>
  sign({
    userId: "gateway",
    tenantId,
    role: "system",
    applicationTypes: [],
    iat: nowSeconds(),
    exp: nowSeconds() + 3600,
    ...changes,
  });

/** A token for the conformance binary, which asks for a subject only. */
export const subjectToken = (sub = "somebody", changes = {}) =>
  userToken("interop", "kitchen_app", sub, changes);
