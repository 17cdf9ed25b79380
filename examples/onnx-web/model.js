// An exported model, run by onnxruntime-web: windows to posteriors. The log-mel spectrogram is inside the graph.

// Three files of the npm package onnxruntime-web lie in runtime/; docs/how-to/ports.md says which.
import * as ort from "./runtime/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("./runtime/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need a page that is isolated from other origins

const DOUBT = [0.05, 0.9]; // a window whose best keyword lies between is heard again,
const MOVES = [-1200, 1200]; // 75 ms earlier and later

export class Model {
  static async load(url) {
    const answer = await fetch(url);
    if (!answer.ok) {
      throw new Error(`there is no ${url} beside this page: write it with speechtune export`);
    }
    const content = new Uint8Array(await answer.arrayBuffer());
    const about = JSON.parse(metadata(content, "speechtune"));
    return new Model(await ort.InferenceSession.create(content), about);
  }

  constructor(session, about) {
    this.session = session;
    this.keywords = about.keywords;
    this.thresholds = about.thresholds;
    this.window = about.window_samples;
    this.detector = about.detector;
    this.looksTwice = about.second_look;
  }

  // Float32Array of `window` samples to posteriors: the keywords first, then unknown speech and silence.
  async score(samples) {
    const { posteriors: once } = await this.run(samples);
    const best = Math.max(...once.slice(0, this.keywords.length));
    if (!this.looksTwice || best <= DOUBT[0] || best >= DOUBT[1]) {
      return once;
    }
    const looks = [once];
    for (const move of MOVES) {
      looks.push((await this.run(cut(samples, -move, samples.length))).posteriors);
    }
    const logarithm = (value) => Math.log(Math.max(value, 1e-12));
    const mean = once.map((_, i) => Math.exp(looks.reduce((sum, look) => sum + logarithm(look[i]), 0) / looks.length));
    const sum = mean.reduce((total, value) => total + value, 0);
    return mean.map((value) => value / sum);
  }

  // The outputs of the graph for one window, by their names.
  async run(samples) {
    const found = await this.session.run({ waveforms: new ort.Tensor("float32", samples, [1, samples.length]) });
    return Object.fromEntries(Object.entries(found).map(([name, tensor]) => [name, Array.from(tensor.data)]));
  }
}

// Float32Array of `size` samples from `start`, which may lie outside; what is not there is zero.
export function cut(samples, start, size) {
  const window = new Float32Array(size);
  const first = Math.max(start, 0);
  window.set(samples.subarray(first, Math.max(first, Math.min(start + size, samples.length))), first - start);
  return window;
}

// What an ONNX file says of itself under a key. The runtime does not tell; a model is a protobuf message, in which
// field 14 is a pair of key (1) and value (2).
function metadata(content, key) {
  const text = new TextDecoder();
  for (const { field, bytes } of fields(content)) {
    if (field === 14) {
      const pair = Object.fromEntries([...fields(bytes)].map((part) => [part.field, text.decode(part.bytes)]));
      if (pair[1] === key) {
        return pair[2];
      }
    }
  }
  throw new Error("this file is another program's: it has no description of speechtune");
}

function* fields(content) {
  let place = 0;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = content[place++];
      value += (byte & 127) * scale;
      if (byte < 128 || byte === undefined) {
        return value;
      }
    }
  };
  while (place < content.length) {
    const tag = number();
    const kind = tag & 7;
    const size = kind === 2 ? number() : kind === 1 ? 8 : kind === 5 ? 4 : (number(), 0);
    yield { field: Math.floor(tag / 8), bytes: content.subarray(place, place + size) };
    place += size;
  }
}
