// What the page asks the studio for. The token is in the address of the page, behind the #, where no server is told it.
import { t } from "./strings.js";

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

export const hasToken = token !== "";

export class StudioError extends Error {}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { "x-studio-token": token, ...options.headers } });
  } catch {
    throw new StudioError(t("error.unreachable"));
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new StudioError(answer.error ?? t("error.status", { status: response.status }));
  return answer;
}

// Why the studio lets this page in no more; "" where it does, or cannot be reached.
export async function reasonOfRefusal() {
  const response = await fetch("/api/state", { headers: { "x-studio-token": token } }).catch(() => null);
  return response?.status === 403 ? t("error.token") : "";
}

export const post = (path, content = {}) =>
  ask(`/api/${path}`, { method: "POST", body: JSON.stringify(content), headers: { "content-type": "application/json" } });

export const send = (path, parameters, body) => ask(`/api/${path}?${new URLSearchParams(parameters)}`, { method: "POST", body });

// Addresses that the browser opens by itself.
export const media = (kind, name, version = "") => `/api/${kind}?${new URLSearchParams({ name, version, token })}`;
export const reportAddress = (digest) => `/api/report?${new URLSearchParams({ digest, token })}`;

export function socket(path, protocols = []) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const opened = new WebSocket(`${scheme}://${location.host}${path}?${new URLSearchParams({ token })}`, protocols);
  opened.binaryType = "arraybuffer";
  return opened;
}
