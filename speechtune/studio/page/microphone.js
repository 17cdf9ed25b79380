// The microphone of this browser, as exact samples. It is asked for once; whoever listens gets every block.
import { t } from "./strings.js";

// What browsers do to a voice for telephone calls would be learnt as part of the commands.
const UNCHANGED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

// Browsers give no page a microphone unless it comes from this machine or by https.
export const isAllowed = () => window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);

let opened = null;
const listeners = new Set();

// Who uses it: "record", "try", or null. One at a time, so that nobody is recorded unawares.
let user = null;
const watchers = [];
export const usedBy = () => user;
export const onUse = (watcher) => watchers.push(watcher);

export function use(by) {
  user = by;
  watchers.forEach((watcher) => watcher());
}

export async function open() {
  opened ??= start().catch((error) => {
    opened = null;
    throw error;
  });
  const microphone = await opened;
  await microphone.context.resume();
  return microphone;
}

// Blocks (Float32Array) go to `onblock` until the function that this returns is called, or the microphone is `ongone`.
export function listen({ onblock, onlost = () => {}, ongone = () => {} }) {
  const listener = { onblock, onlost, ongone };
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (!listeners.size) close();
  };
}

async function start() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { ...UNCHANGED, channelCount: 1 } });
  } catch (error) {
    throw new Error(t(error.name === "NotAllowedError" ? "microphone.refused" : "microphone.none", { reason: error.message }));
  }
  const [track] = stream.getAudioTracks();
  const context = contextAt(track.getSettings().sampleRate);
  await context.audioWorklet.addModule("/page/sound-tap.js");
  const source = context.createMediaStreamSource(stream);
  const tap = new AudioWorkletNode(context, "sound-tap", { channelCount: 1, channelCountMode: "explicit" });
  tap.port.onmessage = ({ data }) => {
    for (const listener of [...listeners]) data === "lost" ? listener.onlost() : listener.onblock(data);
  };
  source.connect(tap).connect(context.destination); // which is silent: the tap puts nothing out
  track.onended = () => {
    for (const listener of [...listeners]) listener.ongone();
    close();
  };
  return { context, stream, rate: context.sampleRate, name: track.label, changed: changedBy(track) };
}

// At the rate of the microphone, so that the browser resamples nothing: that would hide clipping.
function contextAt(sampleRate) {
  try {
    return new AudioContext({ latencyHint: "interactive", sampleRate });
  } catch {
    return new AudioContext({ latencyHint: "interactive" });
  }
}

// The names of what the browser does to the sound though it was asked not to.
function changedBy(track) {
  const settings = track.getSettings();
  return Object.keys(UNCHANGED).filter((name) => settings[name] === true);
}

async function close() {
  const closing = opened;
  opened = null;
  const microphone = await closing?.catch(() => null);
  microphone?.stream.getTracks().forEach((track) => track.stop());
  await microphone?.context.close().catch(() => {});
}
