import { CommandStream } from "./command_stream.js";
import { Microphone } from "./microphone.js";

const element = (id) => document.getElementById(id);
const seconds = (duration) => `${parseFloat(duration ?? "0s").toFixed(2)} s`;

const scheme = location.protocol === "https:" ? "wss" : "ws";
element("address").value = `${scheme}://${location.hostname || "localhost"}:50552/v1/stream`;

let microphone = null;
let stream = null;

function say(text, failed = false) {
  element("state").textContent = text;
  element("state").classList.toggle("failed", failed);
}

function show(text, detail, kind) {
  const line = document.createElement("li");
  line.className = kind;
  line.append(Object.assign(document.createElement("strong"), { textContent: text }));
  line.append(Object.assign(document.createElement("span"), { textContent: detail }));
  element("events").prepend(line);
}

function showBusy(isBusy) {
  element("listen").disabled = isBusy;
  element("stop").disabled = !isBusy;
}

async function listen() {
  showBusy(true);
  try {
    microphone = await Microphone.open((piece) => stream?.send(piece));
  } catch (error) {
    say(`The microphone cannot be used: ${error.message}`, true);
    showBusy(false);
    return;
  }
  connect();
}

function connect() {
  const config = { audio: microphone.audio, events: { rejections: true } };
  stream = new CommandStream(element("address").value, config, element("key").value);
  stream.addEventListener("started", ({ detail: { started } }) => {
    say("Listening.");
    element("commands").textContent = `Commands: ${started.commands.map((rule) => rule.label).join(", ")}`;
  });
  stream.addEventListener("detection", ({ detail: { detection } }) => {
    show(detection.label, `${detection.confidence.toFixed(2)} at ${seconds(detection.startOffset)}`, "detection");
  });
  stream.addEventListener("rejected", ({ detail: { rejected } }) => {
    const best = `nearest was “${rejected.label}” at ${(rejected.confidence ?? 0).toFixed(2)}`;
    show("no command", `${best}, ${(rejected.threshold ?? 0).toFixed(2)} is needed`, "rejected");
  });
  stream.addEventListener("closed", ({ detail: { code, error, retrySeconds } }) => {
    stream = null;
    if (retrySeconds !== null && microphone) {
      say(`Trying again: ${error || "the server is being restarted"}`, true);
      setTimeout(() => microphone && connect(), 1000 * retrySeconds);
      return;
    }
    finish(error ? `${error} (${code})` : "Stopped.", Boolean(error));
  });
}

async function finish(text, failed = false) {
  const open = microphone;
  microphone = null;
  await open?.close();
  say(text, failed);
  showBusy(false);
}

element("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  listen();
});
// The microphone goes at once; the stream closes once what was said is answered.
element("stop").addEventListener("click", () => {
  const ending = stream;
  finish("Stopped.");
  ending?.end();
});
