// The microphone as frames of 20 ms at 16 kHz, with nothing done to them.

import { FRAME, RATE_HZ } from "./listener.js";

export class Microphone {
  // Opens it, which asks the user for leave. `onFrame` is given a Float32Array for each 20 ms.
  static async open(onFrame) {
    if (!navigator.mediaDevices) {
      throw new Error("no microphone here: open the page at http://localhost or over https");
    }
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    const context = new AudioContext({ sampleRate: RATE_HZ });
    await context.audioWorklet.addModule(new URL("frame_worklet.js", import.meta.url));
    const cutter = new AudioWorkletNode(context, "frame-cutter", {
      numberOfOutputs: 0,
      channelCount: 1,
      processorOptions: { size: FRAME },
    });
    cutter.port.onmessage = ({ data }) => onFrame(data);
    context.createMediaStreamSource(stream).connect(cutter);
    return new Microphone(stream, context);
  }

  constructor(stream, context) {
    this.stream = stream;
    this.context = context;
  }

  async close() {
    this.stream.getTracks().forEach((track) => track.stop());
    await this.context.close();
  }
}
