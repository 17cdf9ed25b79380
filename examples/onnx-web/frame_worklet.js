// Runs in the audio thread: what the microphone gives, in frames of one size.

class FrameCutter extends AudioWorkletProcessor {
  constructor({ processorOptions: { size } }) {
    super();
    this.frame = new Float32Array(size);
    this.place = 0;
  }

  process([channels]) {
    for (const sample of channels[0] ?? []) {
      this.frame[this.place++] = sample;
      if (this.place === this.frame.length) {
        this.port.postMessage(this.frame.slice());
        this.place = 0;
      }
    }
    return true;
  }
}

registerProcessor("frame-cutter", FrameCutter);
