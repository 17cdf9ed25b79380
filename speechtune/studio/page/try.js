// The third column: the model listens as it would on a server, by the same door, and says what it makes of each word.
import { media, post, socket } from "./api.js";
import { Bars } from "./bars.js";
import { tried } from "./commands.js";
import { el, reconcile, say, toast } from "./dom.js";
import * as microphone from "./microphone.js";
import { play } from "./player.js";
import { current } from "./state.js";
import { labelName, score, t } from "./strings.js";

const UNKNOWN = "_unknown_";
const MOST_WAITING_BYTES = 4 << 20;
const MOST_LINES = 6;

let view = null;
let going = null;
let moved = {}; // label -> threshold that a person has set and not kept
let nearest = null; // scores of the window of this stretch of speech that came nearest to a command

export function mount(section) {
  const start = el("button", { type: "button", class: "primary wide", id: "try-button", "aria-describedby": "try-why", onclick: () => (going ? end() : begin()) });
  const why = el("p", { class: "why", id: "try-why" });
  const meter = el("meter", { min: -60, max: 0, low: -50, high: -6, optimum: -20, value: -60, "aria-label": t("record.level"), hidden: true });
  const outcome = el("div", { class: "outcome", id: "outcome", role: "status", "aria-live": "polite" });
  const bars = new Bars(move);
  const save = el("button", { type: "button", id: "save-thresholds", onclick: keep }, t("try.save"));
  const reset = el("button", { type: "button", onclick: forget }, t("try.reset"));
  const changes = el("div", { class: "row", hidden: true }, save, reset);
  const lines = el("ol", { class: "lines" });
  const heard = el("ul", { class: "heard", id: "heard" });
  const none = el("p", { class: "hint" }, t("try.heard.none"));
  const rollout = el("button", { type: "button", id: "rollout", hidden: true, onclick: () => tried(async () => {
    const { digest } = await post("rollout");
    toast(t("try.rolled", { digest: digest.slice(0, 12) }));
  }) });
  section.append(el("h2", { id: "try-title" }, el("span", { class: "step", "aria-hidden": "true" }, "3"), t("try.title")),
    start, why, meter, outcome, bars.node, changes, lines,
    el("h3", {}, t("try.heard")), el("p", { class: "hint" }, t("try.heard.hint")), none, heard, rollout);
  view = { start, why, meter, outcome, bars, changes, lines, heard, none, rollout };
  microphone.onUse(() => render(current()));
}

export function render(state) {
  if (!state?.plan || !state.model) return;
  const { model, tried: waiting, rollout } = state;
  const thresholds = { ...model.thresholds, ...moved };
  const ready = model.status === "ready" || (model.status === "loading" && model.digest);
  const reason = model.status === "failed" ? t("try.failed", { error: model.error })
    : model.status === "none" ? t("try.none")
    : !ready ? t("try.loading")
    : !microphone.isAllowed() ? t("record.no_microphone")
    : microphone.usedBy() === "record" ? t("try.recording") : "";
  view.start.disabled = !going && Boolean(reason);
  view.start.textContent = t(going ? "try.stop" : "try.start");
  say(view.why, going ? "" : reason);
  view.meter.hidden = !going;
  view.bars.render(model.thresholds ? [...Object.keys(model.thresholds), UNKNOWN] : [], thresholds);
  view.bars.node.hidden = !model.thresholds;
  view.changes.hidden = !Object.keys(moved).length;
  view.none.hidden = waiting.length > 0;
  reconcile(view.heard, [...waiting].reverse(), (one) => one.id, heardItem);
  view.rollout.hidden = !rollout || !ready;
  if (rollout) say(view.rollout, t("try.rollout", { address: rollout }));
  if (going?.digest && model.status === "ready" && model.digest !== going.digest) reopen();
}

async function begin() {
  const here = (going = { unlisten: () => {}, digest: "" });
  outcome("", t("try.say"), "");
  microphone.use("try");
  try {
    here.microphone = await microphone.open();
    if (going !== here) return;
    here.unlisten = microphone.listen({
      onblock(block) {
        const { connection } = here;
        if (here.started && connection.readyState === WebSocket.OPEN && connection.bufferedAmount < MOST_WAITING_BYTES) connection.send(block);
      },
      ongone: () => { toast(t("microphone.gone"), 20); end(); },
    });
    connect(here);
  } catch (error) {
    toast(error.message);
    end();
  }
}

function connect(here) {
  const connection = socket("/v1/stream", ["speechtune.v1"]);
  here.connection = connection;
  here.started = false;
  connection.onopen = () => {
    const audio = { encoding: "FLOAT32", sampleRateHertz: here.microphone.rate, channels: 1 };
    const events = { interims: true, rejections: true, speechActivity: true, heartbeatIntervalMs: 200 };
    connection.send(JSON.stringify({ config: { audio, events, commands: rules() } }));
    here.started = true;
  };
  connection.onmessage = ({ data }) => going === here && here.connection === connection && take(JSON.parse(data));
  connection.onclose = () => {
    if (going !== here || here.connection !== connection) return;
    toast(t("try.ended", { reason: here.reason ?? t("error.unreachable") }), 15);
    end();
  };
}

// A stream keeps the model that it began with: for a new one it is opened again.
function reopen() {
  const old = going.connection;
  moved = {};
  going.digest = "";
  connect(going);
  old.close();
  toast(t("try.swapped"));
}

function end() {
  const here = going;
  going = null;
  here?.unlisten();
  here?.connection?.close();
  view.bars.rest();
  microphone.use(null);
}

const rules = () => Object.entries({ ...current().model.thresholds, ...moved }).map(([label, threshold]) => ({ label, threshold }));

function move(label, threshold) {
  moved[label] = threshold;
  view.changes.hidden = false;
  if (going?.started && going.connection.readyState === WebSocket.OPEN)
    going.connection.send(JSON.stringify({ control: { updateCommands: { commands: rules() } } }));
}

async function keep() {
  const chosen = { ...moved };
  if (!(await tried(() => post("thresholds", chosen)))) return;
  toast(t("try.saved"));
  moved = {};
  render(current());
}

function forget() {
  moved = {};
  render(current());
  if (going?.started) going.connection.send(JSON.stringify({ control: { updateCommands: { commands: rules() } } }));
}

// What the studio's door says, as the JSON of StreamingRecognizeResponse.
const EVENTS = {
  started: ({ modelDigest }) => { going.digest = modelDigest; },
  activity: ({ kind }) => { if (kind === "SPEECH_STARTED") nearest = null; },
  interim({ scores }) {
    const filled = scores.map(({ label, confidence = 0 }) => ({ label, confidence }));
    view.bars.show(filled);
    const best = (all) => Math.max(...all.filter((one) => !one.label.startsWith("_")).map((one) => one.confidence));
    if (!nearest || best(filled) > best(nearest)) nearest = filled;
  },
  heartbeat({ microphone: device }) {
    if (!device) return;
    view.meter.value = Math.max(device.levelDbfs ?? -60, -60);
    const warning = device.state === "DEAD" ? t("try.dead") : device.state === "QUIET" ? t("try.quiet") : "";
    say(view.why, warning);
  },
  detection({ label, confidence = 0, threshold = 0, runnerUpMargin = 0, alternatives = [] }) {
    const [second] = alternatives;
    outcome("fired", t("try.detected", { label: labelName(label) }), t("try.detected.why", {
      confidence: score(confidence), threshold: score(threshold), second: second ? bestName(second.label) : "–",
      other: score(second?.confidence ?? 0), margin: score(runnerUpMargin),
    }));
    refreshHeard();
  },
  rejected({ label, confidence = 0, threshold = 0 }) {
    outcome("rejected", t("try.rejected"), whyRejected(label, confidence, threshold));
    refreshHeard();
  },
  ended: ({ reason }) => { going.reason = reason; },
  error: ({ message }) => { going.reason = message; },
};

function take(message) {
  for (const [name, content] of Object.entries(message)) EVENTS[name]?.(content);
}

const bestName = (label) => (label.startsWith("_") ? t(`try.best.${label}`) : `“${labelName(label)}”`);

// Why nothing fired: what it sounds most like, and how far the nearest command was from its threshold.
function whyRejected(label, confidence, threshold) {
  const commands = (nearest ?? []).filter((one) => !one.label.startsWith("_")).sort((a, b) => b.confidence - a.confidence);
  const near = label.startsWith("_") ? commands[0] : { label, confidence };
  const values = { label: near && labelName(near.label), confidence: near && score(near.confidence), threshold: score(threshold), best: bestName(label), best_confidence: score(confidence) };
  if (!near) return t("try.rejected.best", values);
  return t(label.startsWith("_") ? "try.rejected.other" : "try.rejected.near", values);
}

function outcome(kind, title, text) {
  if (view.outcome.dataset.kind) {
    const line = el("li", {}, el("strong", {}, view.outcome.querySelector("strong").textContent), " ", view.outcome.querySelector("span").textContent);
    view.lines.prepend(line);
    while (view.lines.childElementCount > MOST_LINES) view.lines.lastElementChild.remove();
  }
  view.outcome.dataset.kind = kind;
  view.outcome.replaceChildren(el("strong", {}, title), " ", el("span", {}, text));
}

// The studio writes what it heard a moment after it says so.
function refreshHeard() {
  for (const wait of [200, 1000]) setTimeout(() => post("tried").catch(() => {}), wait);
}

function heardItem(one) {
  const label = labelName(one.label), commands = current().plan.commands;
  const values = { label, confidence: score(one.confidence), threshold: score(one.threshold) };
  const button = el("button", { type: "button", class: "play", "aria-label": t("try.play", values), onclick: () => play(media("sound", one.id), button) },
    el("img", { src: media("picture", one.id), alt: "", loading: "lazy" }));
  const other = el("select", { "aria-label": t("try.was.of"), onchange: () => decide(one, other.value) },
    el("option", { value: "" }, t("try.was")), commands.filter((command) => command !== one.label).map((command) => el("option", { value: command }, command)));
  return el("li", { class: one.fired ? "fired" : "near" }, button, el("div", {},
    el("p", {}, t(one.fired ? "try.heard.fired" : "try.heard.near", values)),
    el("div", { class: "row" },
      el("button", { type: "button", class: "small right", title: t("try.right.of", values), onclick: () => decide(one, one.label) }, t("try.right")),
      el("button", { type: "button", class: "small wrong", title: t("try.wrong.of", values), onclick: () => decide(one, UNKNOWN) }, t("try.wrong")),
      commands.length > 1 && other,
      el("button", { type: "button", class: "small drop", title: t("try.drop.of", values), onclick: () => decide(one, null) }, t("try.drop")))));
}

async function decide(one, label) {
  if (label === "" || !(await tried(() => post("tried/decide", { id: one.id, label })))) return;
  if (label) toast(label === UNKNOWN ? t("try.negative") : t("try.learn", { label }));
}
