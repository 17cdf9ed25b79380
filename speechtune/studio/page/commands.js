// The first column: what is to be recorded, every take as a spectrogram that plays, and files that are dropped.
import { media, post, send } from "./api.js";
import { el, fill, reconcile, say, toast } from "./dom.js";
import * as microphone from "./microphone.js";
import { play } from "./player.js";
import * as recorder from "./recorder.js";
import { current } from "./state.js";
import { has, labelName, t } from "./strings.js";

const UNKNOWN = "_unknown_", BACKGROUND = "_background_noise_";
const NUMBERS = { takes: ["commands.takes", 1, 200], other_words: ["commands.other", 0, 44], background: ["commands.background", 0, 200] };

let view = null;

export function mount(section) {
  const words = el("input", { id: "add-words", autocomplete: "off", placeholder: t("commands.placeholder"), "aria-label": t("commands.add") });
  const form = el("form", { class: "row", onsubmit: (event) => { event.preventDefault(); add(words); } },
    words, el("button", { type: "submit" }, t("commands.add.button")));
  const inputs = Object.fromEntries(Object.entries(NUMBERS).map(([name, [, min, max]]) =>
    [name, el("input", { type: "number", id: `plan-${name}`, min, max, onchange: () => changeNumber(name) })]));
  inputs.speaker = el("input", { id: "plan-speaker", maxlength: 64, autocomplete: "off", placeholder: t("commands.speaker.hint"), onchange: () => change({ speaker: inputs.speaker.value.trim() }) });
  const field = (name, key) => el("label", { for: `plan-${name}` }, t(key), inputs[name]);
  const settings = el("div", { class: "settings" },
    ...Object.entries(NUMBERS).map(([name, [key]]) => field(name, key)), field("speaker", "commands.speaker"));
  const recording = el("div");
  const note = el("p", { class: "hint" });
  const cards = el("div", { class: "cards" });
  const empty = el("p", { class: "hint" }, t("commands.empty"));
  section.append(el("h2", { id: "commands-title" }, el("span", { class: "step", "aria-hidden": "true" }, "1"), t("commands.title")),
    form, empty, settings, recording, note, cards, el("p", { class: "hint" }, t("commands.drop")), el("p", { class: "hint" }, t("microphone.raw")));
  recorder.mount(recording, () => render(current()));
  microphone.onUse(() => render(current()));
  takeDrops(document.body, null);
  view = { inputs, cards, note, empty };
}

export function render(state) {
  if (!state?.plan) return;
  const { plan } = state;
  for (const [name, input] of Object.entries(view.inputs)) fill(input, plan[name]);
  view.empty.hidden = plan.commands.length > 0;
  say(view.note, state.not_compared ? t("commands.not_compared", { reason: state.not_compared }) : "");
  recorder.render(state);
  const others = [...new Set(state.takes.map((take) => take.label))].filter((label) => ![...plan.commands, UNKNOWN, BACKGROUND].includes(label));
  reconcile(view.cards, [BACKGROUND, ...plan.commands, UNKNOWN, ...others.sort()], (label) => label, card, (node, label) => update(node, label, state));
}

async function add(input) {
  const words = input.value.split(",").map((word) => word.trim()).filter(Boolean);
  if (words.length && (await change({ add: words }))) input.value = "";
}

function changeNumber(name) {
  const value = view.inputs[name].valueAsNumber;
  if (Number.isInteger(value)) change({ [name]: value });
  else render(current());
}

const change = (what) => tried(() => post("plan", what));

// Whether it went well; what went wrong is shown.
export async function tried(action) {
  try {
    await action();
    return true;
  } catch (error) {
    toast(error.message, 15);
    return false;
  }
}

function card(label) {
  const name = labelName(label);
  const isCommand = () => current().plan.commands.includes(label);
  const files = el("input", { type: "file", multiple: true, accept: "audio/*,.flac,.wav,.ogg,.mp3", class: "unseen", onchange: () => { importFiles(label, [...files.files]); files.value = ""; } });
  const node = el("article", { class: "card", tabindex: -1, "data-label": label },
    el("header", {},
      el("h3", {}, name),
      el("span", { class: "count" }),
      el("button", { type: "button", class: "small remove", "aria-label": t("commands.remove", { label: name }), title: t("commands.remove", { label: name }), onclick: () => remove(label) }, "✕")),
    el("progress", { max: 1, value: 0, "aria-hidden": "true" }),
    has(`hint.${label}`) ? el("p", { class: "hint" }, t(`hint.${label}`)) : el("p", { class: "hint word" }, t("hint.word")),
    el("ul", { class: "takes" }),
    el("div", { class: "row" },
      el("button", { type: "button", class: "one", "aria-label": t("commands.more.of", { label: name }), onclick: () => recorder.record(label) }, el("span", { class: "dot", "aria-hidden": "true" }), t("commands.more")),
      el("label", { class: "button" }, files, t("commands.import"))),
    el("details", { class: "aside" }, el("summary"), el("ul")));
  files.setAttribute("aria-label", t("commands.import.of", { label: name }));
  takeDrops(node, label);
  node.isCommand = isCommand;
  return node;
}

function update(node, label, state) {
  const { plan } = state;
  const takes = state.takes.filter((take) => take.label === label);
  const mine = takes.filter((take) => (take.speaker ?? "") === plan.speaker || label === BACKGROUND);
  const target = label === UNKNOWN ? plan.other_words : label === BACKGROUND ? plan.background : plan.commands.includes(label) ? plan.takes : 0;
  const count = mine.length, others = takes.length - mine.length;
  const key = !target ? "commands.count.more" : others ? "commands.count.others" : "commands.count";
  say(node.querySelector(".count"), t(key, { count: target ? count : takes.length, target, others }));
  const progress = node.querySelector("progress");
  progress.hidden = !target;
  progress.value = target ? Math.min(count / target, 1) : 0;
  node.querySelector(".remove").hidden = !plan.commands.includes(label);
  const hint = node.querySelector(".hint.word");
  if (hint) hint.hidden = plan.commands.includes(label);
  const one = node.querySelector(".one");
  one.disabled = !microphone.isAllowed() || microphone.usedBy() !== null;
  one.hidden = !plan.commands.includes(label) && label !== UNKNOWN && label !== BACKGROUND;
  reconcile(node.querySelector(".takes"), takes, (take) => take.name, thumbnail, (item, take) => number(item, take, takes.indexOf(take) + 1));
  const aside = state.aside.filter((take) => take.label === label);
  const details = node.querySelector(".aside");
  details.hidden = aside.length === 0;
  say(details.querySelector("summary"), t("commands.aside", { count: aside.length }));
  reconcile(details.querySelector("ul"), aside, (take) => take.id, asideItem);
}

function thumbnail(take) {
  const button = el("button", { type: "button", class: "play", onclick: () => play(media("sound", take.name, take.version), button) },
    el("img", { src: media("picture", take.name, take.version), alt: "", loading: "lazy" }));
  return el("li", { class: "take" }, button,
    el("span", { class: "word" }, take.word ?? ""),
    el("span", { class: "tools" },
      el("button", { type: "button", class: "small redo", onclick: () => redo(take) }, "↻"),
      el("button", { type: "button", class: "small test", onclick: (event) => tried(() => post("takes/hold-back", { name: take.name, is_test: event.currentTarget.getAttribute("aria-pressed") !== "true" })) }, t("take.test.sign")),
      el("button", { type: "button", class: "small delete", onclick: () => drop(take) }, "✕")));
}

function number(item, take, place) {
  const values = { number: place, label: labelName(take.label), seconds: take.seconds?.toFixed(1) ?? "?" };
  const name = (selector, key) => {
    const button = item.querySelector(selector);
    button.setAttribute("aria-label", t(key, values));
    button.title = t(key, values);
    return button;
  };
  name(".play", "take.play");
  name(".delete", "take.delete");
  const redoing = name(".redo", "take.redo");
  redoing.hidden = take.label !== BACKGROUND && take.label !== UNKNOWN && !current().plan.commands.includes(take.label);
  redoing.disabled = !microphone.isAllowed() || microphone.usedBy() !== null;
  const test = name(".test", take.is_test ? "take.test.on" : "take.test");
  test.setAttribute("aria-pressed", String(take.is_test));
  test.hidden = take.label === BACKGROUND;
}

function asideItem(take) {
  const label = labelName(take.label);
  const button = el("button", { type: "button", class: "play", "aria-label": t("take.play", { number: "", label, seconds: take.seconds.toFixed(1) }), onclick: () => play(media("sound", take.id), button) },
    el("img", { src: media("picture", take.id), alt: "", loading: "lazy" }));
  const reason = take.reason === "removed" ? t("aside.removed") : take.faults.map(recorder.faultText).join(" ");
  return el("li", {}, button, el("div", {},
    el("p", {}, reason),
    el("div", { class: "row" },
      el("button", { type: "button", class: "small use", "aria-label": t("aside.use.of", { label }), onclick: () => tried(() => post("aside/restore", { id: take.id })) }, t("aside.use")),
      el("button", { type: "button", class: "small forget", "aria-label": t("aside.forget.of", { label }), onclick: () => tried(() => post("aside/forget", { id: take.id })) }, t("aside.forget")))));
}

async function remove(label) {
  const { takes } = current();
  if ((await change({ remove: label })) && takes.some((take) => take.label === label)) toast(t("commands.removed", { label }), 12);
}

async function drop(take) {
  if (await tried(() => post("takes/remove", { name: take.name }))) toast(t("take.deleted"));
}

async function redo(take) {
  if (await tried(() => post("takes/remove", { name: take.name }))) recorder.record(take.label);
}

function takeDrops(node, label) {
  node.addEventListener("dragover", (event) => { event.preventDefault(); node.classList.add("over"); });
  node.addEventListener("dragleave", () => node.classList.remove("over"));
  node.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    document.querySelectorAll(".over").forEach((one) => one.classList.remove("over"));
    // The list is empty after the first pause, so that all entries are taken at once.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const found = await Promise.all(entries.map((entry) => filesIn(entry, label)));
    for (const [name, files] of grouped(found.flat())) await importFiles(name, files);
  });
}

// The files in what was dropped, each with its label: that of the card, else the name of its folder.
async function filesIn(entry, label) {
  if (entry.isFile) {
    if (label === null) return [];
    return [[label, await new Promise((resolve, reject) => entry.file(resolve, reject))]];
  }
  const reader = entry.createReader(), inside = [];
  for (let part; (part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length; ) inside.push(...part);
  return (await Promise.all(inside.map((one) => filesIn(one, label ?? entry.name)))).flat();
}

function grouped(pairs) {
  const groups = new Map();
  for (const [name, file] of pairs) groups.set(name, [...(groups.get(name) ?? []), file]);
  return groups;
}

async function importFiles(label, files) {
  let kept = 0, aside = 0;
  const known = [...current().plan.commands, ...current().takes.map((take) => take.label), UNKNOWN, BACKGROUND];
  if (!known.includes(label) && !(await change({ add: [label] }))) return;
  for (const file of files.filter((one) => !one.name.startsWith("."))) {
    await tried(async () => {
      const verdict = await send("import", { label, name: file.name }, file);
      if (verdict.name === null) aside += 1;
      else kept += 1;
    });
  }
  if (kept || aside) toast(t(aside ? "commands.imported.aside" : "commands.imported", { kept, aside }));
}
