// The second column: one button, how far it is, and what came of it.
import { post, reportAddress } from "./api.js";
import { tried } from "./commands.js";
import { el, reconcile, say, set } from "./dom.js";
import { has, labelName, percent, t } from "./strings.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300, HEIGHT = 64;

let view = null;
let begunAt = 0;

export function mount(section) {
  const button = el("button", { type: "button", class: "primary wide", id: "train-button", "aria-describedby": "train-why", onclick: () => tried(() => post("train")) });
  const stop = el("button", { type: "button", id: "train-stop", hidden: true, onclick: () => tried(() => post("train/stop")) }, t("train.stop"));
  const why = el("p", { class: "why", id: "train-why" });
  const stage = el("p", { class: "stage", role: "status" });
  const progress = el("progress", { max: 1, value: 0, "aria-label": t("train.title") });
  const chart = document.createElementNS(SVG, "svg");
  set(chart, { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "chart", preserveAspectRatio: "none" });
  const loss = el("p", { class: "hint loss" });
  const going = el("div", { class: "panel", id: "training", hidden: true }, stage, progress, chart, loss, stop);
  const failed = el("p", { class: "notice", role: "alert", hidden: true });
  const result = el("div", { class: "result", hidden: true });
  section.append(el("h2", { id: "train-title" }, el("span", { class: "step", "aria-hidden": "true" }, "2"), t("train.title")), button, why, going, failed, result);
  view = { button, stop, why, stage, progress, chart, loss, going, failed, result, digest: "" };
}

export function render(state) {
  if (!state?.plan) return;
  const { training, trained } = state;
  const running = training.status === "running";
  const reason = whyNot(state);
  view.button.disabled = running || Boolean(reason);
  view.button.textContent = t(trained ? "train.again" : "train.button");
  say(view.why, running ? "" : reason || note(state));
  view.why.classList.toggle("hint", !reason);
  view.going.hidden = !running;
  view.stop.hidden = !running;
  if (running) renderProgress(training);
  else begunAt = 0;
  const message = training.status === "failed" ? t("train.failed", { error: training.error }) : training.status === "stopped" ? t("train.stopped") : "";
  view.failed.hidden = !message;
  say(view.failed, message);
  view.result.hidden = !trained;
  if (trained) renderResult(trained);
}

// Why no training can begin; the first thing that is lacking.
function whyNot({ obstacles }) {
  if (!obstacles.length) return "";
  const [{ kind, label, number }] = obstacles;
  return t(`train.${kind}`, { label, number });
}

function note({ trained, is_current, takes }) {
  if (!trained) return t("train.ready", { count: takes.filter((take) => !take.is_test).length });
  return t(is_current ? "train.current" : "train.changed");
}

function renderProgress({ stage, done, total, losses }) {
  begunAt ||= performance.now();
  const name = has(`stage.${stage}`) ? t(`stage.${stage}`) : stage;
  say(view.stage, name);
  if (done > 0 && total > 1) view.progress.value = done / total;
  else view.progress.removeAttribute("value");
  const shown = losses.filter((one) => one.stage === losses.at(-1).stage);
  view.chart.toggleAttribute("hidden", shown.length < 2);
  const last = shown.at(-1);
  view.loss.textContent = last ? t("train.loss", { value: last.value.toFixed(3), step: last.step }) : "";
  if (shown.length > 1) draw(shown);
}

// The losses as one line, from the largest to the smallest.
function draw(losses) {
  const values = losses.map((one) => one.value);
  const least = Math.min(...values), most = Math.max(...values);
  const points = values.map((value, place) => {
    const x = 2 + (place / (values.length - 1)) * (WIDTH - 4);
    const y = 4 + ((most - value) / (most - least || 1)) * (HEIGHT - 8);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  let line = view.chart.querySelector("polyline");
  if (!line) {
    line = document.createElementNS(SVG, "polyline");
    view.chart.append(line);
  }
  set(line, { points: points.join(" "), "vector-effect": "non-scaling-stroke" });
  const stage = has(`stage.${losses[0].stage}`) ? t(`stage.${losses[0].stage}`) : losses[0].stage;
  view.chart.setAttribute("aria-label", t("train.loss.chart", { stage, first: values[0].toFixed(3), last: values.at(-1).toFixed(3) }));
}

// What the last training came to; made anew for another model only, so that an open report stays open.
function renderResult(trained) {
  const key = trained.digest + trained.seconds;
  if (view.digest === key) return;
  view.digest = key;
  const missed = trained.detection_rate === null ? t("train.missed.unknown") : t("train.missed.of", { count: Math.round(100 * (1 - trained.detection_rate)) });
  const rows = Object.entries(trained.thresholds).map(([label, threshold]) =>
    el("tr", {}, el("th", { scope: "row" }, labelName(label)), el("td", {}, trained.num_clips[label] ?? 0), el("td", {}, threshold.toFixed(2))));
  const heading = (name) => el("th", { scope: "col" }, t(`train.${name}`));
  view.result.replaceChildren(
    el("h3", {}, t("train.result")),
    el("dl", { class: "figures" },
      el("div", {}, el("dt", {}, t("train.missed")), el("dd", { id: "misses" }, missed)),
      el("div", {}, el("dt", {}, t("train.fires")), ...talk(trained.talk))),
    el("p", { class: "hint" }, t("train.estimate")),
    el("table", {}, el("thead", {}, el("tr", {}, heading("command"), heading("clips"), heading("threshold"))), el("tbody", {}, rows)),
    ...test(trained),
    trained.notes.length > 0 && el("details", {}, el("summary", {}, t("train.notes")), el("ul", { class: "notes" }, trained.notes.map((one) => el("li", {}, one)))),
  );
}

function talk(found) {
  if (found === null || typeof found !== "object") return [el("dd", { id: "fires" }, t("train.fires.unknown")), el("dd", { class: "hint" }, t("train.fires.why"))];
  const rate = found.per_hour < 10 ? found.per_hour.toFixed(1) : found.per_hour.toFixed(0);
  const [low, high] = found.interval.map((value) => value.toFixed(1));
  return [el("dd", { id: "fires" }, t("train.fires.of", { rate })), el("dd", { class: "hint" }, t("train.fires.interval", { low, high, minutes: found.minutes_heard.toFixed(1), talk: found.talk }))];
}

function test({ test, test_notes, digest }) {
  if (test === null) return [el("h3", {}, t("train.test")), el("p", { class: "hint" }, t("train.test.none"))];
  const rows = test.filter((one) => one.value !== null).map((one) =>
    el("tr", {}, el("th", { scope: "row" }, one.words), el("td", {}, percent(one.value)), el("td", {}, one.interval ? one.interval.map(percent).join(" – ") : "")));
  return [
    el("h3", {}, t("train.test")),
    el("table", { id: "test-figures" }, el("tbody", {}, rows)),
    ...test_notes.map((one) => el("p", { class: "hint" }, one)),
    el("details", { class: "report" }, el("summary", {}, t("train.report")),
      el("iframe", { src: reportAddress(digest), title: t("train.report"), loading: "lazy" }),
      el("p", {}, el("a", { href: reportAddress(digest), target: "_blank", rel: "noopener" }, t("train.report.open")))),
  ];
}
