import { check } from "./golden.js";
import { FRAME, Listener, RATE_HZ } from "./listener.js";
import { Microphone } from "./microphone.js";
import { Model } from "./model.js";

const element = (id) => document.getElementById(id);
const MODEL_URL = new URLSearchParams(location.search).get("model") ?? "model.onnx";

let model = null;
let microphone = null;

function say(text, failed = false) {
  element("state").textContent = text;
  element("state").classList.toggle("failed", failed);
}

function show({ seconds, keyword, confidence }) {
  const line = document.createElement("li");
  line.append(Object.assign(document.createElement("strong"), { textContent: keyword }));
  line.append(Object.assign(document.createElement("span"), {
    textContent: `${confidence.toFixed(2)} at ${seconds.toFixed(2)} s`,
  }));
  element("events").prepend(line);
}

function showBusy(isBusy) {
  for (const id of ["listen", "file", "check"]) {
    element(id).disabled = isBusy;
  }
  element("stop").disabled = !microphone;
}

// Does one thing at a time, and says what went wrong with it.
async function busy(work) {
  showBusy(true);
  try {
    await work();
  } catch (error) {
    say(error.message, true);
  }
  showBusy(Boolean(microphone));
}

async function listen() {
  const listener = new Listener(model);
  let last = Promise.resolve(); // frames are heard in their order, however long one takes
  microphone = await Microphone.open((frame) => {
    last = last.then(async () => (await listener.hear(frame)).forEach(show)).catch((error) => say(error.message, true));
  });
  say("Listening.");
}

async function stop() {
  const open = microphone;
  microphone = null;
  await open?.close();
  say("Stopped.");
}

// Hears a file as ArrayBuffer, in any form that the browser decodes.
export async function hearFile(content) {
  const audio = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(content);
  const samples = new Float32Array(audio.length + RATE_HZ);
  samples.set(audio.getChannelData(0));
  const listener = new Listener(model);
  for (let start = 0; start + FRAME <= samples.length; start += FRAME) {
    (await listener.hear(samples.slice(start, start + FRAME))).forEach(show);
    if (start % RATE_HZ === 0) {
      await new Promise((resolve) => setTimeout(resolve)); // lets the page be drawn
    }
  }
  say(`Heard ${audio.duration.toFixed(1)} s.`);
}

async function checkGolden() {
  const layers = await check(model, MODEL_URL.replace(/\.onnx$/, ".golden.npz"));
  const lines = layers.map(({ name, difference, isRight }) =>
    `${name} ${isRight ? "are right" : "are WRONG"}, to ${difference.toPrecision(2)}`);
  say(`${lines.join("; ")}.`, layers.some(({ isRight }) => !isRight));
}

element("listen").addEventListener("click", () => busy(listen));
element("stop").addEventListener("click", () => busy(stop));
element("check").addEventListener("click", () => busy(checkGolden));
element("file").addEventListener("change", ({ target }) => busy(async () => hearFile(await target.files[0].arrayBuffer())));

await busy(async () => {
  model = await Model.load(MODEL_URL);
  element("commands").textContent = `Commands: ${model.keywords.join(", ")}`;
  say("Press “Listen” and say a command.");
});
if (!model) {
  ["listen", "file", "check"].forEach((id) => (element(id).disabled = true));
}
