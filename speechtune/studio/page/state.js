// What the studio says that there is. It sends everything at first, then each part that changes; when it cannot be
// reached, the page keeps what it has, and asks again.
import { reasonOfRefusal, socket } from "./api.js";

const listeners = [];
let state = null;

export const watch = (listener) => listeners.push(listener);
export const current = () => state;

export function follow(onConnection) {
  const events = socket("/api/events");
  events.onmessage = (message) => {
    const part = JSON.parse(message.data);
    onConnection(true);
    state = { ...state, ...part };
    for (const listener of listeners) listener(state, part);
  };
  events.onclose = async () => {
    // A web socket does not tell why it was refused; a plain request does.
    const reason = await reasonOfRefusal();
    onConnection(false, reason);
    setTimeout(() => follow(onConnection), reason ? 10_000 : 1000);
  };
}
