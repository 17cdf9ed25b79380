// How sure the model is of each command, now; the mark on each bar is its threshold, and can be moved.
import { el, reconcile, say } from "./dom.js";
import { labelName, score, t } from "./strings.js";

const FALL_MS = 1500;

export class Bars {
  // `onmove(label, threshold)` is called when a person moves a mark.
  constructor(onmove) {
    this.onmove = onmove;
    this.node = el("ul", { class: "bars", "aria-label": t("try.bars") });
    this.rows = new Map();
    this.timer = 0;
  }

  render(labels, thresholds) {
    reconcile(this.node, labels, (label) => label, (label) => this.row(label), (node, label) => {
      const row = this.rows.get(label), threshold = thresholds[label];
      row.slider.hidden = threshold === undefined;
      if (threshold !== undefined && document.activeElement !== row.slider) row.slider.value = threshold;
      if (threshold !== undefined) row.needs = threshold;
      this.color(row);
    });
  }

  row(label) {
    const name = label.startsWith("_") ? t(`try.best.${label}`) : labelName(label);
    const bar = el("span", { class: "fill" });
    const value = el("output", { class: "value" }, "0.00");
    const slider = el("input", { type: "range", min: 0.01, max: 0.99, step: 0.01, "aria-label": t("try.threshold", { label: name }), oninput: () => {
      row.needs = slider.valueAsNumber;
      this.color(row);
      this.onmove(label, slider.valueAsNumber);
    } });
    const track = el("span", { class: "track", role: "meter", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": 0 }, bar);
    const row = { bar, value, slider, track, needs: 2, now: 0 };
    this.rows.set(label, row);
    return el("li", { class: label.startsWith("_") ? "other" : "" }, el("span", { class: "name" }, name), el("span", { class: "gauge" }, track, slider), value);
  }

  // Scores of one window, label by label; they stay for a moment, and then the bars fall.
  show(scores) {
    for (const [label, row] of this.rows) this.put(row, scores.find((one) => one.label === label)?.confidence ?? 0);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.rest(), FALL_MS);
  }

  rest() {
    for (const row of this.rows.values()) this.put(row, 0);
  }

  put(row, value) {
    row.now = value;
    row.bar.style.width = `${100 * value}%`;
    say(row.value, score(value));
    row.track.setAttribute("aria-valuenow", value.toFixed(2));
    this.color(row);
  }

  color(row) {
    row.bar.classList.toggle("over", row.now >= row.needs);
  }
}
