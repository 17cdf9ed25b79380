// Recording, take by take: shows what to say and the verdict; what is heard goes to the studio as it is.
import { socket } from "./api.js";
import { el, say, toast } from "./dom.js";
import * as microphone from "./microphone.js";
import { has, language, t } from "./strings.js";

// Time to read the verdict, and then what is to be said next.
const VERDICT_MS = 600;
const READY_MS = 450;
const MOST_WAITING_BYTES = 4 << 20;

let view = null;
let going = null;

export function mount(root, onrecord) {
  const start = el("button", { type: "button", class: "primary wide", id: "record-all", onclick: () => record(null) });
  const why = el("p", { class: "why", id: "record-why" });
  const prompt = el("p", { class: "prompt", id: "record-prompt", "aria-live": "assertive" });
  const position = el("p", { class: "position" });
  const sign = el("p", { class: "sign", id: "record-sign", role: "status" });
  const meter = el("meter", { min: -60, max: 0, low: -50, high: -6, optimum: -20, value: -60, "aria-label": t("record.level") });
  const verdict = el("div", { class: "verdict", id: "record-verdict", "aria-live": "polite" });
  const choices = el("div", { class: "row" });
  const stop = el("button", { type: "button", id: "record-stop", onclick: () => choose("quit") }, t("record.stop"));
  const panel = el(
    "div",
    { class: "panel", id: "recording", role: "region", "aria-label": t("record.region"), hidden: true },
    position, prompt, sign, meter, verdict, choices, stop,
  );
  start.setAttribute("aria-describedby", why.id);
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape" && going) choose("quit"); });
  root.append(start, why, panel);
  view = { start, why, panel, prompt, position, sign, meter, verdict, choices, stop, onrecord };
}

// Shows whether a recording can begin; the reason stands beside a button that cannot be pressed.
export function render(state) {
  const busy = microphone.usedBy();
  const reason = !microphone.isAllowed() ? t("record.no_microphone")
    : busy === "try" ? t("record.busy")
    : !state.missing ? t("record.nothing") : "";
  view.start.textContent = t("record.all", { count: state.missing });
  view.start.disabled = Boolean(reason) || busy === "record";
  say(view.why, reason);
}

export async function record(label) {
  if (going) return;
  going = { closed: false, unlisten: () => {}, shownAt: 0 };
  microphone.use("record");
  view.panel.hidden = false;
  show({ position: "", prompt: t("record.preparing"), sign: "" });
  view.panel.scrollIntoView({ block: "nearest" });
  try {
    const opened = await microphone.open();
    for (const name of opened.changed) toast(t("microphone.changed", { what: t(`microphone.${name}`) }), 20);
    if (!going) return;
    begin(opened, label);
  } catch (error) {
    toast(error.message);
    end();
  }
}

function begin(opened, label) {
  const here = going;
  const connection = socket("/api/record");
  here.connection = connection;
  connection.onopen = () => {
    connection.send(JSON.stringify({ rate: opened.rate, device: opened.name, label }));
    const lost = () => tell({ lost: true });
    here.unlisten = microphone.listen({
      onblock: (block) => (connection.bufferedAmount < MOST_WAITING_BYTES ? connection.send(block) : lost()),
      onlost: lost,
      ongone: () => { toast(t("microphone.gone"), 20); choose("quit"); },
    });
  };
  connection.onmessage = ({ data }) => take(JSON.parse(data));
  connection.onclose = () => {
    if (going !== here) return;
    if (!here.closed) toast(t("record.broken"), 20);
    end();
  };
}

const tell = (message) => {
  if (going?.connection?.readyState === WebSocket.OPEN) going.connection.send(JSON.stringify(message));
};

function choose(choice) {
  view.choices.replaceChildren();
  if (choice === "quit") {
    if (!going?.connection) return end();
    going.closed = true;
    going.connection.close();
    return end();
  }
  tell({ choice });
}

// What the studio says of the recording, event by event.
const EVENTS = {
  announce(message) {
    const here = going;
    setTimeout(() => {
      if (going !== here) return;
      const { text, position, total } = message;
      view.verdict.replaceChildren();
      view.choices.replaceChildren();
      view.panel.classList.remove("bad");
      show({
        position: t("record.position", { position, total }),
        prompt: text === null ? t("record.quiet") : t("record.say", { text }),
        sign: t("record.wait"),
        quiet: text === null,
      });
      setTimeout(() => going === here && tell({ choice: "go" }), READY_MS);
    }, Math.max(0, here.shownAt + VERDICT_MS - performance.now()));
  },
  cue: () => show({ sign: t("record.now"), now: true }),
  level: ({ dbfs }) => { view.meter.value = Math.max(dbfs, -60); },
  verdict(message) {
    show({ sign: "" });
    going.verdict = message;
    if (message.good) return; // it is told once the take is on disk
    tellVerdict();
    const button = (choice, key, kind) => el("button", { type: "button", class: kind, onclick: () => choose(choice) }, t(key));
    view.choices.replaceChildren(
      button("redo", "record.redo", "primary"), button("keep", "record.keep", ""), button("skip", "record.skip", ""),
    );
    view.choices.firstElementChild.focus();
  },
  kept: () => { if (going.verdict.good) tellVerdict(); },
  done(message) {
    going.closed = true;
    toast(t("record.done", { kept: message.kept }));
  },
  error(message) {
    going.closed = true;
    toast(message.message, 20);
  },
};

function tellVerdict() {
  going.shownAt = performance.now();
  view.verdict.replaceChildren(...verdictLines(going.verdict));
  view.panel.classList.toggle("bad", !going.verdict.good);
}

function take(message) {
  if (going) EVENTS[message.event]?.(message);
}

// The verdict in words, one line each; the figures beside them.
export function verdictLines(verdict) {
  if (verdict.good) {
    const figures = {
      seconds: verdict.seconds.toFixed(1),
      speech: verdict.speech_dbfs?.toFixed(0),
      snr: verdict.snr_db === null ? "" : t("record.snr", { snr: verdict.snr_db.toFixed(0) }),
    };
    const key = verdict.text === null || figures.speech === undefined ? "record.good.background" : "record.good";
    return [el("p", { class: "good" }, el("strong", {}, t("record.kept")), ` ${t(key, figures)}`)];
  }
  const lines = verdict.faults.map((fault) => el("p", {}, faultText(fault)));
  return [el("p", { class: "bad" }, el("strong", {}, t("record.bad"))), ...lines];
}

// The sentence for a kind of fault; its figures are in English, and stand where English is read.
export function faultText({ kind, detail }) {
  const words = has(`fault.${kind}`) ? t(`fault.${kind}`) : kind;
  return language === "en" && detail ? `${words} (${detail})` : words;
}

function show({ position, prompt, sign, now = false, quiet = false }) {
  if (position !== undefined) say(view.position, position);
  if (prompt !== undefined) say(view.prompt, prompt);
  if (sign !== undefined) say(view.sign, sign);
  view.panel.classList.toggle("now", now);
  if (prompt !== undefined) view.panel.classList.toggle("quiet", quiet);
}

function end() {
  going?.unlisten();
  going?.connection?.close();
  going = null;
  view.panel.hidden = true;
  view.panel.classList.remove("bad", "now");
  view.verdict.replaceChildren();
  view.choices.replaceChildren();
  microphone.use(null);
  view.onrecord();
}
