// The microphone as raw audio: LINEAR16, one channel, at the rate of the sound card. The server changes the rate.

export class Microphone {
  // Opens it, which asks the user for leave. `onPiece` is given an ArrayBuffer for each tenth of a second.
  static async open(onPiece) {
    if (!navigator.mediaDevices) {
      // Browsers give the microphone to pages of this machine and of https alone.
      throw new Error("no microphone here: open the page at http://localhost or over https");
    }
    const stream = await navigator.mediaDevices.getUserMedia({
      // What makes telephone calls sound better takes away what commands are told apart by.
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    const context = new AudioContext();
    await context.audioWorklet.addModule(new URL("pcm_worklet.js", import.meta.url));
    const writer = new AudioWorkletNode(context, "pcm-writer", { numberOfOutputs: 0, channelCount: 1 });
    writer.port.onmessage = ({ data }) => onPiece(data);
    context.createMediaStreamSource(stream).connect(writer);
    return new Microphone(stream, context);
  }

  constructor(stream, context) {
    this.stream = stream;
    this.context = context;
  }

  get audio() {
    return { encoding: "LINEAR16", sampleRateHertz: this.context.sampleRate, channels: 1 };
  }

  async close() {
    for (const track of this.stream.getTracks()) {
      track.stop();
    }
    await this.context.close();
  }
}
